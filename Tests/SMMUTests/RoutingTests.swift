// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import TestSupport
import Testing

@testable import SMMUDriver

/// Where the records of real faults go.
@Suite("Faults of a device go where its entry says") struct RoutingTests {
  /// F_TRANSLATION of a read of address 0x5000 by stream 0x10, stage 1, class IN.
  private static let record: [UInt64] = [0x0000_0010_0000_0010, 0x0000_0208_0000_0000, 0x5000, 0]

  @Test("35. Without a vdev a translating entry is ENOENT, and the parent goes on translating")
  func noVDev() throws {
    let lab = try Lab().furnish()
    try lab.delete("vdevs/vd0")
    try lab.makeNested()
    try lab.attach("s2")
    try lab.mark()
    #expect(try lab.tryAttach("n0").errno == "ENOENT")
    #expect(try lab.commands() == [])
    #expect(try lab.outcome(Lab.base) == "done")
  }

  @Test(
    "36. Bypass, abort and invalid entries need no vdev, and have no vmaster",
    arguments: [
      ([0x9, 0], "done"), ([0x1, 0], "aborted"), ([0x0, 0xff], "aborted"),
    ] as [([UInt64], String)])
  func withoutVMaster(_ ste: [UInt64], _ outcome: String) throws {
    let lab = try Lab().furnish()
    try lab.delete("vdevs/vd0")
    try lab.makeNested("n0", ste)
    #expect(try lab.attach("n0")["hardware"]["vmaster"].isNull)
    #expect(try lab.outcome(Lab.base) == outcome)
    #expect(try lab.raise([0x10, 0, 0, 0])["errno"].string == "EOPNOTSUPP")
  }

  @Test("38. A replace that fails leaves the old vmaster")
  func failedReplace() throws {
    let lab = try Lab().furnish()
    var guest = Guest(lab)
    try guest.makeContext()
    try lab.makeNested("n0", guest.ste())
    try lab.attach("n0")
    try lab.make("viommus", #""id":"v1","type":"arm-smmuv3","device":"gpu0","domain":"s2""#)
    try lab.makeNested("n1", guest.ste(), viommu: "v1")
    try lab.mark()
    #expect(try lab.tryAttach("n1").errno == "ENOENT")
    #expect(try lab.commands() == [])
    try lab.dma(0x5000)
    #expect(try lab.veventRecords() == [Self.record])
  }

  @Test("42. A guest's fault comes to the guest, with its own name for the stream")
  func forwarded() throws {
    let lab = try Lab()
    try lab.boot()
    let answer = try lab.dma(0x5000)
    #expect(answer["outcome"].string == "aborted")
    #expect(answer["event"]["name"].string == "F_TRANSLATION")
    #expect(answer["event"]["recorded"].bool == true)
    // The device's record has the physical stream.
    #expect(answer["event"]["words"].words == [0x0000_0042_0000_0010] + Self.record.dropFirst())
    let items = try lab.get("veventqs/e0/events")["items"]
    #expect(items.array.count == 1)
    #expect(items[0]["sequence"].int == 0 && items[0]["data"].words == Self.record)
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("43. A fault of the host's stage 2 stays with the host")
  func stage2() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    try guest.map(0x2000, 0x9000_0000)
    try lab.mark()
    let answer = try lab.dma(0x2008, "write", #""data":"00""#)
    #expect(answer["event"]["stage2"].bool == true)
    #expect(answer["event"]["words"][3].quantity == 0x9000_0000)
    #expect(try lab.veventRecords() == [])
    let unclaimed = try lab.unclaimed()
    #expect(unclaimed.map(\.errno) == ["EOPNOTSUPP"])
    #expect(unclaimed.first?.words == answer["event"]["words"].words)
  }

  @Test("45, 46. Each kind of record is the guest's or the host's")
  func kinds() throws {
    let lab = try Lab().furnish()
    try lab.makeNested()
    try lab.attach("n0")
    let guests: Set<UInt64> = [0x04, 0x06, 0x08, 0x0a, 0x10, 0x11, 0x12, 0x13]
    for id in UInt64(0)..<0x30 {
      let answer = try lab.raise([id, 0, 0, 0])
      let expected = guests.contains(id) ? "forwarded" : "logged"
      #expect(answer["disposition"].string == expected, "\(TestSupport.hex(id))")
    }
    #expect(try lab.veventRecords().map { $0[0] & 0xff } == guests.sorted())
  }

  @Test("46. A bad entry, descriptor and substream of the guest's come to the guest")
  func configurationFaults() throws {
    let lab = try Lab()
    let guest = try lab.boot()
    // A descriptor that is not valid.
    try lab.write([0], at: guest.contexts)
    try lab.invalidate([[0x0000_0010_0000_0005, 1]])
    #expect(try lab.dma(0x1000)["event"]["name"].string == "C_BAD_CD")
    #expect(
      try lab.dma(0x1000, "read", #""pasid":3"#)["event"]["name"].string == "C_BAD_SUBSTREAMID")
    // A table of two, without one for transactions that have no substream.
    try lab.makeNested("n1", guest.ste(log2Contexts: 1, dss: 0))
    try lab.attach("n1")
    #expect(try lab.dma(0x1000)["event"]["name"].string == "F_STREAM_DISABLED")
    #expect(try lab.veventRecords().map { $0[0] & 0xff } == [0x0a, 0x08, 0x06])
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("47. After a replace by the parent the host hears of the faults")
  func afterReplace() throws {
    let lab = try Lab()
    try lab.boot()
    try lab.attach("s2")
    try lab.dma(0x5000)
    try lab.detach()
    try lab.raise([0x10, 0, 0x5000, 0])
    #expect(try lab.veventRecords() == [])
    #expect(try lab.unclaimed().count == 2)
  }

  @Test("48. Two guests on one SMMU hear each of their own device")
  func twoGuests() throws {
    let lab = try Lab()
    let guest = try lab.boot()
    try lab.makeDevice("d1", stream: 67)
    try lab.make("viommus", #""id":"v1","type":"arm-smmuv3","device":"d1","domain":"s2""#)
    try lab.makeVDev("vd1", device: "d1", viommu: "v1", virtID: 0x20)
    try lab.make("veventqs", #""id":"e1","viommu":"v1","type":"arm-smmuv3","depth":8"#)
    try lab.makeNested("n1", guest.ste(), viommu: "v1")
    try lab.attach("n1", device: "d1")
    try lab.dma(0x5000)
    try lab.dma(0x6000, device: "d1")
    #expect(try lab.veventRecords() == [Self.record])
    #expect(try lab.veventRecords("e1") == [[0x20_0000_0010, Self.record[1], 0x6000, 0]])
  }

  @Test("49. Without an event queue the host hears of it")
  func noQueue() throws {
    let lab = try Lab()
    try lab.boot()
    try lab.delete("veventqs/e0")
    try lab.mark()
    try lab.dma(0x5000)
    #expect(try lab.unclaimed().map(\.errno) == ["EOPNOTSUPP"])
  }

  @Test("50. Where Linux is followed the vdev goes: events keep its ID, commands do not find it")
  func vdevGone() throws {
    let lab = try Lab(host: #""pin_policy":"linux""#)
    try lab.boot()
    #expect(try lab.delete("vdevs/vd0").status == 200)
    try lab.dma(0x5000)
    #expect(try lab.veventRecords() == [Self.record])
    #expect(try lab.invalidate([[0x0000_0010_0000_0005, 1]]).errno == "EIO")
  }

  @Test("51. By the design the attached device keeps its vdev")
  func vdevPinned() throws {
    let lab = try Lab()
    try lab.boot()
    #expect(try lab.delete("vdevs/vd0").errno == "EBUSY")
  }

  @Test("107. A vdev that comes later is met by the next domain")
  func lateVDev() throws {
    let lab = try Lab().furnish()
    try lab.delete("vdevs/vd0")
    try lab.makeNested("n0", [9, 0])
    try lab.makeNested("n1", [9, 0])
    try lab.attach("n0")
    try lab.makeVDev()
    try lab.attach("n0")
    #expect(try lab.raise([0x10, 0, 0, 0])["disposition"].string == "logged")
    try lab.attach("n1")
    #expect(try lab.raise([0x10, 0, 0, 0])["disposition"].string == "forwarded")
  }

  @Test("108. A nested RID and PASIDs keep each other out")
  func pasids() throws {
    let lab = try Lab()
    try lab.boot(#""pasid_bits":4"#)
    try lab.makePaging("p", #""pasid":true"#)
    #expect(try lab.tryAttach("p", pasid: 1).errno == "EINVAL")
    try lab.attach("p")
    try lab.attach("p", pasid: 1)
    #expect(try lab.tryAttach("n0").errno == "EINVAL")
  }

  @Test("111. What a record is comes before whose it is")
  func unknowns() throws {
    let lab = try Lab().furnish()
    let handler = try lab.driver().eventHandler
    #expect(handler.handle(handler.record([0x77, 0, 0, 0], from: 0x99)) == .logged(.EOPNOTSUPP))
    #expect(handler.handle(handler.record([0x10, 0, 0, 0], from: 0x99)) == .logged(.EINVAL))
    #expect(try lab.unclaimed().map(\.errno) == ["EOPNOTSUPP", "EINVAL"])
  }

  @Test("112. CONS has moved when a record is handled, once for each")
  func consumedFirst() throws {
    let machine = WatchingMachine()
    var features = SMMUv3Features()
    features.sidSize = 8
    let driver = try SMMUv3Driver(
      name: "s", settings: SMMUSettings(driver: "arm-smmuv3", streamIDBits: 8, cmdqv: nil),
      features: features, machine: machine)
    driver.reset()
    let hardware = driver.hardware
    machine.watch { hardware.read(.eventqCons) }
    for number in 0..<3 {
      _ = driver.eventHandler.handle([0x77, 0, UInt64(number), 0])
    }
    #expect(machine.seen == [1, 2, 3])
  }

  // MARK: The vmaster

  @Test("An event between the entry and the vmaster meets the old guest")
  func betweenEntryAndVMaster() throws {
    let lab = try Lab().furnish()
    try lab.make("viommus", #""id":"v1","type":"arm-smmuv3","device":"gpu0","domain":"s2""#)
    try lab.make("veventqs", #""id":"e1","viommu":"v1","type":"arm-smmuv3","depth":8"#)
    try lab.makeNested("n0")
    try lab.makeNested("n1", [0x4000_100b, 0], viommu: "v1")
    try lab.makeNested("b1", [9, 0], viommu: "v1")
    let driver = try lab.driver()
    var seen: [EventDisposition] = []
    driver.programmer.testHooks.betweenEntryAndVMaster = {
      let handler = driver.eventHandler
      seen.append(handler.handle(handler.record([0x10, 0, 0x77, 0], from: 66)))
    }
    try lab.attach("n0")
    // Nobody had the stream before.
    #expect(seen == [.logged(.EOPNOTSUPP)])
    // Another guest's bypass: its vmaster is nobody's, for the vdev is v0's.
    try lab.attach("b1")
    #expect(seen.last == .forwarded(viommu: "v0", virtualID: 0x10))
    try lab.delete("vdevs/vd0")
    try lab.makeVDev("vd1", viommu: "v1", virtID: 0x20)
    try lab.attach("n1")
    #expect(seen.last == .logged(.EOPNOTSUPP))
    #expect(try lab.raise([0x10, 0, 0, 0])["virt_id"].quantity == 0x20)
    // What is blocked is out of its guest before its entry changes.
    try lab.detach()
    #expect(seen.last == .logged(.EOPNOTSUPP))
    driver.programmer.testHooks.betweenEntryAndVMaster = nil
    #expect(try lab.veventRecords("e0").count == 1 && lab.veventRecords("e1").count == 1)
  }
}
