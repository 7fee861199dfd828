// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@Suite("Contexts: windows that are mapped, and files that are closed")
struct ContextTests {
  private static let mmaps = "/v1/contexts/default/mmaps"
  private static let window = #"{"offset":"0x1000","length":"0x10000"}"#

  /// A vIOMMU with a window of 64 KiB at 0x1000, mapped once.
  private func mapped(_ transport: Transport) throws -> API {
    let api = try API(transport).furnish(type: "tegra241-cmdqv")
    let map = try api.post(ContextTests.mmaps, ContextTests.window)
    try #require(map.status == 200, "\(map.text)")
    return api
  }

  @Test("A mapping pins its vIOMMU, and each of a fork has to end", arguments: Transport.allCases)
  func mapping(_ transport: Transport) throws {
    let api = try mapped(transport)
    #expect(
      try api.get("/v1/contexts/default").json["mmaps"].description
        == #"[{"mmap":1,"viommu":"v0","offset":"0x1000","length":"0x10000"}]"#)
    let refused = try api.delete("/v1/viommus/v0").json
    #expect(refused["pinned_by"][0]["kind"].string == "mmap")
    #expect(refused["pinned_by"][0]["why"].string == "memory map 1")
    #expect(
      refused["plan"]["steps"].array.map { $0["path"].string } == [ContextTests.mmaps + "/1"])
    #expect(try api.get("/v1/graph").text.contains(#""from":{"kind":"mmap","id":"v0"}"#))
    #expect(try api.post(ContextTests.mmaps + "/1/fork").json["mmap"].int == 2)
    #expect(try api.delete(ContextTests.mmaps + "/1").status == 200)
    #expect(try api.errno("DELETE", "/v1/viommus/v0") == "EBUSY")
    #expect(try api.delete(ContextTests.mmaps + "/2").status == 200)
    #expect(try api.delete("/v1/viommus/v0").status == 200)
    #expect(try api.errno("POST", ContextTests.mmaps, ContextTests.window) == "ENXIO")
  }

  @Test("A cascade unmaps what is in its way", arguments: Transport.allCases)
  func cascade(_ transport: Transport) throws {
    let api = try mapped(transport)
    #expect(try api.delete("/v1/viommus/v0?cascade=true").status == 200)
    #expect(try api.get("/v1/contexts/default").json["mmaps"].array.isEmpty)
  }

  private static let cases: [Attempt] = [
    Attempt(
      "a window has its own offset", "POST", "contexts/default/mmaps",
      #"{"offset":"0x2000","length":"0x10000"}"#, "ENXIO"),
    Attempt(
      "and its own length", "POST", "contexts/default/mmaps",
      #"{"offset":"0x1000","length":"0x8000"}"#, "ENXIO"),
    Attempt(
      "a part of a page is not mapped", "POST", "contexts/default/mmaps",
      #"{"offset":"0x1000","length":"0x800"}"#, "EINVAL"),
    Attempt(
      "nor nothing", "POST", "contexts/default/mmaps", #"{"offset":"0x1000","length":0}"#,
      "EINVAL"),
    Attempt(
      "nor registers privately", "POST", "contexts/default/mmaps",
      #"{"offset":"0x1000","length":"0x10000","shared":false}"#, "EINVAL"),
    Attempt(
      "nor to be executed", "POST", "contexts/default/mmaps",
      #"{"offset":"0x1000","length":"0x10000","executable":true}"#, "EPERM"),
    Attempt(
      "a mapping is whole", "POST", "contexts/default/mmaps", #"{"offset":"0x1000"}"#, "EINVAL"),
    Attempt("a mapping is of a context", "POST", "contexts/no/mmaps", window, "ENOENT"),
    Attempt("what is not mapped does not fork", "POST", "contexts/default/mmaps/9/fork", "ENOENT"),
    Attempt("nor end", "DELETE", "contexts/default/mmaps/9", "ENOENT"),
    Attempt("a mapping has a number", "DELETE", "contexts/default/mmaps/one", "EINVAL"),
    Attempt("a register is read", "GET", "contexts/default/mmaps/1/0xfffc", nil),
    Attempt("in the mapping", "GET", "contexts/default/mmaps/1/0x10000", "EINVAL"),
    Attempt("aligned", "GET", "contexts/default/mmaps/1/0x2", "EINVAL"),
    Attempt("to the width", "GET", "contexts/default/mmaps/1/0x4?width=64", "EINVAL"),
    Attempt("of 32 or 64 bits", "GET", "contexts/default/mmaps/1/0x0?width=48", "EINVAL"),
    Attempt("by its offset in hex", "GET", "contexts/default/mmaps/1/4", "EINVAL"),
    Attempt("of what is mapped", "GET", "contexts/default/mmaps/9/0x0", "ENOENT"),
    Attempt("a file that is not there", "DELETE", "contexts/no/file", "ENOENT"),
  ]

  @Test(
    "Each request gets the kernel's errno, and a refused one changes nothing",
    arguments: Transport.allCases)
  func refusals(_ transport: Transport) throws {
    try mapped(transport).refuse(ContextTests.cases)
  }

  @Test(
    "The window of a mock's vIOMMU begins with the word that it was made with",
    arguments: Transport.allCases)
  func mockWindow(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    let data = Little.u32(0x1234_5678, 0) + Little.u64(0, 0)
    let made = try api.call(
      Ioctl(
        0x3b90, Little.u32(40, 0, 0xdead_beef, 2, 4, 0, 24, 0) + Little.u64(0x1000),
        memory: [(0x1000, data)], id: "w0")
    ).json
    #expect(made["created"]["id"].string == "w0")
    #expect(
      made["memory"][0]["bytes"].string
        == Little.u32(0x1234_5678, 0x1234_5678) + Little.u64(0x1000, 0x2000))
    let hardware = try api.get("/v1/viommus/w0").json["hardware"]
    #expect(hardware.description == #"{"mmap_offset":"0x1000","mmap_length":"0x2000"}"#)
    try api.post(ContextTests.mmaps, #"{"offset":"0x1000","length":"0x2000"}"#)
    func value(_ register: String) throws -> String? {
      try api.get(ContextTests.mmaps + "/1/" + register).json["value"].string
    }
    #expect(try value("0x0") == "0x12345678")
    #expect(try value("0x0?width=64") == "0x12345678")
    #expect(try value("0x4") == "0x0")
  }

  // MARK: The file

  @Test(
    "Closing the file of a context that nobody else holds is its end",
    arguments: Transport.allCases)
  func closing(_ transport: Transport) throws {
    let api = try API(transport)
    try api.make("contexts", #"{"id":"vm"}"#)
    try api.make("ioas", #"{"id":"ram","context":"vm"}"#)
    #expect(
      try api.delete("/v1/contexts/vm/file").json["deleted"].array.map(\.key) == [
        "ioas/ram", "context/vm",
      ])
  }

  @Test(
    "With an event file open the context stays, and nothing is made in it",
    arguments: Transport.allCases)
  func outlived(_ transport: Transport) throws {
    let api = try API(transport)
    try api.make("contexts", #"{"id":"vm"}"#)
    try api.make("fault-queues", #"{"id":"f0","context":"vm","file":"open"}"#)
    #expect(try api.delete("/v1/contexts/vm/file?dry_run=true").status == 200)
    #expect(try api.get("/v1/contexts/vm").json["file"].string == "open")
    #expect(try api.delete("/v1/contexts/vm/file").json["deleted"].array.isEmpty)
    #expect(try api.get("/v1/contexts/vm").json["file"].string == "closed")
    try api.refuse([
      Attempt("a closed file is not closed", "DELETE", "contexts/vm/file", "EBADF"),
      Attempt("nothing is made in it", "POST", "ioas", #"{"context":"vm"}"#, "EBADF"),
      Attempt("no call is made on it", "POST", "contexts/vm/ioctl", #"{"number":15233}"#, "EBADF"),
      Attempt(
        "nothing of it is mapped", "POST", "contexts/vm/mmaps", ContextTests.window, "ENXIO"),
    ])
    #expect(
      try api.delete("/v1/fault-queues/f0/file").json["deleted"].array.map(\.key) == [
        "fault-queue/f0", "context/vm",
      ])
  }

  @Test("So it does with a device bound, until that is gone", arguments: Transport.allCases)
  func bound(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    #expect(try api.delete("/v1/contexts/default/file").json["deleted"].array.isEmpty)
    #expect(try api.get("/v1/domains/s2").status == 200)
    #expect(
      try api.post("/v1/devices/gpu0/unplug").json["deleted"].array.map(\.key) == [
        "device/gpu0", "viommu/v0", "domain/s2", "ioas/ram", "context/default",
      ])
  }
}
