// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// A machine for a driver alone, which looks at something whenever a record is handled.
final class WatchingMachine: Machine, MemoryMachine {
  let physicalMemory = PhysicalMemory(size: 1 << 32)
  private let map = Locked(PhysicalMemoryMap(size: 1 << 32))
  private let watched = LockedFunction<Void, UInt64>()
  private let values = Locked<[UInt64]>([])

  var seen: [UInt64] { values.withLock { $0 } }

  func watch(_ body: @escaping @Sendable () -> UInt64) { watched.set(body) }

  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64? {
    map.withLock { $0.allocate(length, alignment: alignment) }
  }

  func retainMemory(_ address: UInt64, _ length: UInt64) {
    map.withLock { $0.retain(address, length) }
  }

  func clearMemory(_ address: UInt64, _ length: UInt64) { physicalMemory.clear(address, length) }

  func freeMemory(_ address: UInt64, _ length: UInt64) {
    map.withLock { $0.free(address, length) }
  }

  func allocateTables(_ length: UInt64, alignment: UInt64, below limit: UInt64) -> UInt64? {
    allocateMemory(length, alignment: alignment)
  }

  func freeTables(_ address: UInt64, _ length: UInt64) { freeMemory(address, length) }

  func logHardware(_ trace: HardwareTrace) {}

  func logHardwareEvent(_ event: UnclaimedEvent) {
    guard let value = watched(()) else { return }
    values.withLock { $0.append(value) }
  }
}
