// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking
import SMMUDriver

/// Measures how fast events go from a device's fault to the veventq of a vIOMMU, first alone, and
/// then while another thread moves the device between domains as fast as it can.
struct EventSuite {
  let events: Int

  func run() throws {
    let world = try EventWorld()
    let alone = world.flood(events, attaching: false)
    let busy = world.flood(events, attaching: true)
    Table.title("Events, from a fault of a device to the veventq")
    Table.row("", "events/s", "arrived", "attaches", "slowest us")
    Table.row("alone", Table.number(alone.rate), Table.fraction(alone.arrived))
    Table.row(
      "while attaching", Table.number(busy.rate), Table.fraction(busy.arrived),
      Table.number(Double(busy.attaches)), Table.fraction(busy.slowest / 1000))
    Table.row("times alone", Table.fraction(busy.rate / alone.rate))
  }
}

/// The machine that a driver needs, without a control plane around it.
final class BenchHost: Machine, MemoryMachine {
  let physicalMemory = PhysicalMemory(size: 1 << 32)
  private let map = Locked(PhysicalMemoryMap(size: 1 << 31))
  private let tables = Locked(
    PhysicalMemoryMap(base: PhysicalMemoryMap.base + 1 << 31, size: 1 << 31))

  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64? {
    map.withLock { $0.allocate(length, alignment: alignment) }
  }
  func retainMemory(_ address: UInt64, _ length: UInt64) {
    map.withLock { $0.retain(address, length) }
  }
  func clearMemory(_ address: UInt64, _ length: UInt64) { physicalMemory.clear(address, length) }
  func freeMemory(_ address: UInt64, _ length: UInt64) { map.withLock { $0.free(address, length) } }
  func allocateTables(_ length: UInt64, alignment: UInt64, below limit: UInt64) -> UInt64? {
    tables.withLock { $0.allocate(length, alignment: alignment) }
  }
  func freeTables(_ address: UInt64, _ length: UInt64) {
    tables.withLock { $0.free(address, length) }
  }
  func logHardware(_ trace: HardwareTrace) {}
  func logHardwareEvent(_ event: UnclaimedEvent) {}
}

/// A device in a vIOMMU, with two nested domains between which it can be moved.
final class EventWorld {
  struct Outcome {
    /// Events that reached the veventq, per second.
    var rate: Double
    /// The share of the faults that reached the veventq, from 0 to 1. The others found the
    /// hardware's event queue full, since nothing makes the device wait.
    var arrived = 0.0
    var attaches = 0
    /// The time that the slowest attach took, in nanoseconds.
    var slowest: Double = 0
  }

  private let core: ObjectCore
  private let port: any DevicePort
  private let fifo: VEventFIFO

  init() throws {
    let machine = BenchHost()
    core = ObjectCore(on: machine)
    core.begin()
    let model = SMMUv3Model()
    let smmu = try core.smmus.add("smmu0", model, model.usualSettings, on: machine)
    try core.contexts.open("c")
    let device = try core.devices.bind(
      "d", smmu: "smmu0", context: "c", properties: .init(streamIDs: [1]))
    try core.addressSpaces.allocate("ram", context: "c")
    // The guest's memory is zero, and so its context descriptors are invalid. Each access of the
    // device is therefore a fault that is the guest's to handle.
    try core.addressSpaces.map(
      "ram", MapRequest(iova: 0, length: 0x10000, isReadable: true, isWritable: true))
    try core.domains.allocate(
      "s2", DomainRequest(device: "d", pageTable: .ioas("ram"), flags: .nestParent))
    try core.viommus.allocate("v", type: .armSMMUv3, device: "d", domain: "s2")
    try core.vdevs.allocate("vd", viommu: "v", device: "d", virtualID: 0x10)
    for (name, pointer) in [("n0", UInt64(0x1000)), ("n1", 0x2000)] {
      try core.domains.allocate(
        name,
        DomainRequest(
          device: "d", pageTable: .viommu("v"),
          data: UserData(type: 2, words: [1 | 5 << 1 | pointer, 0])))
    }
    let queue = try core.veventqs.allocate(
      "e", viommu: "v", type: .armSMMUv3, depth: VEventQueue.depthLimit)
    fifo = queue.fifo
    try core.attachments.attach("d", to: .domain("n0"))
    core.commit()
    guard let port = smmu.driver.ops.port(of: device) else {
      throw BenchError("the SMMU has no port for its device")
    }
    self.port = port
  }

  /// Makes the device fault about `count` times, and counts the events that arrive.
  ///
  /// - Parameter attaching: whether this thread moves the device between its domains meanwhile.
  func flood(_ count: Int, attaching: Bool) -> Outcome {
    let port = port
    let isOver = Locked(false)
    let time = Locked<Double>(0)
    let batch = TrafficBatch(
      addresses: (0..<256).map { UInt64($0) << 12 }, length: 8, pasids: [nil])
    let before = fifo.status.nextSequence
    var outcome = Outcome(rate: 0)
    let flooder = Worker {
      let start = Clock.now()
      for _ in 0..<count / 256 { _ = port.run(batch) }
      time.withLock { $0 = Clock.seconds(since: start) }
      isOver.withLock { $0 = true }
      return 1 << 40
    }
    guard flooder.start() else { return outcome }
    var turn = 0
    while !isOver.withLock({ $0 }) {
      if attaching {
        turn += 1
        let start = Clock.now()
        core.begin()
        try? core.attachments.attach("d", to: .domain(turn % 2 == 0 ? "n0" : "n1"))
        core.commit()
        outcome.slowest = max(outcome.slowest, Double(Clock.now() - start))
      }
      _ = try? fifo.read(count: 1 << 24)
    }
    flooder.stop()
    outcome.attaches = turn
    let seen = (fifo.status.nextSequence &- before) & 0x7fff_ffff
    outcome.arrived = Double(seen) / Double(count / 256 * 256)
    outcome.rate = Double(seen) / time.withLock { $0 }
    return outcome
  }
}
