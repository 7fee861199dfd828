// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import SeededRandom
import Testing

@testable import SMMUDriver

/// The bits that a guest may set in a command, and nothing else gets to the host's queue.
@Suite("A guest's commands are checked bit by bit") struct GuestCommandTests {
  /// One kind of command on one kind of SMMU.
  struct Mask: Sendable, CustomStringConvertible {
    let name: String
    /// A command that is taken.
    let valid: [UInt64]
    let dw0: UInt64
    let dw1: UInt64
    var change: @Sendable (inout SMMUv3Features) -> Void = { _ in }
    /// Bits that are the guest's and still not taken from it one by one.
    var refused: [(word: Int, bit: Int)] = []

    var description: String { name }
  }

  /// Bits of the second word that make a range reserved when they are turned over.
  private static let granuleBit = [(word: 1, bit: 10)]
  /// NUM 3 pages of 4 KiB of the address 0x12345000.
  private static let range: UInt64 = 3 << 12
  private static let rangeEnd: UInt64 = 0x1234_5400

  @Sendable private static func noRIL(_ features: inout SMMUv3Features) { features.ril = false }
  @Sendable private static func noSSID(_ features: inout SMMUv3Features) { features.ssidSize = 0 }
  @Sendable private static func asid8(_ features: inout SMMUv3Features) { features.asid16 = false }
  @Sendable private static func ds(_ features: inout SMMUv3Features) { features.ds = true }
  @Sendable private static func asid8DS(_ features: inout SMMUv3Features) {
    features.asid16 = false
    features.ds = true
  }
  @Sendable private static func asid8NoRIL(_ features: inout SMMUv3Features) {
    features.asid16 = false
    features.ril = false
  }

  static let masks: [Mask] = translations + configuration

  private static let translations = [
    Mask(name: "NSNH_ALL", valid: [0x30, 0], dw0: 0xff, dw1: 0),
    Mask(name: "NH_ALL", valid: [0x10, 0], dw0: 0x0000_ffff_0000_00ff, dw1: 0),
    Mask(name: "NH_ASID", valid: [0x11, 0], dw0: 0xffff_ffff_0000_00ff, dw1: 0),
    Mask(
      name: "NH_ASID, 8 bits", valid: [0x11, 0], dw0: 0x00ff_ffff_0000_00ff, dw1: 0, change: asid8),
    Mask(
      name: "NH_VA, no RIL", valid: [0x12, 0x1234_5000], dw0: 0xffff_ffff_0000_00ff,
      dw1: 0xffff_ffff_ffff_f001, change: noRIL),
    Mask(
      name: "NH_VA, 8 bits, no RIL", valid: [0x12, 0x1234_5000], dw0: 0x00ff_ffff_0000_00ff,
      dw1: 0xffff_ffff_ffff_f001, change: asid8NoRIL),
    Mask(
      name: "NH_VA, RIL", valid: [0x12 | range, rangeEnd], dw0: 0xffff_ffff_01f1_f0ff,
      dw1: 0xffff_ffff_ffff_ff01, refused: granuleBit),
    Mask(
      name: "NH_VA, 8 bits", valid: [0x12 | range, rangeEnd], dw0: 0x00ff_ffff_01f1_f0ff,
      dw1: 0xffff_ffff_ffff_ff01, change: asid8, refused: granuleBit),
    Mask(
      name: "NH_VA, DS", valid: [0x12 | range, rangeEnd], dw0: 0xffff_ffff_03f1_f0ff,
      dw1: 0xffff_ffff_ffff_ff01, change: ds, refused: granuleBit),
    Mask(
      name: "NH_VA, 8 bits, DS", valid: [0x12 | range, rangeEnd], dw0: 0x00ff_ffff_03f1_f0ff,
      dw1: 0xffff_ffff_ffff_ff01, change: asid8DS, refused: granuleBit),
    Mask(
      name: "NH_VAA, no RIL", valid: [0x13, 0x1234_5000], dw0: 0x0000_ffff_0000_00ff,
      dw1: 0xffff_ffff_ffff_f001, change: noRIL),
    Mask(
      name: "NH_VAA, RIL", valid: [0x13 | range, rangeEnd], dw0: 0x0000_ffff_01f1_f0ff,
      dw1: 0xffff_ffff_ffff_ff01, refused: granuleBit),
    Mask(
      name: "NH_VAA, DS", valid: [0x13 | range, rangeEnd], dw0: 0x0000_ffff_03f1_f0ff,
      dw1: 0xffff_ffff_ffff_ff01, change: ds, refused: granuleBit),
  ]

  private static let configuration = [
    Mask(
      name: "ATC_INV", valid: [0x40, 0], dw0: 0xffff_ffff_ffff_faff, dw1: 0xffff_ffff_ffff_f03f),
    Mask(
      name: "ATC_INV, no substreams", valid: [0x40, 0], dw0: 0xffff_ffff_0000_00ff,
      dw1: 0xffff_ffff_ffff_f03f, change: noSSID),
    Mask(name: "CFGI_CD", valid: [0x05, 0], dw0: 0xffff_ffff_ffff_f0ff, dw1: 1),
    Mask(
      name: "CFGI_CD, no substreams", valid: [0x05, 0], dw0: 0xffff_ffff_0000_00ff, dw1: 1,
      change: noSSID),
    Mask(name: "CFGI_CD_ALL", valid: [0x06, 0], dw0: 0xffff_ffff_0000_00ff, dw1: 0),
  ]

  private static func command(_ features: SMMUv3Features) -> GuestCommand {
    // Every virtual stream is there, so that only the bits decide.
    GuestCommand(features: features, vmid: 3) { _ in 0x42 }
  }

  private static func isTaken(_ words: [UInt64], _ features: SMMUv3Features) -> Bool {
    (try? command(features).converted(Command(dw0: words[0], dw1: words[1]))) != nil
  }

  @Test("Each bit outside of the mask is EIO, and each bit inside is taken", arguments: masks)
  func bits(_ mask: Mask) {
    var features = SMMUv3Features()
    mask.change(&features)
    #expect(Self.isTaken(mask.valid, features))
    for (word, allowed) in [mask.dw0, mask.dw1].enumerated() {
      // The opcode is another command's business.
      for bit in (word == 0 ? 8 : 0)..<64 {
        var words = mask.valid
        words[word] ^= 1 << UInt64(bit)
        let isAllowed =
          allowed & 1 << UInt64(bit) != 0
          && !mask.refused.contains { $0.word == word && $0.bit == bit }
        #expect(Self.isTaken(words, features) == isAllowed, "word \(word), bit \(bit)")
      }
    }
  }

  @Test("Opcodes that are not a guest's are EIO")
  func opcodes() {
    let allowed: Set<UInt64> = [0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40]
    for opcode in UInt64(0)...255 {
      #expect(Self.isTaken([opcode, 0], SMMUv3Features()) == allowed.contains(opcode), "\(opcode)")
    }
  }

  /// TG, TTL, NUM, SCALE, and whether they go together.
  static let ranges: [(tg: UInt64, ttl: UInt64, num: UInt64, scale: UInt64, ds: Bool, isOK: Bool)] =
    [
      (0, 0, 0, 0, false, true), (0, 1, 0, 0, false, false), (0, 0, 1, 0, false, false),
      (0, 0, 0, 1, false, false), (1, 0, 0, 0, false, false), (1, 3, 0, 0, false, true),
      (1, 0, 1, 0, false, true), (1, 0, 0, 1, false, true), (2, 1, 5, 0, false, false),
      (2, 1, 5, 0, true, true), (2, 2, 0, 0, false, true), (3, 1, 0, 0, false, true),
      (1, 0, 0, 32, false, false), (1, 0, 0, 32, true, true), (0, 0, 0, 32, true, false),
    ]

  @Test("104. Ranges that are reserved are EIO", arguments: ranges, [UInt64(0x12), 0x13])
  func reserved(
    _ range: (tg: UInt64, ttl: UInt64, num: UInt64, scale: UInt64, ds: Bool, isOK: Bool),
    _ opcode: UInt64
  ) {
    var features = SMMUv3Features()
    features.ds = range.ds
    let words = [
      opcode | range.num << 12 | range.scale << 20, 0x1000 | range.tg << 10 | range.ttl << 8,
    ]
    #expect(Self.isTaken(words, features) == range.isOK)
  }

  @Test("What gets to the hardware is never illegal there")
  func legality() {
    // A guest may send anything; what is converted must be what this SMMU decodes.
    var random = SplitMix64(seed: 7)
    let opcodes: [UInt64] = [0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40]
    for _ in 0..<20_000 {
      var features = SMMUv3Features()
      features.ril = random.next() & 1 == 0
      features.ds = random.next() & 1 == 0
      features.ats = random.next() & 1 == 0
      features.asid16 = random.next() & 1 == 0
      features.ssidSize = random.next() & 1 == 0 ? 0 : 20
      let opcode = opcodes[Int(random.next() % 8)]
      let words = [
        random.next() & random.next() & ~0xff | opcode, random.next() & random.next(),
      ]
      let input = Command(dw0: words[0], dw1: words[1])
      guard let output = try? Self.command(features).converted(input) else { continue }
      let smmu = SMMUv3(memory: PhysicalMemory(), features: features)
      #expect(smmu.execute(output) == nil, "\(output.words)")
    }
  }
}
