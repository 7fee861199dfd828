// SPDX-License-Identifier: Apache-2.0

/// Why a transaction does not go on (IHI 0070, sections 3.12 and 7.3).
public struct TranslationFault: Error, Sendable, Equatable {
  /// What was being done when the fault came: the field CLASS of an event record, by its values.
  public enum Class: UInt64, Sendable {
    /// A context descriptor was being fetched.
    case contextDescriptor = 0
    /// A translation table of stage 1 was being read or updated.
    case tableWalk = 1
    /// The address itself was being translated.
    case input = 2
  }

  /// The event that the fault is reported as; number 0 for one that is never reported.
  public var id: EventRecord.ID
  /// Whether stage 2 found the fault.
  public var isStage2 = false
  /// What was being done when the fault came.
  public var faultClass: Class
  /// The intermediate address that stage 2 refused, or the physical address of a fetch that was
  /// aborted; 0 for faults without either.
  public var detail: UInt64
  /// For a permission fault on a table: whether the table was to be read, else updated.
  public var isTableRead = true
  /// Whether a record is put into the event queue.
  public var isRecorded = true
  /// Whether the transaction is stalled until software answers.
  public var isStall = false
  /// Whether the device sees an abort. If not, its reads give zero and its writes have no effect
  /// (CD.A).
  public var isAbort = true

  /// A fault that is recorded, does not stall, and aborts. The other properties can be changed
  /// afterwards.
  public init(
    _ id: EventRecord.ID, isStage2: Bool = false, class faultClass: Class = .input,
    detail: UInt64 = 0
  ) {
    self.id = id
    self.isStage2 = isStage2
    self.faultClass = faultClass
    self.detail = detail
  }

  /// Whether it is one of the four faults that R, S and A of a stage govern (section 5.5).
  public var isTranslationRelated: Bool {
    id == .translation || id == .addrSize || id == .access || id == .permission
  }

  /// The end of a transaction without a record: its stream's entry says abort, or the SMMU is
  /// disabled and aborts.
  static var silentAbort: TranslationFault {
    var fault = TranslationFault(.none)
    fault.isRecorded = false
    return fault
  }
}

extension EventRecord.ID {
  /// The number that stands for no event.
  static let none = EventRecord.ID(rawValue: 0)
}

extension EventRecord {
  /// The event record of a transaction's fault. Each event has its own fields (section 7.3).
  ///
  /// - Parameters:
  ///   - fault: why the transaction does not go on.
  ///   - transaction: the transaction.
  ///   - stag: the tag by which a RESUME names the transaction; nil unless it is stalled.
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

  /// Sets the fields that describe the access: PnU, InD, RnW and the input address.
  private mutating func setAccess(_ transaction: DeviceTransaction) {
    dw1.setBit(33, transaction.isPrivileged)
    dw1.setBit(34, transaction.isInstruction)
    dw1.setBit(35, !transaction.isWrite)
    dw2 = transaction.address
  }

  /// Sets S2 and CLASS.
  private mutating func setStage(_ fault: TranslationFault) {
    dw1.setBit(39, fault.isStage2)
    dw1.setField(41, 40, fault.faultClass.rawValue)
  }
}
