// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Fault queues, as their files are read and written")
struct FaultQueueTests {
  /// How an attachment ends.
  enum Ending: CaseIterable {
    case detach, replace, replaceByAnotherOfTheQueue, unplug
  }

  /// A guest whose device is attached to `m`, which reports to the fault queue `f`.
  private func faulting(_ driver: Driver) throws -> Kernel {
    let kernel = try Kernel.guest(driver)
    try kernel.make("fault-queues/f")
    for name in ["m", "o"] { try kernel.makeNested(name, #","fault_queue":"f""#) }
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.attach(to: .domain("m")) == nil)
    return kernel
  }

  private func request(_ kernel: Kernel, pages: Int = 1, group: Int = 2) throws -> String? {
    let page = #"{"address":"0xdeadb000","write":true}"#
    let list = Array(repeating: page, count: pages).joined(separator: ",")
    let reply = try kernel.post(
      "devices/d/page-requests", "\"group\":\(group),\"pages\":[\(list)]")
    try #require(reply.status == 200)
    return reply["fault_queue"]?.string
  }

  /// The cookies of the groups that fit a buffer.
  private func read(_ kernel: Kernel, count: Int = 4000) throws -> [Int] {
    let reply = try kernel.get("fault-queues/f/faults?count=\(count)")
    try #require(reply.status == 200, "\(reply.errno ?? "")")
    return reply["items"]?.elements.compactMap { $0["cookie"]?.number } ?? []
  }

  private func write(_ kernel: Kernel, _ fields: [Field]) throws -> Reply {
    let bytes = Field.bytes(fields).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
    return try kernel.post("fault-queues/f/responses", "\"bytes\":\"\(bytes.joined())\"")
  }

  @Test(
    "58. The end of an attachment answers all of its faults, read and unread",
    arguments: Driver.allCases, Ending.allCases)
  func endings(_ driver: Driver, _ ending: Ending) throws {
    let kernel = try faulting(driver)
    for _ in 0..<3 { #expect(try request(kernel) == "f") }
    #expect(try read(kernel, count: 80) == [1, 2])
    let before = try kernel.get("fault-queues/f")
    #expect(before["pending"]?.number == 1)
    #expect(before["unanswered"]?.number == 2)
    switch ending {
    case .detach: #expect(try kernel.detach() == nil)
    case .replace: #expect(try kernel.replace(by: .domain("p")) == nil)
    case .replaceByAnotherOfTheQueue: #expect(try kernel.replace(by: .domain("o")) == nil)
    case .unplug: #expect(try kernel.unplug("d") == nil)
    }
    for cookie in [UInt32(1), 2, 3] {
      #expect(try write(kernel, [.u32(cookie), .u32(0)]).errno == "EINVAL")
    }
    #expect(try read(kernel) == [])
    let after = try kernel.get("fault-queues/f")
    #expect(after["unanswered"]?.number == 0)
    #expect(after["poll"]?.elements.compactMap(\.string) == ["out"])
    try kernel.close()
  }

  @Test(
    "58. A replace by the same domain, or one that fails, leaves the faults to be answered",
    arguments: Driver.allCases)
  func kept(_ driver: Driver) throws {
    let kernel = try faulting(driver)
    for _ in 0..<2 { #expect(try request(kernel) == "f") }
    #expect(try read(kernel, count: 40) == [1])
    #expect(try kernel.replace(by: .domain("m")) == nil)
    #expect(try kernel.replace(by: .id(Kernel.nobody)) == "ENOENT")
    #expect(try read(kernel) == [2])
    #expect(try write(kernel, [.u32(1), .u32(0), .u32(2), .u32(1)])["bytes"]?.number == 16)
    try kernel.close()
  }

  @Test(
    "116. A group is read whole, and a buffer is of whole records", arguments: Driver.allCases)
  func groups(_ driver: Driver) throws {
    let kernel = try faulting(driver)
    #expect(try kernel.get("fault-queues/f/faults?count=0").status == 200)
    #expect(try request(kernel, pages: 2) == "f")
    #expect(try kernel.get("fault-queues/f/faults?count=39").errno == "ESPIPE")
    for count in [0, 40] {
      #expect(try kernel.get("fault-queues/f/faults?count=\(count)").errno == "EINVAL")
    }
    let reply = try kernel.get("fault-queues/f/faults?count=80")
    #expect(reply["bytes"]?.number == 80)
    let group = try #require(reply["items"]?.elements.first)
    #expect(group["cookie"]?.number == 1)
    let faults = try #require(group["faults"]).elements
    #expect(faults.map { $0["last"]?.bool } == [false, true])
    #expect(
      faults.map { $0["device_id"]?.number }
        == Array(
          repeating: Int(try kernel.id("devices/d")), count: 2))
    try kernel.close()
  }

  @Test(
    "116. Responses are written record by record, up to the first that is wrong",
    arguments: Driver.allCases)
  func responses(_ driver: Driver) throws {
    let kernel = try faulting(driver)
    for group in 0..<3 { #expect(try request(kernel, group: group) == "f") }
    #expect(try read(kernel) == [1, 2, 3])
    #expect(try write(kernel, [.u32(1)]).errno == "ESPIPE")
    #expect(try write(kernel, [.u32(1), .u32(2)]).errno == "EINVAL")
    #expect(try write(kernel, [.u32(9), .u32(0)]).errno == "EINVAL")
    #expect(try write(kernel, [])["bytes"]?.number == 0)
    // The first is taken, the second has no such code, and the third is not looked at.
    let partly = try write(
      kernel, [.u32(1), .u32(0), .u32(2), .u32(7), .u32(3), .u32(0)])
    #expect(partly["bytes"]?.number == 8)
    #expect(try write(kernel, [.u32(1), .u32(0)]).errno == "EINVAL")
    #expect(try write(kernel, [.u32(2), .u32(1), .u32(3), .u32(0)])["bytes"]?.number == 16)
    // The lowest cookie is free again.
    #expect(try request(kernel) == "f")
    #expect(try read(kernel) == [1])
    try kernel.close()
  }
}
