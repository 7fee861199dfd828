// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Carries out the commands that a guest's driver would put into the command queue of its SMMU.
extension VSMMUOps {
  /// The type of invalidations that are a guest's commands
  /// (`IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3`).
  private static let commandType: UInt32 = 1
  /// How many commands are put into the hardware's queue at once, with a CMD_SYNC behind them.
  static let guestBatch = 63

  /// Converts the guest's commands one by one, and issues them as a list whenever the list is full
  /// (`arm_vsmmu_cache_invalidate`). If a command is refused, those that are in the list by then
  /// are reported as handled although they are not issued, as in Linux.
  func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    guard let vsmmu = viommu.driverData as? VSMMU else { return .unsupported }
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
}
