// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Locking

/// Passes the CMDQV's interrupts and doorbells on to receivers that are set after the CMDQV is
/// made. While there are none they are dropped.
final class CMDQVDoorbells: CMDQVSink {
  private let onInterrupt = LockedFunction<Void, Void>()
  private let onDoorbell = LockedFunction<Int, Void>()

  func setReceiver(
    interrupt: (@Sendable () -> Void)?, doorbell: (@Sendable (Int) -> Void)? = nil
  ) {
    if let interrupt {
      onInterrupt.set { interrupt() }
    } else {
      onInterrupt.set(nil)
    }
    onDoorbell.set(doorbell)
  }

  func interrupt() { onInterrupt(()) }
  func doorbell(_ queue: Int) { onDoorbell(queue) }
}
