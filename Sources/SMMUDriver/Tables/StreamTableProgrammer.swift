// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Programs the entries of devices' streams, and changes with each entry what the driver knows of
/// the stream: its vmaster, and where its page faults go (`arm_smmu_install_ste_for_dev`,
/// `arm_smmu_attach_commit`).
///
/// Used under the host's lock. What the hardware can see changes at the commit of a transaction.
final class StreamTableProgrammer {
  let hardware: Hardware
  /// The stream table as the hardware reads it.
  let table: StreamTableMemory
  /// The stream table as the event handler reads it, under **the lock**.
  let streams = StreamTable()
  private let commands: Commands
  private let invalidation: TLBInvalidation
  /// Whether each write of an entry is put into the log.
  private let isTraced: Bool
  var testHooks = TestHooks()

  /// Where tests look in or step in.
  struct TestHooks {
    /// Called between the moment in which a stream's new entry stands and the one in which its
    /// vmaster does, to see what an event meets there.
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

  /// Makes a device's streams what they are to be when the transaction commits: the entries
  /// first, step by step, and then the vmaster. An event in between meets the old one.
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
      // What leaves a vIOMMU for none is out of it before its entry changes.
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

  /// `arm_smmu_attach_commit`: what a device keeps of translations is void whenever they change.
  private func finishATS(
    from previous: Master.State, to state: Master.State, _ master: Master, _ ids: [UInt32]
  ) {
    guard previous.isATSEnabled || state.isATSEnabled else { return }
    invalidation.dropDeviceCopies(of: ids)
    if state.isATSEnabled, !previous.isATSEnabled { master.port?.setATS(enabled: true) }
  }

  /// When nobody uses the tag of a domain any more, the TLBs need not know it.
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

  /// Takes the streams of a device that goes out of the table, at the commit.
  func withdraw(_ device: Device, in transaction: Transaction) {
    let ids = device.properties.streamIDs
    let stalls = hardware.smmu.features.stallModel != 1
    transaction.onCommit { [self] in
      // Nothing that the device does gets through any more, and no stall of its waits on.
      for id in ids {
        writeEntry(.blocked, of: id)
        // An SMMU that does not stall does not know STALL_TERM.
        if stalls { commands.issue([.stallTerm(id)]) }
        hardware.smmu.port(id).setATS(enabled: false)
      }
      streams.set(nil, for: ids)
    }
  }
}
