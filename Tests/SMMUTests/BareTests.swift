// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Testing

/// An SMMU that no driver runs, by its registers, queues and tables.
@Suite("A bare SMMU does what its registers say") struct BareTests {
  @Test("Nothing of iommufd can be made for its devices")
  func noDriver() throws {
    let lab = try BareMachine().lab
    for (collection, body) in [
      ("domains", #"{"type":"paging","device":"gpu0","ioas":"ram"}"#),
      ("domains", #"{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#),
    ] {
      #expect(try lab.post(collection, body).errno == "EOPNOTSUPP")
    }
    #expect(try lab.put("devices/gpu0/attachment", #"{"ioas":"ram"}"#).errno == "EOPNOTSUPP")
    #expect(
      try lab.post(
        "smmus", #"{"driver":"arm-smmuv3-bare","cmdqv":{"vintfs":3,"vcmdqs":4,"sids_per_vintf":1}}"#
      )
      .errno == "EINVAL")
    #expect(
      try lab.post("smmus", #"{"driver":"arm-smmuv3-bare","features":{"trace":true}}"#).status
        == 422)
  }

  @Test("83. GBPA decides while translation is off, and changes with UPDATE only")
  func bypassWhileOff() throws {
    let bare = try BareMachine()
    let lab = bare.lab
    #expect(try lab.register(0x44) == 0x1000)
    try lab.setRegister(0x44, 1 << 20)
    #expect(try lab.register(0x44) == 0x1000)
    #expect(
      try lab.dma(bare.physical + 8, "write", #""data":"aa""#)["translation"]["physical"].quantity
        == bare.physical + 8)
    #expect(try lab.bytes(at: Lab.base + 8, 1) == [0xaa])
    try lab.setRegister(0x44, 1 << 31 | 1 << 20)
    #expect(try lab.register(0x44) == 1 << 20)
    let answer = try lab.dma(bare.physical)
    #expect(answer["outcome"].string == "aborted" && answer["event"]["recorded"].bool != true)
  }

  @Test("CR0 is acknowledged at once, and what is not there is not written")
  func control() throws {
    let bare = try BareMachine(#""pri":false,"ats":false"#)
    try bare.lab.setRegister(0x20, 0xffff_ffff)
    #expect(try bare.lab.register(0x20) == 0xd)
    #expect(try bare.lab.register(0x24) == 0xd)
    try bare.lab.setRegister(0x24, 0)
    #expect(try bare.lab.register(0x24) == 0xd)
    // While translation is on, the stream table stays where it is.
    try bare.lab.setRegister(0x80, 0x1000, width: 64)
    #expect(try bare.lab.register(0x80, width: 64) == 0)
  }

  @Test("Brought up by its registers it translates, and records what it cannot")
  func bringUp() throws {
    let bare = try BareMachine()
    try bare.start()
    #expect(try bare.lab.dma(0x1008, "write", #""data":"0102""#)["outcome"].string == "done")
    #expect(try bare.lab.bytes(at: Lab.base + BareMachine.data + 8, 2) == [1, 2])
    try bare.lab.mark()
    let answer = try bare.lab.dma(0x3000)
    #expect(answer["event"]["name"].string == "F_TRANSLATION")
    #expect(try bare.lab.events("smmu.interrupt").map { $0["interrupt"].string } == ["event_queue"])
    #expect(try bare.takeEvents().map(\.words) == [answer["event"]["words"].words])
    #expect(try bare.takeEvents() == [])
  }

  @Test("Raised records go to the queue in memory")
  func raised() throws {
    let bare = try BareMachine()
    try bare.start()
    let answer = try bare.lab.raise([0x10, 0, 0x77, 0])
    #expect(answer["disposition"].string == "queued")
    #expect(try bare.takeEvents().map(\.words) == [[0x42_0000_0010, 0, 0x77, 0]])
  }

  @Test("A full event queue loses records, and says so once")
  func overflow() throws {
    let bare = try BareMachine()
    try bare.start()
    for page in UInt64(3)..<9 { try bare.lab.dma(page << 12) }
    #expect(try bare.lab.register(0x100a8) == 1 << 31 | 4)
    #expect(try bare.takeEvents().map(\.address) == [0x3000, 0x4000, 0x5000, 0x6000])
    try bare.lab.dma(0x9000)
    #expect(try bare.lab.register(0x100a8) == 1 << 31 | 5)
    #expect(try bare.takeEvents().map(\.address) == [0x9000])
  }

  @Test("An illegal command stops the queue until it is replaced and acknowledged")
  func illegalCommand() throws {
    let bare = try BareMachine()
    try bare.start()
    let lab = bare.lab
    try lab.mark()
    try bare.submit([.cfgiSTE(66), Command(dw0: 0x7f, dw1: 0), .tlbiNSNHAll])
    // ERR 1, at the entry that cannot be decoded.
    #expect(try lab.register(0x9c) == 1 << 24 | 1)
    #expect(try lab.register(0x60) == 1 && lab.register(0x64) == 0)
    #expect(try lab.events("smmu.interrupt").map { $0["interrupt"].string } == ["global_error"])
    // Moving PROD does not help.
    try lab.setRegister(0x98, 4)
    #expect(try lab.register(0x9c) & 0xff == 1)
    try bare.write(Command.sync.words, at: BareMachine.commands + 16)
    try lab.setRegister(0x64, 1)
    #expect(try lab.register(0x9c) & 0xf_ffff == 4)
    #expect(try lab.register(0x60) == 1)
  }

  @Test("Commands that cannot be read stop the queue with ABT")
  func fetchAbort() throws {
    let bare = try BareMachine()
    try bare.lab.setRegister(0x90, 0x1000 | 3, width: 64)
    try bare.lab.setRegister(0x20, 8)
    try bare.lab.setRegister(0x98, 1)
    #expect(try bare.lab.register(0x9c) == 2 << 24)
    #expect(try bare.lab.register(0x60) == 1)
  }

  @Test("84. ATS needs EATS, for requests and for what is translated")
  func ats() throws {
    let bare = try BareMachine(device: #""ats":true"#)
    try bare.start { $0.eats = 1 }
    let lab = bare.lab
    #expect(try lab.outcome(0x1000) == "done")
    // The device keeps its translation; its entry no longer lets it use ATS.
    var entry = bare.entry
    entry.eats = 0
    try bare.install(entry)
    try bare.submit([.cfgiSTE(66)])
    #expect(try lab.dma(0x1000)["event"]["name"].string == "F_TRANSL_FORBIDDEN")
    try bare.submit([.atcInv(66, nil, address: 0, sizeLog2: 52)])
    #expect(try lab.outcome(0x1000) != "done")
    #expect(try lab.outcome(0x1000, "read", #""ats":true"#) == "unsupported_request")
    let kinds = try bare.takeEvents().map(\.id)
    #expect(kinds == [.translForbidden, .badATSTReq, .badATSTReq])
  }

  @Test("84. ATS is refused to a stream that bypasses")
  func atsInBypass() throws {
    let bare = try BareMachine(device: #""ats":true"#)
    try bare.start { $0.config = .bypass }
    #expect(
      try bare.lab.outcome(bare.physical, "read", #""ats":true"#) == "unsupported_request")
    #expect(try bare.takeEvents().map(\.id) == [.badATSTReq])
  }

  @Test("A stalled access goes on when a RESUME says so", arguments: [0, 1, 2] as [UInt64])
  func resume(_ response: UInt64) throws {
    let bare = try BareMachine(device: #""stall":true"#)
    try bare.start()
    var descriptor = bare.descriptor
    descriptor.s = true
    try bare.write(descriptor.words, at: BareMachine.contexts)
    let lab = bare.lab
    let answer = try lab.dma(0x2000, "write", #""data":"ee""#)
    #expect(answer["outcome"].string == "stalled")
    let stag = try #require(answer["stag"].int)
    #expect(try bare.takeEvents().map(\.isStalled) == [true])
    try bare.mapPage(0x2000, to: BareMachine.data + 0x2000)
    try lab.mark()
    try bare.submit([.resume(66, stag: UInt16(stag), response: response)])
    let outcomes = try lab.events("smmu.stall_answered").map { $0["outcome"].string }
    #expect(outcomes == [["zero"], ["retry", "retry done"], ["abort"]][Int(response)])
    #expect(
      try lab.bytes(at: Lab.base + BareMachine.data + 0x2000, 1) == [response == 1 ? 0xee : 0])
  }

  @Test("A host with every kind of SMMU goes away whole")
  func deletion() throws {
    let lab = try BareMachine().lab
    #expect(try lab.delete("devices/gpu0").status == 200)
    #expect(try lab.delete("smmus/smmu0").status == 200)
    #expect(try lab.get("smmus")["items"].array.isEmpty)
  }
}
