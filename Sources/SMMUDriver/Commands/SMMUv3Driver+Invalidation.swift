// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

extension SMMUv3Driver {
  /// The type of a guest's commands (`IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3`).
  private static let commandType: UInt32 = 1
  /// Commands that go to the hardware at once, with a SYNC behind them.
  static let guestBatch = 63

  /// `arm_vsmmu_cache_invalidate`: converts one by one and issues whenever a list is full. What
  /// a bad command finds in the list that is not full yet is counted, and not issued.
  func invalidate(
    _ target: InvalidationTarget, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    guard case .viommu(let viommu) = target, let vsmmu = viommu.driverData as? VSMMU else {
      return InvalidationOutcome(
        handled: 0,
        refusal: Refusal(
          .EOPNOTSUPP, field: "hwpt_id", "a nested domain of an SMMUv3 is invalidated by its vIOMMU"
        ))
    }
    let guest = GuestCommand(features: features, vmid: UInt16(truncatingIfNeeded: vsmmu.vmid)) {
      viommu.vdevs[UInt64($0)]?.device.properties.streamIDs.first
    }
    var list: [Command] = []
    do throws(Refusal) {
      let entries = try request.copyAll(type: Self.commandType, size: 16)
      for (index, entry) in entries.enumerated() {
        do throws(Refusal) {
          list.append(try guest.converted(Command(dw0: entry.u64(0), dw1: entry.u64(8))))
        } catch {
          return InvalidationOutcome(
            handled: index,
            refusal: Refusal(.EIO, field: "commands/\(index)", error.detail))
        }
        if list.count == Self.guestBatch || index == entries.count - 1 {
          let full = list
          transaction.onCommit { [commands] in commands.main.issue(full) }
          list = []
        }
      }
      return InvalidationOutcome(handled: entries.count)
    } catch {
      return InvalidationOutcome(handled: 0, refusal: error)
    }
  }

  /// The answer to a stalled transaction goes to the SMMU, one to a page request to the device
  /// (`arm_smmu_page_response`).
  func respond(to group: FaultGroup, _ code: PageResponseCode) {
    guard let fault = group.faults.first else { return }
    guard let stream = group.stalledStream else {
      let device = streams.streams(of: fault.device).first ?? 0
      hardware.log(.pageResponse(stream: device, group: fault.group, code.rawValue))
      return
    }
    // 1 has the device try again, 2 aborts.
    commands.main.issue(
      [.resume(stream, stag: UInt16(truncatingIfNeeded: fault.group), response: code.resume)],
      withSync: false)
  }
}

extension PageResponseCode {
  /// RESUME's RESP.
  fileprivate var resume: UInt64 {
    switch self {
    case .success: 1
    case .invalid: 2
    }
  }
}
