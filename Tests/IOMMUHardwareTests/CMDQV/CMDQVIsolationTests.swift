// SPDX-License-Identifier: Apache-2.0
import Glibc
import SeededRandom
import Testing

@testable import IOMMUHardware

/// Two guests that write whatever they like, and what is the other's stays as it is.
///
/// `VIOMMU_CMDQV_STEPS` sets how many things they do, `VIOMMU_CMDQV_SEED` the first seed:
///
///     VIOMMU_CMDQV_STEPS=1000000 swift test -c release -Xswiftc -enable-testing \
///       --filter CMDQVIsolationTests
@Suite struct CMDQVIsolationTests {
  private static func setting(_ name: String) -> UInt64? {
    unsafe getenv(name).flatMap { unsafe UInt64(String(cString: $0)) }
  }

  /// Everything that is a guest's, and what the host has set up.
  private struct Belongings: Equatable {
    var interface: Tegra241CMDQV.Interface
    var queues: [Tegra241CMDQV.Queue]
    var window: [UInt64]
    var translations: [TLBEntry?]
    var atc: [ATC.Entry]
    var shownCONS: UInt64
    var isInErrorMap: Bool

    init(_ machine: CMDQVMachine, _ vintf: Int) {
      let cmdqv = machine.cmdqv
      interface = cmdqv.interface(vintf)
      queues = [cmdqv.queue(2 * vintf), cmdqv.queue(2 * vintf + 1)]
      window = [0, 1].flatMap { logical in
        [LVCMDQ.cons, LVCMDQ.gerror, LVCMDQ.status].map { machine.window(vintf, logical, $0) }
      }
      let tlb = machine.smmu.smmu.core.tlb
      translations = (1...8).map { page in
        tlb.entry(UInt64(page) << 12, .el1, vmid: UInt16(4 + vintf), asid: 7)
      }
      atc = machine.port(UInt32(vintf)).alone { $0.atc.entries }
      shownCONS = machine.smmu.world.read(CMDQVIsolationTests.shown(vintf))
      isInErrorMap = machine.read(0x014).bit(vintf)
    }
  }

  /// What the host has set up, as one line.
  private static func setup(_ machine: CMDQVMachine) -> [UInt64] {
    let offsets = [0x000, 0x008, 0x01c, 0x020] + (0..<8).map { machine.allocation($0) }
    let registers = offsets.map { machine.read($0) }
    let bases = (2..<6).map { machine.read(machine.global1($0, LVCMDQ.base), width: 8) }
    return registers + bases + [
      machine.smmu.read(.gerror), machine.smmu.read(.cmdqCons), machine.smmu.read(.eventqProd),
      machine.smmu.read(.cr0), machine.smmu.read(.strtabBase),
    ]
  }

  private static func shown(_ vintf: Int) -> UInt64 { 0x8600_0000 + UInt64(vintf) << 12 }

  private static func makeMachine() -> CMDQVMachine {
    let machine = CMDQVMachine()
    machine.write(0x000, 1 << 20 | 1)
    for vintf in 1...2 {
      for logical in 0...1 {
        machine.write(
          machine.page1(vintf, logical, LVCMDQ.consBase), shown(vintf) + UInt64(4 * logical),
          width: 8)
      }
    }
    return machine
  }

  /// Fills the caches anew, from tables that then say something else.
  private static func refill(_ machine: inout CMDQVMachine, _ random: inout SplitMix64) {
    for guest in UInt32(1)...2 {
      let port = machine.port(guest)
      port.setAnswersInvalidations(random.next() & 7 != 0)
      for page in UInt64(1)...8 {
        _ = machine.page(10 + guest, page << 12)
        machine.touch(guest, page << 12)
      }
    }
    for page in UInt64(1)...8 {
      machine.smmu.world.map1(page << 12, 0x9000_0000 + (random.next() & 0xff) << 12)
    }
  }

  /// Whether a guest's devices reach what its cached translations say, though the tables have
  /// changed since.
  private static func reachesWhatIsCached(
    _ machine: CMDQVMachine, _ vintf: Int, _ belongings: Belongings
  ) -> Bool {
    zip(UInt64(1)...8, belongings.translations).allSatisfy { page, entry in
      guard let entry else { return true }
      return machine.page(UInt32(10 + vintf), page << 12) == entry.output
    }
  }

  @Test func `whatever two guests write, nothing of the other's changes`() {
    let steps = CMDQVIsolationTests.setting("VIOMMU_CMDQV_STEPS") ?? 20_000
    let seed = CMDQVIsolationTests.setting("VIOMMU_CMDQV_SEED") ?? 1
    var random = SplitMix64(seed: seed)
    var machine = CMDQVIsolationTests.makeMachine()
    var actors = [GuestActor(machine, 1), GuestActor(machine, 2)]
    let setup = CMDQVIsolationTests.setup(machine)
    var belongings = [Belongings(machine, 1), Belongings(machine, 2)]
    var (droppedTranslations, droppedATC) = (0, 0)
    var step: UInt64 = 0
    while step < steps {
      let actor = Int(random.next() & 1)
      for _ in 0...random.next() & 7 {
        actors[actor].act(&random)
        step += 1
      }
      let other = Belongings(machine, 2 - actor)
      let own = Belongings(machine, 1 + actor)
      droppedTranslations += CMDQVIsolationTests.dropped(belongings[actor], own)
      droppedATC += max(0, belongings[actor].atc.count - own.atc.count)
      guard other == belongings[1 - actor], CMDQVIsolationTests.setup(machine) == setup else {
        Issue.record("seed \(seed), step \(step): guest \(1 + actor) has reached beyond its own")
        return
      }
      belongings[actor] = own
      if random.next() & 7 == 0 {
        #expect(CMDQVIsolationTests.reachesWhatIsCached(machine, 1, belongings[0]))
        #expect(CMDQVIsolationTests.reachesWhatIsCached(machine, 2, belongings[1]))
        CMDQVIsolationTests.refill(&machine, &random)
        belongings = [Belongings(machine, 1), Belongings(machine, 2)]
      }
    }
    // Guests that get nothing done would prove nothing.
    let least = Int(steps / 200)
    #expect(droppedTranslations > least && droppedATC > least)
    for actor in actors {
      #expect(actor.escapes.isEmpty)
      for opcode in [UInt8(0x11), 0x12, 0x40, 0x46] {
        #expect(actor.executed[opcode] ?? 0 > least, "\(opcode)")
      }
      for error in [UInt32(1), 3, 4] {
        #expect(actor.errors[error] ?? 0 > Int(steps / 5000), "\(error)")
      }
    }
  }

  private static func dropped(_ old: Belongings, _ new: Belongings) -> Int {
    zip(old.translations, new.translations).count { $0 != nil && $1 == nil }
  }
}
