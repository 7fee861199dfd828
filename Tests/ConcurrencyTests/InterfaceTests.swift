// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking
import Testing

@testable import SMMUDriver

/// A machine whose log has something done while it is written.
private final class LoggingMachine: Machine, MemoryMachine {
  let physicalMemory = PhysicalMemory(size: 1 << 32)
  private let map = Locked(PhysicalMemoryMap(size: 1 << 32))
  let onError = LockedFunction<Void, Void>()

  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64? {
    map.withLock { $0.allocate(length, alignment: alignment) }
  }

  func retainMemory(_ address: UInt64, _ length: UInt64) {}
  func clearMemory(_ address: UInt64, _ length: UInt64) {}
  func freeMemory(_ address: UInt64, _ length: UInt64) {}

  func allocateTables(_ length: UInt64, alignment: UInt64, below limit: UInt64) -> UInt64? {
    allocateMemory(length, alignment: alignment)
  }

  func freeTables(_ address: UInt64, _ length: UInt64) {}
  func logHardwareEvent(_ event: UnclaimedEvent) {}

  func logHardware(_ trace: HardwareTrace) {
    if case .cmdqvError = trace.kind { onError(()) }
  }
}

/// An interface belongs to nobody else before the report of its error has ended.
@Suite("An interface does not change hands under an error's report") struct InterfaceTests {
  @Test("Taking an interface out waits for the report that is under way")
  func withdrawal() throws {
    let machine = LoggingMachine()
    var features = SMMUv3Features()
    features.sidSize = 8
    let driver = try SMMUv3Driver(
      name: "s",
      settings: SMMUSettings(
        driver: "arm-smmuv3", streamIDBits: 8,
        cmdqv: .init(vintfs: 2, vcmdqs: 2, sidsPerVINTF: 1)),
      features: features, machine: machine)
    driver.reset()
    let cmdqv = try #require(driver.cmdqv)
    cmdqv.enable(1, vmid: 5)
    let interrupts = cmdqv.interrupts
    let isHeldUp = StreamTableTests.isHeldUp(
      by: { look in
        // The error is reported on this thread, which looks meanwhile.
        withoutActuallyEscaping(look) { look in
          let wrapped = Look(body: look)
          machine.onError.set { wrapped.body() }
          // A queue that is enabled without a ring.
          try? cmdqv.engine.writeRegister(0x204, 1 << 15 | 1, width: 4)
          try? cmdqv.engine.writeRegister(0x5_0008, 1, width: 4)
          machine.onError.set(nil)
        }
      }, { interrupts.withdraw(1) })
    #expect(isHeldUp)
    driver.discard()
  }

  private struct Look: @unchecked Sendable {
    let body: () -> Void
  }
}
