// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

extension Differential {
  /// Compares what a port answers, what it records, and what it writes into tables.
  mutating func comparePort(_ access: DeviceTransaction, _ how: String) {
    if access.kind == .translationRequest { return compareRequest(access, how) }
    comparisons += 1
    let expected = reference.answer(access)
    let (answer, records) = machine.translate(access)
    let isSame =
      switch expected {
      case .translated(let expected):
        answer.translation.map(expected.isSame) == true && records.isEmpty
          && (how == "warm port" || hasUpdated(expected))
      case .fault(let expected): isSame(expected, access, answer.outcome, records)
      }
    if isSame, answer.stale == nil { return }
    note(
      how, expected.name, answer.fault?.text ?? "translated", expected.text(access),
      "\(answer), records \(records.map { $0.map(hex) })", access)
  }

  private func isSame(
    _ expected: ReferenceFault, _ access: DeviceTransaction,
    _ outcome: TranslationAnswer.Outcome, _ records: [[UInt64]]
  ) -> Bool {
    let words = expected.words(access)
    switch outcome {
    case .translated: return false
    case .stalled(let stag, let fault):
      let stalled = [words[0], words[1] | 1 << 31 | UInt64(stag), words[2], words[3]]
      return expected.isStall && access.kind == .untranslated
        && expected.isSame(as: fault, of: access) && records == [stalled]
    case .aborted(let fault):
      return expected.isAbort && expected.isSame(as: fault, of: access)
        && records == (expected.isRecorded ? [words] : [])
    case .zero(let fault):
      return !expected.isAbort && expected.isSame(as: fault, of: access)
        && records == (expected.isRecorded ? [words] : [])
    }
  }

  /// Whether the flags that the hardware sets are set; if it sets those of a descriptor more than
  /// once, the last time counts.
  private func hasUpdated(_ expected: ReferenceTranslation) -> Bool {
    var words: [UInt64: UInt64] = [:]
    for update in expected.updates { words[update.address] = update.word }
    return words.allSatisfy { (world.read($0.key) ^ $0.value) & (1 << 10 | 1 << 7) == 0 }
  }

  // MARK: Translation Requests

  /// Compares the completion of a Translation Request, of which no fault of translation is an
  /// event (section 3.9.1).
  private mutating func compareRequest(_ access: DeviceTransaction, _ how: String) {
    comparisons += 1
    let expected = reference.answer(access)
    let dirty = dirtyStates(expected)
    let (completion, records) = machine.request(access)
    let isSame =
      switch expected {
      case .translated(let expected):
        completion.status == .success && records.isEmpty
          && isGranted(expected, access, completion.translation)
          && (how == "warm port" || hasUpdated(expected))
      case .fault(let expected): isSame(expected, access, completion, records)
      }
    if isSame, completion.stale == nil, dirty == dirtyStates(expected) { return }
    note(
      "\(how), request", expected.name, "\(completion.status)", expected.text(access),
      "\(completion), records \(records.map { $0.map(hex) })", access)
  }

  /// The dirty states of what a request must not make dirty: nothing to see on a cold port when
  /// they are to change.
  private func dirtyStates(_ expected: ReferenceAnswer) -> [UInt64] {
    guard case .translated(let translation) = expected, translation.isClean else { return [] }
    return translation.updates.map { world.read($0.address) & 1 << 7 }
  }

  private func isSame(
    _ expected: ReferenceFault, _ access: DeviceTransaction, _ completion: ATSCompletion,
    _ records: [[UInt64]]
  ) -> Bool {
    switch expected.id {
    case 0: completion.status == .unsupportedRequest && records.isEmpty
    case ReferenceFault.badATSRequest:
      completion.status == .unsupportedRequest && records == [expected.words(access)]
    case ReferenceFault.translation...ReferenceFault.permission:
      completion.status == .success && completion.translation == nil && records.isEmpty
    default: completion.status == .completerAbort && records.isEmpty
    }
  }

  /// Whether a completion grants what the requester may have of the rights. Writing is kept back
  /// while a page is clean.
  private func isGranted(
    _ expected: ReferenceTranslation, _ access: DeviceTransaction, _ translation: Translation?
  ) -> Bool {
    var rights = expected.rights.code & (access.isPrivileged ? 0b111 : 0b111000)
    if expected.isClean { rights &= 0b101101 }
    guard let translation else { return rights == 0 }
    return translation.permissions.rawValue == rights
      && translation.physicalAddress == expected.address
      && translation.sizeLog2 == Int(expected.sizeLog2)
  }
}
