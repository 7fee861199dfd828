// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// The end of a transaction that was not translated.
struct ReferenceFault: Error, Equatable {
  /// The number of the event; 0 for an end without one.
  var id: UInt64
  var isStage2 = false
  /// CLASS: 0 CD, 1 TT, 2 IN.
  var faultClass: UInt64 = 2
  /// What dw3 tells: the address of a fetch, or the intermediate address that stage 2 refused.
  var address: UInt64 = 0
  /// TT_READ: a table was read, not written.
  var readsTable = true
  var isRecorded = true
  var isStall = false
  /// Whether a device that does not wait gets an abort, and not zeros.
  var isAbort = true

  static let badStreamID: UInt64 = 0x02
  static let steFetch: UInt64 = 0x03
  static let badSTE: UInt64 = 0x04
  static let badATSRequest: UInt64 = 0x05
  static let streamDisabled: UInt64 = 0x06
  static let translationForbidden: UInt64 = 0x07
  static let badSubstreamID: UInt64 = 0x08
  static let cdFetch: UInt64 = 0x09
  static let badCD: UInt64 = 0x0a
  static let walkAbort: UInt64 = 0x0b
  static let translation: UInt64 = 0x10
  static let addressSize: UInt64 = 0x11
  static let access: UInt64 = 0x12
  static let permission: UInt64 = 0x13

  /// An abort that nobody is told of.
  static let silent = ReferenceFault(id: 0, isRecorded: false)

  /// The four words of the record, without a stall's tag (IHI 0070, section 7.3).
  func words(_ access: DeviceTransaction) -> [UInt64] {
    var words: [UInt64] = [id, 0, 0, 0]
    words[0] |= UInt64(access.streamID) << 32
    if let substream = access.substreamID { words[0] |= 1 << 11 | UInt64(substream) << 12 }
    let read: UInt64 = access.isWrite ? 0 : 1 << 35
    let attributes: UInt64 =
      (access.isPrivileged ? 1 << 33 : 0) | (access.isInstruction ? 1 << 34 : 0)
    let stage: UInt64 = (isStage2 ? 1 << 39 : 0) | faultClass << 40
    switch id {
    case ReferenceFault.steFetch, ReferenceFault.cdFetch:
      words[3] = bits(address, 51, 3) << 3
    case ReferenceFault.badATSRequest:
      words[1] = read | attributes
      words[2] = access.address
    case ReferenceFault.translationForbidden:
      words[1] = read
      words[2] = access.address
    case ReferenceFault.walkAbort:
      words[1] = read | attributes | stage
      words[2] = access.address
      words[3] = bits(address, 51, 3) << 3
    case ReferenceFault.translation...ReferenceFault.permission:
      words[1] = read | attributes | stage
      if id == ReferenceFault.permission, faultClass == 1, readsTable { words[1] |= 1 << 44 }
      words[2] = access.address
      if isStage2 { words[3] = bits(address, 51, 12) << 12 }
    default: break
    }
    return words
  }
}

/// What became of a transaction.
enum ReferenceAnswer: Equatable {
  case translated(ReferenceTranslation)
  case fault(ReferenceFault)
}

/// A translation, and what the hardware writes into tables on its way.
struct ReferenceTranslation: Equatable {
  var address: UInt64
  /// The logarithm of the bytes that are translated alike; 64 if nothing is translated.
  var sizeLog2: UInt64
  var rights: ReferenceRights
  var updates: [ReferenceUpdate] = []
  /// What either stage's page or block spans, for a stage that translates.
  var stage1SizeLog2: UInt64?
  var stage2SizeLog2: UInt64?
  /// Writing is among the rights only because the hardware would make the page writable.
  var isClean = false
}

/// A descriptor that the hardware changes: its access flag, and its dirty state.
struct ReferenceUpdate: Equatable {
  var address: UInt64
  var word: UInt64
}
