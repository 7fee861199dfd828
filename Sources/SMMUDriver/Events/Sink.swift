// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Locking

/// Passes the SMMU's notifications on to a receiver that is set after the SMMU is made. While there
/// is none they are dropped.
final class Sink: SMMUSink {
  private let receiver = LockedFunction<SMMUNotification, Void>()

  func setReceiver(_ body: (@Sendable (SMMUNotification) -> Void)?) {
    receiver.set(body)
  }

  func receive(_ notification: SMMUNotification) {
    receiver(notification)
  }
}
