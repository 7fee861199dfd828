// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import Testing

@Suite("veventqs, as their files are read")
struct EventQueueTests {
  /// A guest with a queue of a depth, to which its device reports.
  private func reporting(_ driver: Driver, depth: Int) throws -> Kernel {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    #expect(try kernel.makeEventQueue(depth: depth) == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    return kernel
  }

  private func raise(_ kernel: Kernel, _ count: Int) throws {
    for _ in 0..<count { #expect(try kernel.raise()["disposition"]?.string == "forwarded") }
  }

  /// What is read with a buffer of so many bytes: sequence numbers, negative for a lost header.
  private func read(_ kernel: Kernel, count: Int = 4096) throws -> [Int] {
    let reply = try kernel.get("veventqs/e/events?count=\(count)")
    try #require(reply.status == 200, "\(reply.errno ?? "")")
    let items = try #require(reply["items"]).elements
    let bytes = items.reduce(0) {
      $0 + ($1["lost_events"]?.bool == true ? 8 : kernel.driver.eventBytes)
    }
    #expect(reply["bytes"]?.number == bytes)
    return items.map { item in
      let sequence = item["sequence"]?.number ?? 0
      return item["lost_events"]?.bool == true ? -sequence : sequence
    }
  }

  private func poll(_ kernel: Kernel) throws -> [String] {
    try kernel.get("veventqs/e")["poll"]?.elements.compactMap(\.string) ?? []
  }

  @Test(
    "53. At its depth a queue keeps one header with the number of the newest lost event",
    arguments: Driver.allCases)
  func overflow(_ driver: Driver) throws {
    let kernel = try reporting(driver, depth: 2)
    try raise(kernel, 3)
    #expect(try read(kernel) == [0, 1, -2])
    try raise(kernel, 5)
    #expect(try read(kernel) == [3, 4, -7])
    #expect(try read(kernel) == [])
    try kernel.close()
  }

  @Test(
    "54. A stored event takes the header's place, and the numbers show the gap",
    arguments: Driver.allCases)
  func gap(_ driver: Driver) throws {
    let kernel = try reporting(driver, depth: 2)
    try raise(kernel, 3)
    #expect(try read(kernel, count: driver.eventBytes) == [0])
    try raise(kernel, 1)
    #expect(try read(kernel) == [1, 3])
    try kernel.close()
  }

  @Test("55. Behind the number 0x7fffffff comes 0")
  func wrap() throws {
    let fifo = VEventFIFO(depth: 1, firstSequence: 0x7fff_ffff)
    for _ in 0..<3 { #expect(fifo.report(VEventData([1]))) }
    #expect(try fifo.read(count: 64).map(\.sequence) == [0x7fff_ffff, 1])
    #expect(fifo.status.nextSequence == 2)
  }

  @Test(
    "56. A buffer has room for a header at least, and for the first entry",
    arguments: Driver.allCases)
  func buffers(_ driver: Driver) throws {
    let kernel = try reporting(driver, depth: 1)
    try raise(kernel, 2)
    for count in [0, 7, 8, driver.eventBytes - 1] {
      #expect(try kernel.get("veventqs/e/events?count=\(count)").errno == "EINVAL")
    }
    #expect(try read(kernel, count: driver.eventBytes + 7) == [0])
    #expect(try kernel.get("veventqs/e/events?count=7").errno == "EINVAL")
    #expect(try read(kernel, count: 8) == [-1])
    try kernel.close()
  }

  @Test(
    "57. An empty queue is not readable, and a read of it gives nothing", arguments: Driver.allCases
  )
  func empty(_ driver: Driver) throws {
    let kernel = try reporting(driver, depth: 1)
    #expect(try poll(kernel) == [])
    #expect(try read(kernel, count: 8) == [])
    #expect(try kernel.get("veventqs/e/events?count=7").errno == "EINVAL")
    try raise(kernel, 2)
    #expect(try poll(kernel) == ["in"])
    #expect(try read(kernel, count: driver.eventBytes) == [0])
    #expect(try poll(kernel) == ["in"])
    #expect(try read(kernel) == [-1])
    #expect(try poll(kernel) == [])
    try kernel.close()
  }

  @Test(
    "48. Two vIOMMUs of one IOMMU get each the events of its own devices",
    arguments: Driver.allCases)
  func twoGuests(_ driver: Driver) throws {
    let kernel = try reporting(driver, depth: 4)
    try kernel.plug("d2", stream: 2)
    try kernel.makeVIOMMU("w", for: "d2")
    try kernel.makeNested("m", on: "w", for: "d2")
    #expect(try kernel.makeVDev("y", on: "w", for: "d2", virtualID: 0x99) == nil)
    #expect(try kernel.makeEventQueue("f", on: "w", depth: 4) == nil)
    #expect(try kernel.attach("d2", to: .domain("m")) == nil)
    for (device, viommu) in [("d", "v"), ("d2", "w"), ("d", "v")] {
      #expect(try kernel.raise(device)["viommu"]?.string == viommu)
    }
    #expect(try read(kernel) == [0, 1])
    #expect(try kernel.get("veventqs/f")["pending"]?.number == 1)
    try kernel.close()
  }
}
