// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Locking

/// Hands what the SMMU tells to whoever runs it.
final class Sink: SMMUSink {
  private let receiver = LockedFunction<SMMUNotification, Void>()

  func setReceiver(_ body: (@Sendable (SMMUNotification) -> Void)?) {
    receiver.set(body)
  }

  func receive(_ notification: SMMUNotification) {
    receiver(notification)
  }
}
