// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import TestSupport
import Testing

/// The memory behind an address space, `GET` and `PUT /ioas/{id}/memory`.
@Suite("Memory behind an address space is read and written") struct MemoryTests {
  private func get(
    _ lab: Lab, _ query: String, ioas: String = "ram", accept: String? = nil
  ) throws -> Answer {
    try lab.send(
      "GET", "\(lab.prefix)/ioas/\(ioas)/memory\(query)", bytes: nil, accept: accept)
  }

  private func put(
    _ lab: Lab, _ query: String, _ bytes: [UInt8], ioas: String = "ram",
    type: String = "application/octet-stream"
  ) throws -> Answer {
    try lab.send(
      "PUT", "\(lab.prefix)/ioas/\(ioas)/memory\(query)", bytes: bytes, type: type)
  }

  @Test("What was never written is zero, what was written is read, at any alignment")
  func roundTrip() throws {
    let lab = try Lab().plug()
    #expect(try lab.bytes(at: Lab.base + 3, 5) == [0, 0, 0, 0, 0])
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let answer = try put(lab, "?iova=\(hex(Lab.base + 3))", bytes)
    #expect(answer.status == 200 && answer.json["bytes"].int == 10_000)
    #expect(try lab.bytes(at: Lab.base + 3, 10_000) == bytes)
    #expect(try lab.bytes(at: Lab.base, 3) == [0, 0, 0])
    let event = try lab.events("ioas.written")
    #expect(event.map { $0["iova"].quantity } == [Lab.base + 3])
    #expect(event.map { $0["length"].quantity } == [10_000])
  }

  @Test("Mappings side by side are one memory, whatever is behind them")
  func acrossAreas() throws {
    let lab = try Lab().plug()
    try lab.map(0x10_1000, 0x1000)
    try lab.map(0x10_0000, 0x1000)
    let bytes = (0..<0x1ff0).map { UInt8(truncatingIfNeeded: $0 &* 3) }
    #expect(try put(lab, "?iova=0x100008", bytes).status == 200)
    #expect(try lab.bytes(at: 0x10_0008, 0x1ff0) == bytes)
    #expect(try lab.bytes(at: 0x10_1000, 8) == Array(bytes[0xff8..<0x1000]))
  }

  @Test("Fresh memory reads as zero, whoever had it before, and is nobody's that is named")
  func fresh() throws {
    let lab = try Lab().plug()
    let first = try lab.post("ioas/ram/map", #"{"iova":"0x100000","length":"0x2000"}"#)
    let physical = try #require(first.json["physical"].string)
    #expect(try put(lab, "?iova=0x100000", Array(repeating: 0xaa, count: 0x2000)).status == 200)
    // A second mapping by name keeps the second page when the first mapping goes.
    let named = hex(try #require(first.json["physical"].quantity) + 0x1000)
    let second = #"{"iova":"0x200000","length":"0x1000","physical":"\#(named)"}"#
    #expect(try lab.post("ioas/ram/map", second).status == 200)
    let gone = #"{"iova":"0x100000","length":"0x2000"}"#
    #expect(try lab.post("ioas/ram/unmap", gone).status == 200)
    let third = try lab.post("ioas/ram/map", #"{"iova":"0x300000","length":"0x1000"}"#)
    #expect(third.json["physical"].string == physical)
    #expect(try lab.bytes(at: 0x30_0000, 8) == Array(repeating: 0, count: 8))
    let fourth = try lab.post("ioas/ram/map", #"{"iova":"0x400000","length":"0x1000"}"#)
    #expect(fourth.json["physical"].string != named)
    #expect(try lab.bytes(at: 0x20_0000, 8) == Array(repeating: 0xaa, count: 8))
  }

  @Test("What no domain can translate is named when one is to")
  func untranslatable() throws {
    let lab = try Lab().plug()
    let odd = #"{"iova":"0x100000","length":"0x1000","physical":"0x80000001"}"#
    #expect(try lab.post("ioas/ram/map", odd).status == 200)
    let answer = try lab.put("devices/gpu0/attachment", #"{"ioas":"ram"}"#)
    #expect(answer.errno == "EADDRINUSE" && answer.text.contains("0x100000 to 0x80000001"))
  }

  @Test("A hole is ENOENT, says where it is, and nothing is written")
  func holes() throws {
    let lab = try Lab().plug()
    try lab.map(0x10_0000, 0x1000)
    try lab.map(0x10_2000, 0x1000)
    for answer in [
      try get(lab, "?iova=0x100800&length=4096"),
      try put(lab, "?iova=0x100800", Array(repeating: 1, count: 4096)),
    ] {
      #expect(answer.errno == "ENOENT" && answer.text.contains("0x101000"), "\(answer)")
    }
    #expect(try lab.bytes(at: 0x10_0800, 8) == Array(repeating: 0, count: 8))
    #expect(try get(lab, "?iova=0x90000000&length=1").errno == "ENOENT")
    for (answer, place) in [
      (try get(lab, "?iova=0xffffffffffffffff&length=2"), "?length"),
      (try put(lab, "?iova=0xffffffffffffffff", [1, 2]), "?iova"),
    ] {
      #expect(answer.errno == "EOVERFLOW", "\(answer)")
      #expect(answer.json["errors"][0]["pointer"].string == place, "\(answer)")
    }
  }

  @Test("Memory that the machine does not have is EFAULT")
  func absent() throws {
    let lab = try Lab().plug()
    try lab.map(0x10_0000, 0x1000, #""physical":"0x1000""#)
    #expect(try get(lab, "?iova=0x100000&length=1").errno == "EFAULT")
    #expect(try put(lab, "?iova=0x100000", [1]).errno == "EFAULT")
  }

  @Test("A host has no more memory than it may, and says so")
  func limit() throws {
    let lab = try Lab(host: #""memory_bytes":1048576"#).plug()
    #expect(
      try put(lab, "?iova=\(hex(Lab.base))", Array(repeating: 1, count: 1 << 19)).status == 200)
    // It is the same memory that is written again.
    #expect(
      try put(lab, "?iova=\(hex(Lab.base))", Array(repeating: 2, count: 1 << 19)).status == 200)
    try lab.mark()
    let answer = try put(
      lab, "?iova=\(hex(Lab.base + 1 << 19))", Array(repeating: 3, count: 1 << 19))
    #expect(answer.errno == "ENOMEM", "\(answer)")
    #expect(try lab.events() == [])
    #expect(try lab.bytes(at: Lab.base + 1 << 19, 4) == [0, 0, 0, 0])
    #expect(try lab.bytes(at: Lab.base, 1) == [2])
    // All is used up now: no tables, and a device's write aborts.
    let mapping = try lab.post("domains", #"{"type":"paging","device":"gpu0","ioas":"ram"}"#)
    #expect(mapping.errno == "ENOMEM", "\(mapping)")
    #expect(try lab.outcome(Lab.base) == "aborted")
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0").status == 200)
  }

  @Test("A batch of mappings whose tables do not fit together is refused, and loses none")
  func limitOfBatches() throws {
    let lab = try Lab(host: #""memory_bytes":1048576"#).plug()
    try lab.attach(ioas: "ram")
    // Each mapping is in a gigabyte of its own, and so needs two tables: 300 of the 256 pages.
    let operations = (2..<152).map { number in
      #"{"method":"POST","path":"\#(lab.prefix)/ioas/ram/map","body":"#
        + #"{"iova":"\#(hex(UInt64(number) << 30))","length":"0x1000","physical":"0x40000000"}}"#
    }
    let answer = try lab.post("batch", #"{"operations":[\#(operations.joined(separator: ","))]}"#)
    #expect(answer.errno == "ENOMEM", "\(answer)")
    // What was kept back for it has been given back: one mapping after the other is made, until
    // no memory is left, and each that was made is there.
    var made: [UInt64] = []
    for number in UInt64(2)..<152 {
      let mapping = try lab.post(
        "ioas/ram/map",
        #"{"iova":"\#(hex(number << 30))","length":"0x1000","physical":"0x40000000"}"#)
      if mapping.status != 200 { break }
      made.append(number << 30)
    }
    #expect(made.count > 50 && made.count < 128, "\(made.count)")
    for iova in made {
      let translation = try lab.dma(iova)["translation"]
      #expect(translation["physical"].string == "0x40000000", "\(hex(iova)): \(translation)")
    }
  }

  @Test("A device that uses the memory up is told, at the address")
  func limitOfDMA() throws {
    let lab = try Lab(host: #""memory_bytes":1048576"#).plug()
    try lab.attach(ioas: "ram")
    let data = String(repeating: "ab", count: 1 << 18)
    var answer = JSON([])
    for part in UInt64(0)..<4 {
      answer = try lab.dma(Lab.base + part << 18, "write", #""data":"\#(data)""#)
      if answer["outcome"].string != "done" { break }
    }
    #expect(answer["outcome"].string == "aborted")
    #expect(!answer["external_abort"].isNull)
    #expect(answer["bytes"].int.map { $0 % 4096 == 0 } == true)
  }

  @Test("What is no request for memory is refused")
  func malformed() throws {
    let lab = try Lab().plug()
    for (query, status) in [
      ("", 422), ("?iova=0x40000000", 422), ("?iova=x&length=1", 422), ("?length=1", 422),
      ("?iova=0x40000000&length=0", 422), ("?iova=0x40000000&length=8388609", 422),
      ("?iova=0x40000000&length=1&more=1", 422), ("?iova=0x40000000&length=-1", 422),
      ("?iova=1073741824&length=1", 422),
    ] {
      let answer = try get(lab, query)
      #expect((400..<500).contains(answer.status), "\(query): \(answer)")
      if answer.status != status { #expect(answer.status == 400, "\(query): \(answer)") }
    }
    #expect(try get(lab, "?iova=0x40000000&length=1", ioas: "none").status == 404)
    #expect(try put(lab, "?iova=0x40000000", [1], ioas: "none").status == 404)
    #expect(try put(lab, "?iova=0x40000000", []).status == 422)
    #expect(try put(lab, "", [1]).status == 422)
    #expect(try put(lab, "?iova=0x40000000", [1], type: "application/json").status == 415)
    #expect(try get(lab, "?iova=0x40000000&length=1", accept: "application/json").status == 406)
    #expect(
      try lab.send("PUT", "\(lab.prefix)/ioas/ram/memory?iova=0x40000000", bytes: nil).status
        >= 400)
  }

  @Test("A dry run writes nothing, and a failing batch neither")
  func undone() throws {
    let lab = try Lab().plug()
    let dry = try put(lab, "?iova=\(hex(Lab.base))&dry_run=true", [1, 2])
    #expect(dry.status == 200 && dry.json["bytes"].int == 2)
    #expect(try lab.bytes(at: Lab.base, 2) == [0, 0])
  }
}

/// Registers, `GET` and `PUT /smmus/{id}/mmio/{offset}`.
@Suite("Registers are read and written as they are made") struct RegisterTests {
  private func read(_ lab: Lab, _ place: String) throws -> Answer {
    try lab.send("GET", "\(lab.prefix)/smmus/smmu0/mmio/\(place)")
  }

  @Test("The driver has left the registers as Linux does")
  func afterReset() throws {
    let lab = try Lab(smmu: #""stream_id_bits":16"#)
    #expect(try lab.register(0x20) == 0x1f && lab.register(0x24) == 0x1f)
    #expect(try lab.register(0x28) == 0xd75 && lab.register(0x2c) == 6)
    #expect(try lab.register(0x50) == 7)
    #expect(try lab.register(0x88) == 0x1_0000 | 8 << 6 | 16)
    #expect(try lab.register(0x80, width: 64) >> 62 == 1)
    #expect(try lab.register(0x60) == lab.register(0x64))
    // The CMDQV's own interface has two queues, each of which is reset twice with two CMD_SYNCs.
    #expect(
      try lab.names() == ["CFGI_STE_RANGE", "SYNC", "TLBI_NSNH_ALL", "SYNC"]
        + Array(repeating: "SYNC", count: 8))
    #expect(try lab.commands()[0] == [0x04, 0x1f])
    for (offset, name) in [(0x0, "idr0"), (0x4, "idr1"), (0xc, "idr3"), (0x14, "idr5")] {
      #expect(
        try lab.register(UInt64(offset))
          == lab.get("smmus/smmu0")["hardware"][name].quantity, "\(name)")
    }
  }

  @Test("Small stream tables are linear", arguments: [1, 8, 9])
  func linearTable(_ bits: Int) throws {
    let lab = try Lab(smmu: #""stream_id_bits":\#(bits)"#)
    let expected = bits <= 8 ? UInt64(bits) : 0x1_0000 | 8 << 6 | UInt64(bits)
    #expect(try lab.register(0x88) == expected)
    try lab.makeDevice("d", stream: (1 << bits) - 1)
    try lab.make("ioas", #""id":"ram""#)
    try lab.map()
    try lab.attach(ioas: "ram", device: "d")
    #expect(try lab.outcome(Lab.base, device: "d") == "done")
  }

  @Test("Streams beyond the table are ERANGE")
  func beyondTable() throws {
    let lab = try Lab(smmu: #""stream_id_bits":32"#)
    let last: UInt64 = 1 << 25 - 1
    try lab.makeDevice("d", stream: Int(last))
    let answer = try lab.post(
      "devices", #"{"smmu":"smmu0","stream_id":\#(last + 1)}"#)
    #expect(answer.errno == "ERANGE", "\(answer)")
  }

  @Test("Widths and places that a register does not have are EINVAL")
  func refused() throws {
    let lab = try Lab()
    for place in ["0x0?width=64", "0x81", "0x82", "0x84?width=64", "0x20000", "0xffffffffffffffff"]
    {
      let answer = try read(lab, place)
      #expect(answer.errno == "EINVAL" && answer.status == 422, "\(place): \(answer)")
      let path = "smmus/smmu0/mmio/\(place)"
      #expect(try lab.put(path, #"{"value":0}"#).errno == "EINVAL", "\(place)")
    }
    for place in ["20", "x", "0x", "0x0?width=8", "0x0?width=33", "0x0?width=x", "0x0?more=1"] {
      #expect((400..<500).contains(try read(lab, place).status), "\(place)")
    }
    for body in [
      "{}", #"{"value":"x"}"#, #"{"value":"0x100000000"}"#, #"{"value":-1}"#, #"{"value":1,"x":1}"#,
    ] {
      #expect(try lab.put("smmus/smmu0/mmio/0x44", body).status == 422, "\(body)")
    }
    #expect(try lab.send("GET", "\(lab.prefix)/smmus/none/mmio/0x0").status == 404)
  }

  @Test("Halves of wide registers are registers, and what is reserved is zero")
  func halves() throws {
    let bare = try BareMachine()
    try bare.lab.setRegister(0x80, 0x400a_bcde_f012_3440, width: 64)
    #expect(try bare.lab.register(0x80) == 0xf012_3440)
    #expect(try bare.lab.register(0x84) == 0x400a_bcde)
    try bare.lab.setRegister(0x84, 0x4000_0001)
    #expect(try bare.lab.register(0x80, width: 64) == 0x4000_0001_f012_3440)
    #expect(try bare.lab.register(0x30) == 0)
    let identity = try bare.lab.register(0)
    try bare.lab.setRegister(0, 0xffff_ffff)
    #expect(try bare.lab.register(0) == identity)
    // Page 0 shows page 1's indices.
    try bare.lab.setRegister(0x100ac, 3)
    #expect(try bare.lab.register(0xac) == 3)
  }

  @Test("A dry run writes no register")
  func dryRun() throws {
    let bare = try BareMachine()
    let answer = try bare.lab.put("smmus/smmu0/mmio/0x28?dry_run=true", #"{"value":1}"#)
    #expect(answer.status == 200)
    #expect(try bare.lab.register(0x28) == 0)
  }

  @Test("Who writes a driver's registers can break it, and nothing else")
  func meddling() throws {
    let lab = try Lab()
    try lab.boot()
    var random = SplitMix64(seed: 3)
    for _ in 0..<400 {
      let isWide = random.next() & 1 == 0
      let offset =
        [
          0x20, 0x28, 0x2c, 0x44, 0x50, 0x64, 0x80, 0x88, 0x90, 0x98, 0x9c, 0xa0, 0x100a8,
          0x100ac, 0xc0, 0x100c8, 0x68,
        ].randomElement(using: &random) ?? 0x20
      let value = random.next() & random.next()
      let width = isWide ? 64 : 32
      _ = try lab.put(
        "smmus/smmu0/mmio/\(hex(UInt64(offset)))?width=\(width)",
        #"{"value":"\#(hex(isWide ? value : value & 0xffff_ffff))"}"#)
      try lab.dma(random.next() & 0x7fff)
      try lab.raise([0x10, 0, 0, 0])
      try lab.invalidate([[0x10, 0]])
    }
    #expect(try lab.send("GET", lab.prefix).status == 200)
    #expect(try lab.delete("contexts/default?cascade=true").status == 200)
  }
}
