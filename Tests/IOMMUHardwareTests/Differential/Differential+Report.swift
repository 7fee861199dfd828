// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

extension Differential {
  /// Keeps a difference with everything that shows it, if it is the first of its kind.
  mutating func note(
    _ how: String, _ expected: String, _ got: String, _ expectedText: String, _ gotText: String,
    _ access: DeviceTransaction? = nil
  ) {
    let kind = "\(how.prefix { $0 != " " }): \(expected), not \(got)"
    if differences[kind] != nil { return }
    var lines = [kind, "  \(how), seed \(world.seed)"]
    lines.append("  reference: \(expectedText)")
    lines.append("  machine: \(gotText)")
    if let access {
      lines.append("  \(access), address \(hex(access.address))")
      lines += trace(access)
    }
    lines.append("  entry \(world.entry.words.map(hex))")
    lines.append("  \(world.features)")
    lines.append("  \(world.registers)")
    let range = world.memory.range
    lines.append("  memory \(hex(range.lowerBound))..<\(hex(range.upperBound))")
    lines += world.history.map { "  damage: \($0)" }
    differences[kind] = lines.joined(separator: "\n")
  }

  /// The words that the reference reads on its way, in its order.
  private func trace(_ access: DeviceTransaction) -> [String] {
    let trace = ReferenceTrace()
    var reference = reference
    reference.trace = trace
    _ = reference.answer(access)
    return trace.reads.map { "  [\(hex($0.address))] = \($0.word.map(hex) ?? "abort")" }
  }
}

extension ReferenceAnswer {
  /// The class of an answer.
  var name: String {
    switch self {
    case .translated(let translation):
      let stages = [
        translation.stage1SizeLog2.map { "S1 2^\($0)" },
        translation.stage2SizeLog2.map { "S2 2^\($0)" },
      ]
      let text = stages.compactMap { $0 }.joined(separator: " ")
      return "translated " + (text.isEmpty ? "by no stage" : text)
    case .fault(let fault):
      if fault.id == 0 { return "silent abort" }
      let name = EventRecord.ID(rawValue: UInt8(fault.id)).name
      if fault.id < ReferenceFault.walkAbort { return name }
      let faultClass = ["CD", "TT", "IN"][Int(fault.faultClass)]
      let written = fault.readsTable ? "" : " write"
      return "\(name) S\(fault.isStage2 ? 2 : 1) \(faultClass)\(written)"
    }
  }

  func text(_ access: DeviceTransaction) -> String {
    switch self {
    case .translated(let translation):
      let updates = translation.updates.map { " [\(hex($0.address))]=\(hex($0.word))" }
      return "\(hex(translation.address)), \(name), rights \(translation.rights.code)"
        + updates.joined() + (translation.isClean ? " clean" : "")
    case .fault(let fault):
      return "\(name), record \(fault.words(access).map(hex)), recorded \(fault.isRecorded), "
        + "stall \(fault.isStall), abort \(fault.isAbort)"
    }
  }
}

extension TranslationFault {
  var text: String {
    let written = isTableRead ? "" : " write"
    return "\(id.name) S\(isStage2 ? 2 : 1) \(faultClass)\(written)"
  }
}

extension Result<Translation, TranslationFault> {
  var name: String { fault?.text ?? "translated" }
}
