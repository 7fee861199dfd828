// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// The devices of a host that send traffic by themselves. Used under the host's lock.
final class TrafficTable {
  /// By the device's name.
  private var generators: [String: TrafficGenerator] = [:]

  var isEmpty: Bool { generators.isEmpty }

  /// What a device sends; nil when it sends nothing.
  subscript(device: String) -> TrafficGenerator? { generators[device] }

  /// Has a device send traffic from commit on, in the place of what it sent before.
  ///
  /// - Throws: what `TrafficGenerator` refuses.
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

  /// Has a device send nothing more from commit on.
  func stop(_ device: String, in transaction: Transaction) {
    guard let generator = generators.removeValue(forKey: device) else { return }
    transaction.onRollback { [unowned self] in generators[device] = generator }
    transaction.onCommit { generator.stop() }
  }

  /// Devices that the transaction has deleted send nothing any more. One that has taken a deleted
  /// one's name in the same batch may send already.
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

  /// Ends all traffic, because the host goes.
  func stopAll() {
    for generator in generators.values { generator.stop() }
    generators = [:]
  }
}
