// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// What an intermediate address is translated for.
enum ReferencePurpose {
  /// To read a context descriptor or a descriptor of its first level.
  case contextDescriptor
  /// To read a descriptor of stage 1's tables.
  case tableRead
  /// To set the flags of a descriptor of stage 1's tables.
  case tableWrite
  /// For the transaction itself, which writes the page or does not.
  case input(DeviceTransaction, writes: Bool)

  var faultClass: UInt64 {
    switch self {
    case .contextDescriptor: 0
    case .tableRead, .tableWrite: 1
    case .input: 2
    }
  }

  var writes: Bool {
    switch self {
    case .contextDescriptor, .tableRead: false
    case .tableWrite: true
    case .input(_, let writes): writes
    }
  }
}

/// What stage 2 made of an intermediate address.
struct ReferenceStage2Result {
  var address: UInt64
  var sizeLog2: UInt64
  var rights: ReferenceRights
  var updates: [ReferenceUpdate]
  var isClean: Bool
}

extension ReferenceSMMU {
  /// Translates an intermediate address with a legal entry.
  func translateStage2(
    _ address: UInt64, _ entry: ReferenceSTE, _ purpose: ReferencePurpose
  ) throws(ReferenceFault) -> ReferenceStage2Result {
    guard let granule = ReferenceGranule.tg0(entry.s2TG) else {
      throw ReferenceFault(id: ReferenceFault.badSTE)
    }
    let inputSize = 64 - entry.s2T0SZ
    if !fits(address, inputSize) {
      throw stage2Fault(ReferenceFault.translation, address, entry, purpose)
    }
    let start = stage2Start(entry, granule)
    // One table or several one behind the other, together aligned to their size.
    let log2Bytes = 3 + inputSize - granule.shift(start)
    var table = aligned(entry.s2TTB, to: tableAlignment(log2Bytes, size(ofCode: entry.s2PS)))
    for level in start...3 {
      let low = granule.shift(level)
      let high = level == start ? inputSize - 1 : low + granule.stride - 1
      let place = table + bits(address, high, low) * 8
      guard let word = read(place) else {
        var fault = stage2Fault(ReferenceFault.walkAbort, place, entry, purpose)
        fault.isRecorded = true
        fault.isStall = false
        throw fault
      }
      switch ReferenceDescriptor(word, level, granule) {
      case .invalid: throw stage2Fault(ReferenceFault.translation, address, entry, purpose)
      case .table:
        table = outputBase(word, granule.rawValue, granule)
        if !fits(table, size(ofCode: entry.s2PS)) {
          throw stage2Fault(ReferenceFault.addressSize, address, entry, purpose)
        }
      case .leaf: return try stage2Leaf(word, place, low, address, granule, entry, purpose)
      }
    }
    throw stage2Fault(ReferenceFault.translation, address, entry, purpose)
  }

  /// The last level: access flag, permission, size of the output, in this order.
  private func stage2Leaf(
    _ word: UInt64, _ place: UInt64, _ low: UInt64, _ address: UInt64,
    _ granule: ReferenceGranule, _ entry: ReferenceSTE, _ purpose: ReferencePurpose
  ) throws(ReferenceFault) -> ReferenceStage2Result {
    let setsAccessFlag = entry.s2HA && !bit(word, 10)
    if !bit(word, 10) && !entry.s2HA && !entry.s2AFFD {
      throw stage2Fault(ReferenceFault.access, address, entry, purpose)
    }
    // The hardware makes a page writable whose DBM says that it may.
    let makesWritable = entry.s2HA && entry.s2HD && bit(word, 51) && !bit(word, 7)
    let rights = stage2Rights(word, isWritable: bit(word, 7) || makesWritable)
    if !isAllowed(purpose, rights) || isProtectedWalk(word, entry, purpose) {
      throw stage2Fault(ReferenceFault.permission, address, entry, purpose)
    }
    let output = outputBase(word, low, granule)
    if !fits(output, size(ofCode: entry.s2PS)) {
      throw stage2Fault(ReferenceFault.addressSize, address, entry, purpose)
    }
    var updated = word
    if setsAccessFlag { updated |= 1 << 10 }
    if makesWritable && purpose.writes { updated |= 1 << 7 }
    return ReferenceStage2Result(
      address: output + bits(address, low - 1, 0), sizeLog2: low, rights: rights,
      updates: updated == word ? [] : [ReferenceUpdate(address: place, word: updated)],
      isClean: makesWritable && !purpose.writes)
  }

  /// S2AP and XN, the same for the privileged and the others. XN's lower bit belongs to a feature
  /// that the machine does not have.
  private func stage2Rights(_ word: UInt64, isWritable: Bool) -> ReferenceRights {
    let isReadable = bit(word, 6)
    let isExecutable = !bit(word, 54)
    return ReferenceRights(
      privilegedRead: isReadable, privilegedWrite: isWritable, privilegedExecute: isExecutable,
      read: isReadable, write: isWritable, execute: isExecutable)
  }

  private func isAllowed(_ purpose: ReferencePurpose, _ rights: ReferenceRights) -> Bool {
    switch purpose {
    case .contextDescriptor, .tableRead: rights.read
    case .tableWrite: rights.write
    case .input(let access, _): isAllowed(access, rights)
    }
  }

  /// S2PTW: neither descriptors nor tables of stage 1 in device memory: MemAttr 0b00xx, and 0bx0xx
  /// with S2FWB, which gives the field another meaning.
  private func isProtectedWalk(
    _ word: UInt64, _ entry: ReferenceSTE, _ purpose: ReferencePurpose
  ) -> Bool {
    // Stage 2 alone has nothing to protect.
    if !entry.s2PTW || purpose.faultClass == 2 { return false }
    return entry.s2FWB && features.fwb ? !bit(word, 4) : bits(word, 5, 4) == 0
  }

  /// Whether the rights are what a transaction needs.
  func isAllowed(_ access: DeviceTransaction, _ rights: ReferenceRights) -> Bool {
    if access.kind == .translationRequest { return true }
    switch (access.isPrivileged, access.isWrite, access.isInstruction) {
    case (true, true, _): return rights.privilegedWrite
    case (true, false, true): return rights.privilegedExecute
    case (true, false, false): return rights.privilegedRead
    case (false, true, _): return rights.write
    case (false, false, true): return rights.execute
    case (false, false, false): return rights.read
    }
  }

  /// The address in a descriptor: its bits 47 to `low`, and bits 51 to 48 that a 64 KiB granule
  /// keeps in bits 15 to 12 where the machine has 52 bits.
  func outputBase(_ word: UInt64, _ low: UInt64, _ granule: ReferenceGranule) -> UInt64 {
    let base = bits(word, 47, low) << low
    if granule == .kib64 && outputSize == 52 { return base | bits(word, 15, 12) << 48 }
    return base
  }

  /// What the first table is aligned to: its size, and 64 bytes where outputs have 52 bits.
  func tableAlignment(_ log2Bytes: UInt64, _ outputSize: UInt64) -> UInt64 {
    outputSize == 52 ? max(log2Bytes, 6) : log2Bytes
  }

  private func stage2Fault(
    _ id: UInt64, _ address: UInt64, _ entry: ReferenceSTE, _ purpose: ReferencePurpose
  ) -> ReferenceFault {
    var fault = ReferenceFault(
      id: id, isStage2: true, faultClass: purpose.faultClass, address: address)
    if case .tableWrite = purpose { fault.readsTable = false }
    fault.isStall = entry.s2Stalls
    fault.isRecorded = entry.s2Records || entry.s2Stalls
    return fault
  }
}
