// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// The devices of a host that send traffic by themselves. It is used under the host's lock.
final class TrafficTable {
  /// The generators by the names of their devices.
  private var generators: [String: TrafficGenerator] = [:]

  var isEmpty: Bool { generators.isEmpty }

  /// The generator of a device; nil when the device sends nothing.
  subscript(device: String) -> TrafficGenerator? { generators[device] }

  /// Has a device send traffic once the transaction commits, instead of what it has sent so far.
  ///
  /// - Throws: the refusal of `TrafficGenerator`.
  func start(
    _ device: String, _ settings: TrafficSettings, _ port: any DevicePort,
    in transaction: Transaction
  ) throws(Refusal) {
    let previous = generators[device]
    let generator = try TrafficGenerator(settings, port, isReplacing: previous != nil)
    generators[device] = generator
    transaction.onRollback { [unowned self] in
      generator.abandon()
      generators[device] = previous
    }
    transaction.onCommit {
      previous?.stop()
      generator.start()
    }
  }

  /// Has a device send nothing more once the transaction commits.
  func stop(_ device: String, in transaction: Transaction) {
    guard let generator = generators.removeValue(forKey: device) else { return }
    transaction.onRollback { [unowned self] in generators[device] = generator }
    transaction.onCommit { generator.stop() }
  }

  /// Stops the traffic of devices that the transaction has deleted. A device that was made in the
  /// same batch with a deleted one's name may send already; its traffic goes on.
  func stopDeleted(of core: ObjectCore) {
    guard !generators.isEmpty else { return }
    for key in core.transaction.deleted where key.kind == .device {
      guard let generator = generators[key.id] else { continue }
      if let device = core.object(key) as? Device,
        let port = device.smmu.driver.ops.port(of: device), generator.sends(through: port)
      {
        continue
      }
      generators[key.id] = nil
      generator.stop()
    }
  }

  /// Stops all traffic, because the host is reset or deleted.
  func stopAll() {
    for generator in generators.values { generator.stop() }
    generators = [:]
  }
}
