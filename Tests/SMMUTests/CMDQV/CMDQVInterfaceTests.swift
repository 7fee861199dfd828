// SPDX-License-Identifier: Apache-2.0
import Testing

/// vIOMMUs with a virtual interface, and the SID slots of their vdevs.
@Suite("A vIOMMU of Tegra241 has an interface of the hardware's") struct CMDQVInterfaceTests {
  private func makeVIOMMU(_ lab: Lab, _ id: String) throws -> Answer {
    try lab.post(
      "viommus", #"{"id":"\#(id)","type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}"#)
  }

  private func ready(_ cmdqv: String = "") throws -> Lab {
    let lab = try Lab(smmu: cmdqv.isEmpty ? "" : #""cmdqv":{\#(cmdqv)}"#).plug()
    try lab.makeParent("s2")
    return lab
  }

  @Test("86. Interfaces run out, and the lowest free one is used again")
  func interfaces() throws {
    let lab = try ready()
    for number in 1...3 {
      let made = try makeVIOMMU(lab, "v\(number)").json
      #expect(made["hardware"]["vintf"].int == number)
      // VMID and EN; HYP_OWN is not for guests.
      let vmid = try #require(made["registers"]["vmid"].int)
      #expect(try lab.cmdqv(0x1000 + 0x100 * UInt64(number)) == UInt64(vmid) << 1 | 1)
      #expect(try lab.cmdqv(0x1004 + 0x100 * UInt64(number)) & 1 == 1)
    }
    #expect(try makeVIOMMU(lab, "v4").errno == "ENOSPC")
    try lab.delete("viommus/v2")
    #expect(try lab.cmdqv(0x1200) == 0)
    #expect(try makeVIOMMU(lab, "v4").json["hardware"]["vintf"].int == 2)
  }

  @Test("86. Hardware with one interface has none for guests")
  func oneInterface() throws {
    let lab = try ready(#""vintfs":1,"vcmdqs":2,"sids_per_vintf":4"#)
    #expect(try makeVIOMMU(lab, "v0").errno == "ENOSPC")
  }

  @Test("An interface that cannot be enabled is ETIMEDOUT, and stays free")
  func timeout() throws {
    let lab = try ready()
    try lab.setCMDQV(0, 0)
    #expect(try makeVIOMMU(lab, "v0").errno == "ETIMEDOUT")
    #expect(try lab.cmdqv(0x1100) == 0)
    try lab.setCMDQV(0, 1)
    #expect(try makeVIOMMU(lab, "v0").json["hardware"]["vintf"].int == 1)
  }

  @Test("The driver's reset leaves CONFIG, PARAM, the allocation map and its own interface")
  func reset() throws {
    let lab = try ready()
    #expect(try lab.cmdqv(0) == 1 && lab.cmdqv(8) == 1)
    // VER 1, 8 queues, 4 interfaces, 16 slots.
    #expect(try lab.cmdqv(4) == 0x4231)
    for queue in UInt64(0)..<8 {
      // Of the kernel's interface both are mapped.
      let place = (queue / 2) << 15 | (queue % 2) << 1
      #expect(try lab.cmdqv(0x200 + 4 * queue) == place | (queue < 2 ? 1 : 0))
    }
    #expect(try lab.cmdqv(0x1000) == 1 << 17 | 1)
    #expect(try lab.cmdqv(0x1004) == 2 << 16 | 1)
    for logical in UInt64(0)...1 {
      let page0 = 0x3_0000 + 0x80 * logical
      #expect(try lab.cmdqv(page0 + 8) == 1 && lab.cmdqv(page0 + 0xc) == 1)
      #expect(try lab.cmdqv(page0 + 0x1_0000, width: 64) & 0x1f == 8)
    }
  }

  @Test("95. A guest's interface has no HYP_OWN, and the guest has no way to set it")
  func hypOwn() throws {
    let lab = try Lab().furnishQueues()
    let before = try lab.cmdqv(0x1100)
    for offset in stride(from: UInt64(0), to: 0x1_0000, by: 0x40) {
      try lab.setWindow(offset, 0xffff_ffff)
      try lab.setWindow(offset, 1 << 17 | 1)
    }
    #expect(try lab.cmdqv(0x1100) == before)
    #expect(before >> 17 & 1 == 0)
    #expect(try lab.get("viommus/v0")["registers"]["hyp_own"].bool == false)
  }

  // MARK: Slots

  @Test("91. The SID slots run out; one that is freed is taken again, the lowest first")
  func slots() throws {
    let lab = try ready()
    _ = try makeVIOMMU(lab, "v0")
    for number in 0..<17 { try lab.makeDevice("d\(number)", stream: 100 + number) }
    for number in 0..<16 {
      try lab.makeVDev("x\(number)", device: "d\(number)", virtID: UInt64(0x20 + number))
    }
    let body = #"{"id":"x16","viommu":"v0","device":"d16","virt_id":"0x30"}"#
    #expect(try lab.post("vdevs", body).errno == "ENOSPC")
    for slot in UInt64(0)..<16 {
      #expect(try lab.cmdqv(0x1140 + 4 * slot) == (0x20 + slot) << 1 | 1)
      #expect(try lab.cmdqv(0x1180 + 4 * slot) == 100 + slot)
    }
    try lab.delete("vdevs/x9")
    try lab.delete("vdevs/x3")
    for slot in [UInt64(3), 9] {
      #expect(try lab.cmdqv(0x1140 + 4 * slot) == 0 && lab.cmdqv(0x1180 + 4 * slot) == 0)
    }
    let shown = try lab.get("viommus/v0")["registers"]["sid_slots"].array
    #expect(shown.compactMap { $0["slot"].int } == Array(0..<16).filter { $0 != 3 && $0 != 9 })
    #expect(try lab.post("vdevs", body).status == 201)
    #expect(try lab.cmdqv(0x114c) == 0x30 << 1 | 1 && lab.cmdqv(0x118c) == 116)
    let slot = try lab.get("viommus/v0")["registers"]["sid_slots"][3]
    #expect(slot["sid_match"].quantity == 0x61 && slot["sid_replace"].quantity == 116)
    #expect(slot["virtual_stream_id"].quantity == 0x30 && slot["stream_id"].quantity == 116)
    #expect(slot["enabled"].bool == true)
  }

  @Test("99, 100. A virtual ID has 20 bits and a device one stream; what is refused takes no slot")
  func limits() throws {
    let lab = try ready()
    _ = try makeVIOMMU(lab, "v0")
    func make(_ device: String, _ virtID: String) throws -> String? {
      try lab.post("vdevs", #"{"viommu":"v0","device":"\#(device)","virt_id":"\#(virtID)"}"#).errno
    }
    try lab.makeDevice("two", stream: 70, #""alias_stream_ids":[71]"#)
    #expect(try make("gpu0", "0x100000") == "EINVAL")
    // The kernel looks at the ID first.
    #expect(try make("two", "0x100000") == "EINVAL")
    #expect(try make("two", "0x10") == "EOPNOTSUPP")
    #expect(try make("gpu0", "0xfffff") == nil)
    #expect(try lab.cmdqv(0x1140) == 0xfffff << 1 | 1 && lab.cmdqv(0x1180) == 66)
  }

  // MARK: The end

  @Test("97. With the vIOMMU go its slots, its configuration and its queues' places")
  func teardown() throws {
    let lab = try Lab().furnishQueues()
    try lab.submit(.cfgiSTE(0x10))
    try lab.submit(.sync, to: "q1")
    #expect(try lab.cmdqv(0x208) == 0x8001 && lab.cmdqv(0x20c) == 0x8003)
    let offset = try lab.get("viommus/v0")["hardware"]["mmap_offset"].quantity
    #expect(try lab.delete("viommus/v0?cascade=true").status == 200)
    #expect(try lab.cmdqv(0x1100) == 0 && lab.cmdqv(0x1104) == 0)
    for slot in UInt64(0)..<16 {
      #expect(try lab.cmdqv(0x1140 + 4 * slot) == 0 && lab.cmdqv(0x1180 + 4 * slot) == 0)
    }
    #expect(try lab.cmdqv(0x208) == 0x8000 && lab.cmdqv(0x20c) == 0x8002)
    for map in [UInt64(0x14), 0x18, 0x24, 0x28, 0x2c, 0x30] { #expect(try lab.cmdqv(map) == 0) }
    // Through the global pages, where they still are.
    for queue in [UInt64(2), 3] {
      for register in stride(from: UInt64(0), through: 0x14, by: 4) where register != 0x10 {
        let value = try lab.cmdqv(0x1_0000 + 0x80 * queue + register)
        let gerror = try lab.cmdqv(0x1_0010 + 0x80 * queue)
        #expect(value == (register == 0x14 ? gerror : 0), "\(queue) \(register)")
      }
      #expect(try lab.cmdqv(0x2_0000 + 0x80 * queue, width: 64) == 0)
      #expect(try lab.cmdqv(0x2_0008 + 0x80 * queue, width: 64) == 0)
    }
    let again = try makeVIOMMU(lab, "v0").json
    #expect(again["hardware"]["mmap_offset"].quantity == offset)
    #expect(again["registers"]["vintf_status"].quantity == 1)
  }

  @Test("118. Windows lie behind the first page, one behind the other")
  func offsets() throws {
    let lab = try ready()
    for (number, offset) in [(1, UInt64(0x1000)), (2, 0x1_1000), (3, 0x2_1000)] {
      let made = try makeVIOMMU(lab, "v\(number)").json["hardware"]
      #expect(made["mmap_offset"].quantity == offset && made["mmap_length"].quantity == 0x1_0000)
    }
  }
}
