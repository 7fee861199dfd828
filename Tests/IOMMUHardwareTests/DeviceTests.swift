// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

@Suite struct DeviceTests {
  // MARK: Events

  @Test func `a fault is a record of the event queue and one interrupt`() {
    let machine = Machine(.stage1())
    _ = machine.translate(0x10_1234, write: true)
    _ = machine.translate(0x10_1234, substream: 5)
    #expect(machine.recorder.take() == [.interrupt(.eventQueue)])
    let events = machine.takeEvents()
    #expect(events.map(\.id) == [.translation, .badSubstreamID])
    #expect(events[0].words == [0x10, 2 << 40, 0x10_1234, 0])
    #expect(events[1].words == [5 << 12 | 1 << 11 | 8, 0, 0, 0])
  }

  @Test func `statement 76: without R there is no record`() {
    var world = World.stage1()
    world.cd.r = false
    let machine = Machine(world)
    #expect(machine.translate(0x10_0000).fault?.id == .translation)
    #expect(machine.takeEvents().isEmpty)
    world.cd.a = false
    let other = Machine(world)
    guard case .zero = other.translate(0x10_0000).outcome else {
      Issue.record("A = 0 ends a transaction without an abort")
      return
    }
  }

  @Test func `statement 85: a full event queue sets its loss mark once`() {
    let machine = Machine(.stage1(), queueLog2Size: 2)
    for number in UInt64(0)..<4 { _ = machine.translate(0x10_0000 + number << 12) }
    #expect(machine.read(.eventqProd) == 4)
    for _ in 0..<3 { _ = machine.translate(0x10_0000) }
    #expect(machine.read(.eventqProd) == 4 | 1 << 31)
    #expect(machine.read(.gerror) == 0)
    #expect(machine.takeEvents().map { $0.address >> 12 } == [0x100, 0x101, 0x102, 0x103])
    _ = machine.translate(0x20_0000)
    #expect(machine.read(.eventqProd) == 5 | 1 << 31)
    #expect(machine.takeEvents().count == 1)
    for _ in 0..<5 { _ = machine.translate(0x10_0000) }
    #expect(machine.read(.eventqProd) == 1)
    #expect(machine.smmu.counters.lostEvents == 4)
  }

  @Test func `statement 85: in QEMU's way a full event queue is a global error`() {
    var behaviour = SMMUv3Behaviour()
    behaviour.fullEventQueue = .reportsAbort
    let machine = Machine(.stage1(), behaviour: behaviour, queueLog2Size: 0)
    for _ in 0..<3 { _ = machine.translate(0x10_0000) }
    #expect(machine.read(.eventqProd) == 1)
    #expect(machine.read(.gerror) == 1 << 2)
  }

  @Test func `an event queue where nothing exists is a global error`() {
    let machine = Machine(.stage1())
    machine.write(.cr0, 0x1b)
    machine.write(.eventqBase, 4)
    machine.write(.cr0, 0x1f)
    _ = machine.translate(0x10_0000)
    #expect(machine.read(.gerror) == 1 << 2)
    #expect(machine.read(.eventqProd) == 0)
  }

  @Test func `an interrupt is a message where one is set up`() {
    let machine = Machine(.stage1())
    machine.write(.irqCtrl, 0)
    machine.write(.eventqIRQCfg0, 0x8600_0000)
    machine.write(.eventqIRQCfg1, 0xabcd)
    _ = machine.translate(0x10_0000)
    #expect(machine.recorder.take().isEmpty)
    _ = machine.takeEvents()
    machine.write(.irqCtrl, 7)
    _ = machine.translate(0x10_0000)
    #expect(
      machine.recorder.take() == [.message(.eventQueue, address: 0x8600_0000, data: 0xabcd)])
    #expect(machine.world.read(0x8600_0000) == 0xabcd)
  }

  @Test func `SID out of range is recorded with RECINVSID alone`() {
    let machine = Machine(.stage1())
    let port = machine.smmu.port(0x100)
    let transaction = DeviceTransaction(streamID: 0x100, address: 0)
    #expect(port.translate(transaction).fault?.id == .badStreamID)
    #expect(machine.takeEvents().map(\.streamID) == [0x100])
    machine.write(.cr2, 4)
    #expect(port.translate(transaction).fault?.id == .badStreamID)
    #expect(machine.takeEvents().isEmpty)
  }

  // MARK: Stalls

  private func stallingMachine(_ queueLog2Size: UInt64 = 4) -> Machine {
    var world = World.stage1()
    world.cd.s = true
    world.cd.r = false
    return Machine(world, queueLog2Size: queueLog2Size)
  }

  @Test func `a stalled transaction waits until it is answered`() throws {
    let machine = stallingMachine()
    let answers: [(UInt64, StallAnswer.Outcome)] = [(0, .zero), (1, .retry), (2, .abort)]
    for (response, outcome) in answers {
      let address = 0x10_0000 + response << 12
      guard case .stalled(let stag, let fault) = machine.translate(address).outcome else {
        Issue.record("the transaction does not wait")
        return
      }
      #expect(fault.id == .translation)
      let record = try #require(machine.takeEvents().first)
      #expect(record.isStalled && record.stag == UInt32(stag))
      #expect(machine.smmu.stallCount == 1)
      _ = machine.recorder.take()
      machine.submit(.resume(1, stag: stag, response: response))
      machine.submit(.resume(0, stag: stag &+ 1, response: response))
      #expect(machine.recorder.take().isEmpty)
      machine.submit(.resume(0, stag: stag, response: response))
      let transaction = DeviceTransaction(streamID: 0, address: address)
      #expect(
        machine.recorder.take() == [
          .stallAnswered(StallAnswer(transaction: transaction, stag: stag, outcome: outcome))
        ])
      #expect(machine.smmu.stallCount == 0)
    }
  }

  @Test func `STALL_TERM ends all of a stream`() {
    let machine = stallingMachine()
    for page in UInt64(0)..<3 { _ = machine.translate(0x10_0000 + page << 12) }
    _ = machine.recorder.take()
    machine.submit(.stallTerm(1))
    #expect(machine.smmu.stallCount == 3)
    machine.submit(.stallTerm(0))
    let ended = machine.recorder.take().compactMap { notification -> UInt16? in
      guard case .stallAnswered(let answer) = notification else { return nil }
      return answer.outcome == .abort ? answer.stag : nil
    }
    #expect(ended == [0, 1, 2])
    #expect(machine.smmu.stallCount == 0)
  }

  @Test func `the record of a stall is never lost`() {
    let machine = stallingMachine(1)
    for page in UInt64(0)..<5 { _ = machine.translate(0x10_0000 + page << 12) }
    #expect(machine.read(.eventqProd) & 1 << 31 == 0)
    #expect(machine.takeEvents().map { $0.address >> 12 } == [0x100, 0x101, 0x102, 0x103, 0x104])
  }

  @Test func `only so many transactions wait at once`() {
    var world = World.stage1()
    world.cd.s = true
    world.features.stallMax = 2
    let machine = Machine(world)
    let outcomes = (0..<3).map { machine.translate(0x10_0000 + UInt64($0) << 12).outcome }
    if case .aborted = outcomes[2] {} else { Issue.record("a third one waits") }
    #expect(machine.smmu.stallCount == 2)
  }

  // MARK: Memory

  @Test func `a device reads and writes through its pages`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000)
    world.map1(0x2000, 0x9100_0000)
    let machine = Machine(world)
    let bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
    let answer = machine.port.write(DeviceTransaction(streamID: 0, address: 0x1800), bytes)
    #expect(answer.outcome == .done && answer.count == 3000)
    #expect(answer.translation?.physicalAddress == 0x9000_0800)
    #expect((try? world.memory.read(0x9100_0000, count: 952)) == Array(bytes[2048...]))
    var read = [UInt8](repeating: 0, count: 3000)
    #expect(
      machine.port.read(DeviceTransaction(streamID: 0, address: 0x1800), into: &read).outcome
        == .done)
    #expect(read == bytes)
    let beyond = machine.port.write(DeviceTransaction(streamID: 0, address: 0x2ff0), bytes)
    #expect(beyond.outcome == .aborted)
    #expect(beyond.count == 16)
    #expect(beyond.fault?.id == .translation)
  }

  @Test func `a translation to where nothing exists is an abort with the address`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x1000)
    let machine = Machine(world)
    let answer = machine.port.write(DeviceTransaction(streamID: 0, address: 0x1010), [1])
    #expect(answer.outcome == .aborted)
    #expect(answer.externalAbort == 0x1010)
    #expect(answer.fault == nil)
  }

  // MARK: ATS and PRI

  private func atsMachine(_ config: StreamTableEntry.Config = .stage1) -> Machine {
    var world = config == .nested ? World.nested() : World.stage1()
    world.ste.config = config
    world.ste.eats = 1
    return Machine(world)
  }

  @Test func `statement 84: without EATS requests and translated transactions are denied`() {
    for isBypass in [false, true] {
      var world = World.stage1()
      if isBypass {
        world.ste.config = .bypass
        world.ste.eats = 1
      }
      let machine = Machine(world)
      let request = DeviceTransaction(streamID: 0, address: 0x1000)
      #expect(machine.port.requestTranslation(request).status == .unsupportedRequest)
      var translated = request
      translated.kind = .translated
      #expect(machine.port.translate(translated).fault?.id == .translForbidden)
      #expect(machine.takeEvents().map(\.id) == [.badATSTReq, .translForbidden])
      machine.write(.cr0, 0xf)
      #expect(machine.port.translate(translated).translation?.physicalAddress == 0x1000)
    }
  }

  @Test func `a request is answered with what may be done, and faults are no events`() {
    for machine in [atsMachine(), atsMachine(.nested)] {
      let good = machine.port.requestTranslation(DeviceTransaction(streamID: 0, address: 0x1234))
      #expect(good.status == .success)
      #expect(good.translation?.physicalAddress == 0x9000_0234)
      #expect(good.translation?.permissions == [.read, .write, .execute])
      let none = machine.port.requestTranslation(DeviceTransaction(streamID: 0, address: 0x10_0000))
      #expect(none.status == .success)
      #expect(none.translation == nil)
      let bad = machine.port.requestTranslation(
        DeviceTransaction(streamID: 0, substreamID: 4, address: 0x1000))
      #expect(bad.status == .completerAbort)
      #expect(machine.takeEvents().isEmpty)
    }
  }

  @Test func `split ATS gives intermediate addresses, which stage 2 then translates`() {
    var world = World.nested()
    world.ste.eats = 2
    let machine = Machine(world)
    let answer = machine.port.requestTranslation(DeviceTransaction(streamID: 0, address: 0x1000))
    let intermediate = 0x9000_0000 + World.shift
    #expect(answer.translation?.physicalAddress == intermediate)
    let translated = DeviceTransaction(streamID: 0, address: intermediate, kind: .translated)
    #expect(machine.port.translate(translated).translation?.physicalAddress == 0x9000_0000)
  }

  @Test func `a device with ATS keeps its translations until ATC_INV`() throws {
    var machine = atsMachine()
    machine.port.setATS(enabled: true)
    let transaction = DeviceTransaction(streamID: 0, address: 0x1000)
    #expect(machine.port.write(transaction, [1]).outcome == .done)
    #expect(machine.port.atcCount == 1)
    machine.world.map1(0x1000, 0xa000_0000)
    machine.submit(.tlbiNHAll(vmid: 0), .sync)
    let answer = machine.port.write(transaction, [2])
    #expect(try machine.world.memory.read8(0x9000_0000) == 2)
    let stale = try #require(answer.stale)
    #expect(stale.cache == .atc)
    #expect(stale.missing == .atcInv(0, nil, address: 0x1000, sizeLog2: 0))
    machine.submit(
      .atcInv(0, 5, address: 0, sizeLog2: 52), .atcInv(0, nil, address: 0x8000, sizeLog2: 2))
    #expect(machine.port.atcCount == 1)
    machine.submit(stale.missing, .sync)
    #expect(machine.port.atcCount == 0)
    #expect(machine.port.write(transaction, [3]).stale == nil)
    #expect(try machine.world.memory.read8(0xa000_0000) == 3)
    machine.submit(.atcInv(0, nil, address: 0, sizeLog2: 52))
    #expect(machine.port.atcCount == 0)
  }

  @Test func `page requests come out of the PRI queue and are answered`() {
    let machine = Machine(.stage1())
    let request = PRIRequest(
      streamID: 0, substreamID: 3, address: 0x1234_5000, group: 17, isWrite: true)
    machine.port.requestPage(request)
    #expect(machine.recorder.take() == [.interrupt(.pageRequestQueue)])
    let words = (machine.world.read(Machine.priQueue), machine.world.read(Machine.priQueue + 8))
    #expect(PRIRequest(words: words) == request)
    #expect(words.0 == 0xf000_0003_0000_0000)
    #expect(words.1 == 0x1234_5000 | 17)
    #expect(machine.read(.priqProd) == 1)
    machine.submit(.priResp(0, 3, group: 17, response: 2))
    let response = PageResponse(
      streamID: 0, substreamID: 3, group: 17, code: .success, isAutomatic: false)
    #expect(machine.recorder.take() == [.pageResponse(response)])
  }

  @Test func `a full PRI queue answers the last of a group itself until it is acknowledged`() {
    let machine = Machine(.stage1(), queueLog2Size: 1)
    for group in UInt16(0)..<2 {
      machine.port.requestPage(PRIRequest(streamID: 0, address: 0, group: group))
    }
    _ = machine.recorder.take()
    machine.port.requestPage(PRIRequest(streamID: 0, address: 0, group: 2, isLast: false))
    #expect(machine.recorder.take().isEmpty)
    #expect(machine.read(.priqProd) == 2 | 1 << 31)
    machine.write(.priqCons, 2)
    machine.port.requestPage(PRIRequest(streamID: 0, address: 0, group: 2))
    let response = PageResponse(
      streamID: 0, substreamID: nil, group: 2, code: .success, isAutomatic: true)
    #expect(machine.recorder.take() == [.pageResponse(response)])
    machine.write(.priqCons, 2 | 1 << 31)
    machine.port.requestPage(PRIRequest(streamID: 0, address: 0, group: 3))
    #expect(machine.read(.priqProd) == 3 | 1 << 31)
    machine.write(.cr0, 0x1d)
    _ = machine.recorder.take()
    machine.port.requestPage(PRIRequest(streamID: 0, address: 0, group: 4))
    guard case .pageResponse(let denied) = machine.recorder.take().first else { return }
    #expect(denied.code == .deny && denied.isAutomatic)
  }
}
