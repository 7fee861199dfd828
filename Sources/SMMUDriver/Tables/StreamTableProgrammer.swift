// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Programs the stream table entries of devices. With each entry it changes what the driver knows
/// of the stream: its vmaster, and where its page faults are reported
/// (`arm_smmu_install_ste_for_dev`, `arm_smmu_attach_commit`).
///
/// It is used under the host's lock. What the hardware can see changes at the commit of a
/// transaction.
final class StreamTableProgrammer {
  let hardware: Hardware
  /// The stream table in memory, which the hardware reads.
  let table: StreamTableMemory
  /// The driver's own table of streams, which the event handler looks up under **the lock**.
  let streams = StreamTable()
  private let commands: Commands
  private let invalidation: TLBInvalidation
  /// Whether each write of an entry is logged.
  private let isTraced: Bool
  var testHooks = TestHooks()

  /// Calls at moments that a test could not hit from outside.
  struct TestHooks {
    /// Called after a stream's new entry is in memory and before its new vmaster takes effect. A
    /// test uses it to see where an event goes at that moment.
    var betweenEntryAndVMaster: (() -> Void)?
  }

  init(
    _ hardware: Hardware, _ table: StreamTableMemory, _ commands: Commands, isTraced: Bool
  ) {
    self.hardware = hardware
    self.table = table
    self.commands = commands
    self.isTraced = isTraced
    invalidation = TLBInvalidation(commands: commands, features: hardware.smmu.features)
  }

  /// Gives a device's streams a new state at commit. Their entries in memory are written first,
  /// step by step, and then the vmaster is replaced. An event that comes in between still goes to
  /// the old vmaster.
  func publish(_ device: Device, _ state: Master.State, in transaction: Transaction) {
    let master = device.master
    let previous = master.current
    master.current = state
    transaction.onRollback { master.current = previous }
    let ids = device.properties.streamIDs
    let stream = Stream(
      device: device.name, deviceID: device.objectID ?? 0, entry: state.entry,
      vmaster: state.vmaster, faultRoutes: state.faultRoutes)
    transaction.onCommit { [self] in
      if previous.isATSEnabled, !state.isATSEnabled { master.port?.setATS(enabled: false) }
      // If the device is blocked, Linux clears its vmaster before it rewrites the entry. An event
      // that comes in between is therefore the host's.
      if previous.vmaster != nil, state.vmaster == nil, state.entry == .blocked {
        streams.withoutVMaster(ids)
      }
      for id in Set(ids).sorted() { writeEntry(state.entry, of: id) }
      testHooks.betweenEntryAndVMaster?()
      streams.set(stream, for: ids)
      finishATS(from: previous, to: state, master, ids)
      retire(previous.tags, for: state.tags)
    }
  }

  func writeEntry(_ entry: StreamTableEntry, of stream: UInt32) {
    var isChanged = false
    table.write(entry, of: stream) {
      isChanged = true
      if isTraced {
        let words = table.address(of: stream).map { hardware.read(8, at: $0) } ?? []
        hardware.log(.streamTableEntry(stream: stream, words))
      }
      commands.issue([.cfgiSTE(stream)])
    }
    if isChanged { commands.issue([.prefetchConfig(stream)], withSync: false) }
  }

  /// Has the device drop the translations in its ATC, because they have changed, and then switches
  /// its ATS on if the new state asks for it (`arm_smmu_attach_commit`).
  private func finishATS(
    from previous: Master.State, to state: Master.State, _ master: Master, _ ids: [UInt32]
  ) {
    guard previous.isATSEnabled || state.isATSEnabled else { return }
    invalidation.dropDeviceCopies(of: ids)
    if state.isATSEnabled, !previous.isATSEnabled { master.port?.setATS(enabled: true) }
  }

  /// Counts the attachments to each domain. When the last one of a domain is gone, the TLBs drop
  /// what they have under the domain's ASID or VMID.
  private func retire(
    _ previous: [UInt32: PagingDomain], for next: [UInt32: PagingDomain]
  ) {
    for (pasid, paging) in next where previous[pasid] !== paging { paging.attachedCount += 1 }
    for (pasid, paging) in previous.sorted(by: { $0.key < $1.key })
    where next[pasid] !== paging {
      paging.attachedCount -= 1
      if paging.attachedCount == 0 { invalidation.dropAll(of: paging) }
    }
  }

  /// Removes the streams of a device that is unplugged, at commit.
  func withdraw(_ device: Device, in transaction: Transaction) {
    let ids = device.properties.streamIDs
    let stalls = hardware.smmu.features.stallModel != 1
    transaction.onCommit { [self] in
      // From here on the device's transactions are aborted. Those that are stalled are ended,
      // because nobody is left to answer them.
      for id in ids {
        writeEntry(.blocked, of: id)
        // An SMMU that never stalls takes STALL_TERM for an illegal command.
        if stalls { commands.issue([.stallTerm(id)]) }
        hardware.smmu.port(id).setATS(enabled: false)
      }
      streams.set(nil, for: ids)
    }
  }
}
