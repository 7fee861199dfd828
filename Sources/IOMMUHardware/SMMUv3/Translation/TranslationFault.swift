// SPDX-License-Identifier: Apache-2.0

/// Why a transaction may not go on (IHI 0070, sections 3.12 and 7.3).
public struct TranslationFault: Error, Sendable, Equatable {
  /// What was being done when the fault came (CLASS).
  public enum Class: UInt64, Sendable {
    case contextDescriptor = 0
    case tableWalk = 1
    case input = 2
  }

  /// The event that the fault is reported as.
  public var id: EventRecord.ID
  /// Whether stage 2 found it.
  public var isStage2 = false
  /// What was being done when the fault came.
  public var faultClass: Class
  /// The intermediate address that stage 2 refused, or the address of a fetch that aborted.
  public var detail: UInt64
  /// For a permission fault on a table: whether the table was read, else updated.
  public var isTableRead = true
  /// Whether the event queue gets a record.
  public var isRecorded = true
  /// Whether the transaction waits for software's answer.
  public var isStall = false
  /// Whether the device sees an abort; else its reads give zero and its writes vanish (CD.A).
  public var isAbort = true

  /// A fault that is recorded and aborts, unless it is changed.
  public init(
    _ id: EventRecord.ID, isStage2: Bool = false, class faultClass: Class = .input,
    detail: UInt64 = 0
  ) {
    self.id = id
    self.isStage2 = isStage2
    self.faultClass = faultClass
    self.detail = detail
  }

  /// The four faults that R, S and A govern (section 5.5).
  public var isTranslationRelated: Bool {
    id == .translation || id == .addrSize || id == .access || id == .permission
  }

  /// An end without a record: a stream whose entry says abort, or a disabled SMMU.
  static var silentAbort: TranslationFault {
    var fault = TranslationFault(.none)
    fault.isRecorded = false
    return fault
  }
}

extension EventRecord.ID {
  /// No event at all.
  static let none = EventRecord.ID(rawValue: 0)
}

extension EventRecord {
  /// The record of a fault.
  ///
  /// - Parameter stag: what a RESUME is to name, when the transaction stalls.
  public init(_ fault: TranslationFault, of transaction: DeviceTransaction, stag: UInt16? = nil) {
    self.init()
    dw0.setField(7, 0, UInt64(fault.id.rawValue))
    if let substream = transaction.substreamID {
      dw0.setBit(11, true)
      dw0.setField(31, 12, UInt64(substream))
    }
    streamID = transaction.streamID
    switch fault.id {
    case .steFetch, .cdFetch, .vmsFetch:
      dw3 = fault.detail & 0x000f_ffff_ffff_fff8
    case .badATSTReq, .uut:
      setAccess(transaction)
    case .translForbidden:
      dw1.setBit(35, !transaction.isWrite)
      dw2 = transaction.address
    case .walkEABT:
      setAccess(transaction)
      setStage(fault)
      dw3 = fault.detail & 0x000f_ffff_ffff_fff8
    case .translation, .addrSize, .access, .permission:
      setAccess(transaction)
      setStage(fault)
      if fault.id == .permission, fault.faultClass == .tableWalk {
        dw1.setBit(44, fault.isTableRead)
      }
      if fault.isStage2 { dw3 = fault.detail & 0x000f_ffff_ffff_f000 }
      if let stag {
        dw1.setField(15, 0, UInt64(stag))
        dw1.setBit(31, true)
      }
    default:
      break
    }
  }

  private mutating func setAccess(_ transaction: DeviceTransaction) {
    dw1.setBit(33, transaction.isPrivileged)
    dw1.setBit(34, transaction.isInstruction)
    dw1.setBit(35, !transaction.isWrite)
    dw2 = transaction.address
  }

  private mutating func setStage(_ fault: TranslationFault) {
    dw1.setBit(39, fault.isStage2)
    dw1.setField(41, 40, fault.faultClass.rawValue)
  }
}
