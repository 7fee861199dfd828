// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// A second SMMU that can only translate: one function a rule, and no cache. The machine is held
/// against it. It shares with the machine what memory holds, the names of the features and of the
/// registers, and nothing of how tables are read.
struct ReferenceSMMU {
  let memory: PhysicalMemory
  let features: SMMUv3Features
  let registers: TranslationRegisters
  /// Gets what is read, if there is one.
  var trace: ReferenceTrace?

  func answer(_ access: DeviceTransaction) -> ReferenceAnswer {
    do {
      if !registers.isEnabled { return .translated(try passDisabled(access)) }
      return .translated(try translate(access, try streamTableEntry(access.streamID)))
    } catch {
      return .fault(error)
    }
  }

  /// With a stream table entry that need not be in memory.
  func answer(_ access: DeviceTransaction, _ entry: ReferenceSTE) -> ReferenceAnswer {
    do { return .translated(try translate(access, entry)) } catch { return .fault(error) }
  }

  // MARK: Features

  var outputSize: UInt64 { UInt64(features.oas) }
  /// What an intermediate address may have: stage 2 takes 48 bits at most.
  var intermediateSize: UInt64 { min(outputSize, 48) }

  func has(_ granule: ReferenceGranule) -> Bool {
    switch granule {
    case .kib4: features.gran4k
    case .kib16: features.gran16k
    case .kib64: features.gran64k
    }
  }

  /// The bits that IPS and S2PS stand for, never more than the machine has.
  func size(ofCode code: UInt64) -> UInt64 {
    let sizes: [UInt64] = [32, 36, 40, 42, 44, 48, 52, 52]
    return min(sizes[Int(code)], outputSize)
  }

  /// Whether the base of a table is one that its tables can have.
  func isBaseLegal(_ base: UInt64, _ size: UInt64, _ granule: ReferenceGranule) -> Bool {
    // Only descriptors of 64 KiB granules have 52 bits.
    fits(base, granule == .kib64 ? size : min(size, 48))
  }

  // MARK: From the stream to the walks

  private func passDisabled(
    _ access: DeviceTransaction
  ) throws(ReferenceFault) -> ReferenceTranslation {
    if registers.abortsWhileDisabled { throw .silent }
    if access.kind == .translationRequest { throw .silent }
    if !fits(access.address, outputSize) { throw .silent }
    return untranslated(access)
  }

  private func untranslated(_ access: DeviceTransaction) -> ReferenceTranslation {
    ReferenceTranslation(address: access.address, sizeLog2: 64, rights: ReferenceRights())
  }

  private func translate(
    _ access: DeviceTransaction, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> ReferenceTranslation {
    if !isLegal(entry) { throw ReferenceFault(id: ReferenceFault.badSTE) }
    if entry.config < 4 { throw .silent }
    if access.kind == .translated { return try passTranslated(access, entry) }
    if access.kind == .translationRequest, effectiveEATS(entry) == 0 {
      throw ReferenceFault(id: ReferenceFault.badATSRequest)
    }
    guard let index = try contextIndex(access, entry) else {
      return try translateWithoutStage1(access, entry)
    }
    let context = try contextDescriptor(index, entry)
    if !isLegal(context, entry) { throw ReferenceFault(id: ReferenceFault.badCD) }
    return try translateStage1(access, context, entry)
  }

  private func translateWithoutStage1(
    _ access: DeviceTransaction, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> ReferenceTranslation {
    // Nobody's flags govern this fault: there is no descriptor.
    let size = entry.hasStage2 ? intermediateSize : outputSize
    if !fits(access.address, size) { throw ReferenceFault(id: ReferenceFault.addressSize) }
    if !entry.hasStage2 { return untranslated(access) }
    return try translateStage2Alone(access, entry)
  }

  private func translateStage2Alone(
    _ access: DeviceTransaction, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> ReferenceTranslation {
    let stage2 = try translateStage2(access.address, entry, .input(access, writes: access.isWrite))
    return ReferenceTranslation(
      address: stage2.address, sizeLog2: stage2.sizeLog2, rights: stage2.rights,
      updates: stage2.updates, stage2SizeLog2: stage2.sizeLog2, isClean: stage2.isClean)
  }

  /// A transaction whose address an ATS completion has given.
  private func passTranslated(
    _ access: DeviceTransaction, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> ReferenceTranslation {
    if registers.checksATS {
      if effectiveEATS(entry) == 0 {
        throw ReferenceFault(id: ReferenceFault.translationForbidden)
      }
      if effectiveEATS(entry) == 2 { return try translateStage2Alone(access, entry) }
    }
    if !fits(access.address, outputSize) {
      throw ReferenceFault(id: ReferenceFault.addressSize)
    }
    return untranslated(access)
  }

  /// EATS, as far as it counts (section 5.2).
  private func effectiveEATS(_ entry: ReferenceSTE) -> UInt64 {
    if entry.config == 4 { return 0 }
    switch entry.eats {
    case 1: return 1
    case 2: return registers.checksATS ? 2 : 0
    default: return 0
    }
  }

  /// Reads a word of a table.
  func read(_ address: UInt64) -> UInt64? {
    let word = try? memory.read64(address)
    trace?.reads.append((address, word))
    return word
  }
}

/// The words of tables that were read, in order; nil where nothing exists.
final class ReferenceTrace {
  var reads: [(address: UInt64, word: UInt64?)] = []
}
