// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

/// A change to a good configuration, and what comes of it.
struct Misconfiguration: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let expected: EventRecord.ID?
  let change: @Sendable (inout World) -> Void

  init(
    _ name: String, _ expected: EventRecord.ID?, _ change: @escaping @Sendable (inout World) -> Void
  ) {
    testDescription = name
    self.expected = expected
    self.change = change
  }
}

@Suite struct ConfigurationTests {
  private static let entries: [Misconfiguration] = [
    .init("as it is", nil) { _ in },
    .init("V = 0", .badSTE) { $0.ste.isValid = false },
    .init("stage 1 without S1P", .badSTE) { $0.features.s1p = false },
    .init("stage 2 without S2P", .badSTE) { $0.features.s2p = false },
    .init("S1CDMax above SSIDSIZE", .badSTE) { $0.ste.s1CDMax = 21 },
    .init("S1CDMax without substreams is ignored", nil) {
      $0.features.ssidSize = 0
      $0.ste.s1CDMax = 21
    },
    .init("S1STALLD where stalls are forced", .badSTE) {
      $0.features.stallModel = 2
      $0.ste.s1STALLD = true
      $0.ste.s2S = true
      $0.cd.s = true
    },
    .init("S1STALLD where there are no stalls", .badSTE) {
      $0.features.stallModel = 1
      $0.ste.s1STALLD = true
    },
    .init("split ATS with both stages", nil) { $0.ste.eats = 2 },
    .init("split ATS with stage 1 alone", .badSTE) {
      $0.ste.config = .stage1
      $0.ste.eats = 2
    },
    .init("split ATS with stage 2 alone", .badSTE) {
      $0.ste.config = .stage2
      $0.ste.eats = 2
    },
    .init("S2AA64 = 0", .badSTE) { $0.ste.s2AA64 = false },
    .init("S2ENDI = 1", .badSTE) { $0.ste.s2ENDI = true },
    .init("S2TG = 3", .badSTE) { $0.ste.s2TG = 3 },
    .init("S2TG that is not there", .badSTE) { $0.features.gran4k = false },
    .init("S2SL0 = 3", .badSTE) { $0.ste.s2SL0 = 3 },
    .init("S2T0SZ = 40", .badSTE) { $0.ste.s2T0SZ = 40 },
    .init("S2T0SZ = 15", .badSTE) {
      $0.ste.s2T0SZ = 15
      $0.ste.s2SL0 = 2
    },
    .init("S2T0SZ wider than OAS", .badSTE) {
      $0.features.oas = 36
      $0.ste.s2T0SZ = 27
    },
    .init("17 tables at the start", .badSTE) { $0.ste.s2T0SZ = 20 },
    .init("a start level that resolves nothing", .badSTE) {
      $0.ste.s2T0SZ = 25
      $0.ste.s2SL0 = 2
    },
    .init("S2TTB beyond S2PS", .badSTE) {
      $0.ste.s2PS = 0
      $0.ste.s2TTB = 1 << 33
    },
    .init("S2S without stalls", .badSTE) {
      $0.features.stallModel = 1
      $0.ste.s2S = true
    },
    .init("S2S = 0 where stalls are forced", .badSTE) {
      $0.features.stallModel = 2
      $0.cd.s = true
    },
    .init("S2HA without HTTU", .badSTE) {
      $0.features.httu = 0
      $0.ste.s2HA = true
    },
    .init("S2HD with HTTU of the access flag only", .badSTE) {
      $0.features.httu = 1
      $0.ste.s2HD = true
    },
    .init("STRW without EL2 is ignored", nil) { $0.ste.strw = 1 },
    .init("CD.V = 0", .badCD) { $0.cd.isValid = false },
    .init("AA64 = 0", .badCD) { $0.cd.aa64 = false },
    .init("ENDI = 1", .badCD) { $0.cd.endi = true },
    .init("T0SZ = 15", .badCD) { $0.cd.t0SZ = 15 },
    .init("T0SZ = 40", .badCD) { $0.cd.t0SZ = 40 },
    .init("TG0 = 3", .badCD) { $0.cd.tg0 = 3 },
    .init("TG0 that is not there", .badCD) {
      $0.features.gran64k = false
      $0.cd.tg0 = 1
    },
    .init("TG1 = 0 in use", .badCD) {
      $0.cd.epd1 = false
      $0.cd.t1SZ = 25
    },
    .init("T1SZ out of range in use", .badCD) {
      $0.cd.epd1 = false
      $0.cd.tg1 = 2
      $0.cd.t1SZ = 3
    },
    .init("T1SZ and TG1 out of use are ignored", nil) {
      $0.cd.tg1 = 0
      $0.cd.t1SZ = 60
    },
    .init("TTB0 beyond IPS", .badCD) {
      $0.cd.ips = 0
    },
    .init("HA without HTTU", .badCD) {
      $0.features.httu = 0
      $0.cd.ha = true
    },
    .init("HD with HTTU of the access flag only", .badCD) {
      $0.features.httu = 1
      $0.cd.hd = true
    },
    .init("S without stalls", .badCD) {
      $0.features.stallModel = 1
      $0.cd.s = true
    },
    .init("S = 0 where stalls are forced", .badCD) {
      $0.features.stallModel = 2
      $0.ste.s2S = true
    },
    .init("S though S1STALLD", .badCD) {
      $0.ste.s1STALLD = true
      $0.cd.s = true
    },
  ]

  @Test(arguments: entries)
  func `every rule of C_BAD_STE and C_BAD_CD is kept`(change: Misconfiguration) {
    var world = World()
    world.useStage2()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000 + World.shift)
    world.map2(0x9000_0000 + World.shift, 0x9000_0000)
    change.change(&world)
    world.install()
    let result = world.result(0x1234)
    #expect(result.id == change.expected)
    if change.expected == nil { #expect(result.address == 0x9000_0234) }
    #expect(result.fault?.isRecorded ?? true)
  }

  @Test func `STRW chooses EL2's regime where there is one`() {
    for (strw, id) in [(UInt64(0), EventRecord.ID?.none), (1, .badSTE), (2, nil), (3, .badSTE)] {
      var world = World()
      world.features.hyp = true
      world.useStage1()
      world.map1(0x1000, 0x9000_0000)
      world.ste.strw = strw
      world.install()
      #expect(world.result(0x1000).id == id)
    }
  }

  @Test func `statement 74: V = 0 is C_BAD_STE, Config 0 to 3 abort without a record`() {
    var world = World()
    world.useStage1()
    for config in UInt64(0)...3 {
      world.ste.config = StreamTableEntry.Config(rawValue: config)
      world.install()
      #expect(world.result(0x1000).fault?.isRecorded == false)
    }
    world.ste.isValid = false
    world.install()
    #expect(world.result(0x1000).id == .badSTE)
    #expect(world.result(0x1000).fault?.isRecorded == true)
  }

  @Test func `a bypass lets everything of the machine's width through`() {
    var world = World()
    world.ste.isValid = true
    world.ste.config = .bypass
    world.install()
    #expect(world.result(0x1234_5678).address == 0x1234_5678)
    #expect(world.result(1 << 48).id == .addrSize)
    #expect(world.result(0x1000, substream: 1).id == .badSubstreamID)
  }

  @Test(
    arguments: [
      (0, 0, 5, EventRecord.ID.badSubstreamID), (0, 2, nil, nil), (4, 0, nil, .streamDisabled),
      (4, 3, nil, .streamDisabled), (4, 2, nil, nil), (4, 2, 0, .badSubstreamID), (4, 0, 0, nil),
      (4, 0, 16, .badSubstreamID), (4, 0, 15, nil), (4, 1, nil, nil),
    ] as [(UInt64, UInt64, UInt32?, EventRecord.ID?)])
  func `statement 75: S1CDMax and S1DSS decide on substreams`(
    maximum: UInt64, defaultSubstream: UInt64, substream: UInt32?, expected: EventRecord.ID?
  ) {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000)
    world.ste.s1CDMax = maximum
    world.ste.s1DSS = defaultSubstream
    for context in UInt64(0)..<16 { world.install(context: context) }
    #expect(world.result(0x1000, substream: substream).id == expected)
    if defaultSubstream == 1, substream == nil, maximum > 0 {
      #expect(world.result(0x1000).address == 0x1000)
    }
  }

  @Test func `statement 76: R = 0 aborts without a record in either stage`() {
    var world = World()
    world.useStage1()
    world.cd.r = false
    world.install()
    #expect(world.result(0x1000).id == .translation)
    #expect(world.result(0x1000).fault?.isRecorded == false)
    world.cd.a = false
    world.install()
    #expect(world.result(0x1000).fault?.isAbort == false)

    var second = World()
    second.useStage2()
    second.ste.s2R = false
    second.install()
    #expect(second.result(0x1000).id == .translation)
    #expect(second.result(0x1000).fault?.isRecorded == false)
  }

  @Test func `a stream table has as many streams as its registers say`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000)
    world.install(stream: 255)
    #expect(world.result(0x1000, stream: 255).address == 0x9000_0000)
    #expect(world.result(0x1000, stream: 256).id == .badStreamID)
    #expect(world.result(0x1000, stream: 256).fault?.isRecorded == true)
    world.registers.recordsInvalidStreams = false
    #expect(world.result(0x1000, stream: 256).fault?.isRecorded == false)
    world.registers.streamTableLog2Size = 40
    #expect(world.result(0x1000, stream: 0x1_0000).id == .badStreamID)
    world.registers.streamTableBase = 0
    let fault = world.result(0x1000, stream: 3).fault
    #expect(fault?.id == .steFetch)
    #expect(fault?.detail == 192)
  }

  @Test(
    arguments: [
      (0, 0, EventRecord.ID.badStreamID), (9, 255, nil), (9, 0, nil), (8, 127, nil),
      (8, 128, .badStreamID), (1, 0, nil), (1, 1, .badStreamID), (10, 0, .badStreamID),
      (31, 0, .badStreamID),
    ] as [(UInt64, UInt64, EventRecord.ID?)])
  func `a second level of streams has what SPAN says`(
    span: UInt64, index: UInt64, expected: EventRecord.ID?
  ) {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000)
    let table: UInt64 = 0x8200_0000
    world.install()
    world.write(world.ste.words, at: table + index * 64)
    world.registers.hasTwoLevels = true
    world.registers.streamTableLog2Size = 16
    world.registers.streamTableSplit = 8
    world.write(table | span, at: world.streamTable + 5 * 8)
    #expect(world.result(0x1000, stream: UInt32(5 << 8 | index)).id == expected)
  }

  @Test(arguments: [(1, 6), (2, 10)] as [(UInt64, UInt64)])
  func `descriptors in two levels are found through both`(format: UInt64, split: UInt64) {
    for isNested in [false, true] {
      var world = World()
      if isNested { world.useStage2() }
      world.useStage1()
      let shift = isNested ? World.shift : 0
      world.map1(0x1000, 0x9000_0000 + shift)
      if isNested { world.map2(0x9000_0000 + shift, 0x9000_0000) }
      world.ste.s1Fmt = format
      world.ste.s1CDMax = 14
      let substream = UInt32(3 << split | 7)
      world.install()
      world.write(world.cd.words, at: 0x8200_0000 + 7 * 64)
      world.write([0, 0], at: world.contextTable)
      world.write(0x8200_0000 + shift | 1, at: world.contextTable + 3 * 8)
      #expect(world.result(0x1234, substream: substream).address == 0x9000_0234)
      #expect(world.result(0x1234, substream: 2 << UInt32(split)).id == .badSubstreamID)
      #expect(world.result(0x1234, substream: substream + 1).id == .badCD)
    }
  }

  @Test func `a descriptor where nothing exists is F_CD_FETCH with its address`() {
    var world = World()
    world.useStage1()
    world.ste.s1ContextPtr = 0x4000
    world.install()
    let fault = world.result(0x1000).fault
    #expect(fault?.id == .cdFetch)
    #expect(fault?.detail == 0x4000)
    guard let fault else { return }
    #expect(EventRecord(fault, of: DeviceTransaction(streamID: 1, address: 9)).words[3] == 0x4000)
  }
}
