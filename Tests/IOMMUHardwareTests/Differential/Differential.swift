// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// Holds the machine against the reference, one world and its transactions at a time.
struct Differential {
  /// An example for each kind of difference, by what was expected and what came.
  var differences: [String: String] = [:]
  /// How many transactions there were, and how often an answer was compared.
  private(set) var accesses = 0
  var comparisons = 0
  /// How often the reference gave an answer of a class.
  private(set) var classes: [String: Int] = [:]

  var world = RandomWorld(seed: 0)
  var machine = DifferentialMachine(RandomWorld(seed: 0))

  var reference: ReferenceSMMU {
    ReferenceSMMU(memory: world.memory, features: world.features, registers: world.registers)
  }

  /// Compares the answers to some transactions of a world: of the bare walk, with the entry in
  /// memory and with another in hand; of a port whose caches were emptied before each; and of one
  /// that keeps what it has seen.
  mutating func run(seed: UInt64, count: Int) {
    world = RandomWorld(seed: seed)
    machine = DifferentialMachine(world)
    let registers = machine.smmu.translationRegisters
    if registers != world.registers { note("registers", "world", "machine", "", "\(registers)") }
    let transactions = world.accesses(count)
    for access in transactions where !isSplit(access) {
      accesses += 1
      let expected = reference.answer(access)
      classes[expected.name, default: 0] += 1
      compareWalk(access, expected)
      compareEntry(access)
      machine.forgetAll()
      comparePort(access, "cold port")
    }
    machine.forgetAll()
    var last: DeviceTransaction?
    for access in transactions + transactions where !isSplit(access) {
      if let last, last.substreamID != access.substreamID, !canShareTLB { machine.forgetAll() }
      last = access
      comparePort(access, "warm port")
    }
  }

  /// Whether a TLB knows the descriptors of several substreams apart: by ASIDs, which a damaged
  /// world may have twice, and as long as no page is of all of them.
  private var canShareTLB: Bool {
    !world.isDamaged && !world.hasGlobalPages && !reference.hasStreamWorldEL2Alone(world.entry)
  }

  /// Whether a request is for split-stage ATS: what that grants is not the walks' business.
  private func isSplit(_ access: DeviceTransaction) -> Bool {
    guard access.kind == .translationRequest else { return false }
    let entry = try? reference.streamTableEntry(access.streamID)
    return (entry ?? world.entry).eats == 2
  }

  // MARK: The bare walk

  private func uncached(_ access: DeviceTransaction) -> Result<Translation, TranslationFault> {
    let walk = UncachedTranslation(
      memory: world.memory, features: world.features, registers: world.registers)
    do { return .success(try walk.translate(access)) } catch { return .failure(error) }
  }

  private func uncached(
    _ access: DeviceTransaction, _ entry: ReferenceSTE
  ) -> Result<Translation, TranslationFault> {
    let walk = UncachedTranslation(
      memory: world.memory, features: world.features, registers: world.registers)
    let entry = StreamTableEntry(words: entry.words)
    do { return .success(try walk.translate(access, entry)) } catch { return .failure(error) }
  }

  private mutating func compareWalk(_ access: DeviceTransaction, _ expected: ReferenceAnswer) {
    compare(access, expected, uncached(access), "walk")
  }

  /// With an entry that is in no table: the world's own, or that with some bits changed.
  private mutating func compareEntry(_ access: DeviceTransaction) {
    let entry = world.chance(50) ? world.damaged(world.entry) : world.entry
    if access.kind == .translationRequest, entry.eats == 2 { return }
    compare(
      access, reference.answer(access, entry), uncached(access, entry),
      "entry \(entry.words.map(hex))")
  }

  private mutating func compare(
    _ access: DeviceTransaction, _ expected: ReferenceAnswer,
    _ answer: Result<Translation, TranslationFault>, _ how: String
  ) {
    comparisons += 1
    switch (expected, answer) {
    case (.translated(let expected), .success(let translation)):
      if expected.isSame(as: translation) { return }
    case (.fault(let expected), .failure(let fault)):
      if expected.isSame(as: fault, of: access) { return }
    default: break
    }
    note(how, expected.name, answer.name, expected.text(access), "\(answer)", access)
  }
}

extension ReferenceTranslation {
  func isSame(as translation: Translation) -> Bool {
    address == translation.physicalAddress && Int(sizeLog2) == translation.sizeLog2
      && rights.code == translation.permissions.rawValue
  }
}

extension ReferenceFault {
  /// Whether the machine's fault is this one, to the last bit of its record.
  func isSame(as fault: TranslationFault, of access: DeviceTransaction) -> Bool {
    guard isRecorded == fault.isRecorded, isStall == fault.isStall else { return false }
    // Who waits for software is neither aborted nor given zeros.
    guard isStall || isAbort == fault.isAbort else { return false }
    if id == 0 { return fault.id.rawValue == 0 }
    return words(access) == EventRecord(fault, of: access).words
  }
}
