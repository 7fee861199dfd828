// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Locking

/// Hands what the SMMU tells to whoever runs it.
final class Sink: SMMUSink {
  private let receiver: Locked<(@Sendable (SMMUNotification) -> Void)?> = Locked(nil)

  func setReceiver(_ body: (@Sendable (SMMUNotification) -> Void)?) {
    receiver.withLock { $0 = body }
  }

  func receive(_ notification: SMMUNotification) {
    receiver.withLock { $0 }?(notification)
  }
}
