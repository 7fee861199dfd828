// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The registers of an SMMU and, behind them, of its CMDQV.
struct SMMUv3Registers: RegisterAccess {
  let hardware: Hardware
  /// The driver of the CMDQV, which logs what guests' queues do after a write; nil where no driver
  /// runs the CMDQV, or there is none.
  let cmdqv: CMDQVDriver?

  func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    try hardware.readRegister(offset, width: width)
  }

  func writeRegister(
    _ offset: UInt64, _ value: UInt64, width: Int, in transaction: Transaction
  ) throws(Refusal) {
    try hardware.checkRegister(offset, width: width)
    transaction.onCommit { [hardware, cmdqv] in
      hardware.writeRegister(offset, value, width: width)
      cmdqv?.tellProgress()
    }
  }
}
