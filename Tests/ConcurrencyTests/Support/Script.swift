// SPDX-License-Identifier: Apache-2.0

/// A kind of physical IOMMU, and what a caller has to say to it.
enum Driver: String, CaseIterable, Sendable {
  case mock
  case smmu = "arm-smmuv3"

  var type: String { self == .mock ? "selftest" : "arm-smmuv3" }
  var nestedData: String { self == .mock ? #""iotlb":1"# : #""ste":["0x1000000b",0]"# }
  var record: [UInt64] { self == .mock ? [0] : [0x10, 0, 0x1000, 0] }

  func virtualID(in words: [UInt64]) -> UInt64 {
    (words.first ?? 0) >> (self == .mock ? 0 : 32)
  }
}

/// What the control plane does while the hardware reports: one device moves between the guests
/// `v1` and `v2`, under a new virtual ID each time, and queues and vdevs come and go under it.
struct Script {
  /// Whose a device's events are, and under which ID.
  struct Route: Equatable, Sendable {
    let viommu: String
    let virtualID: UInt64
  }

  /// One request, and where events go once it has been carried out; nil for nowhere.
  struct Step: Sendable {
    let method: String
    let path: String
    let body: String?
    let route: Route?

    /// The queue that it makes or ends.
    var queue: String? {
      path.contains("/veventqs/") ? path.split(separator: "/").last.map(String.init) : nil
    }
  }

  /// One queue of a guest, from its creation to its end.
  struct Queue: Sendable {
    let name: String
    let guest: Int
  }

  static let host = "/v1/hosts/t"
  let driver: Driver
  let isLinux: Bool
  private(set) var steps: [Step] = []
  private(set) var queues: [Queue] = []
  private var route: Route?
  private var current: [Int: Queue] = [:]
  private var virtualID: UInt64 = 0

  init(_ driver: Driver, isLinux: Bool, rounds: Int) {
    self.driver = driver
    self.isLinux = isLinux
    for round in 0..<rounds { add(round) }
    if current[1] == nil { makeQueue(1) }
    makeVDev("x", 1)
    attach("n1", to: 1)
  }

  // MARK: The world before

  var device: (path: String, body: String) {
    ("devices/d", #"{"smmu":"iommu","stream_id":66}"#)
  }

  /// The host and all that stays.
  var furniture: [(method: String, path: String, body: String)] {
    let policy = isLinux ? "linux" : "design"
    let host =
      "{\"id\":\"t\",\"pin_policy\":\"\(policy)\","
      + "\"smmus\":[{\"id\":\"iommu\",\"driver\":\"\(driver.rawValue)\"}]}"
    var all = [
      ("POST", "/v1/hosts", host), ("PUT", "\(Script.host)/\(device.path)", device.body),
      ("PUT", "\(Script.host)/ioas/i", "{}"),
      (
        "PUT", "\(Script.host)/domains/p",
        #"{"type":"paging","device":"d","ioas":"i","nest_parent":true}"#
      ),
    ]
    for guest in 1...2 {
      all.append(
        (
          "PUT", "\(Script.host)/viommus/v\(guest)",
          "{\"type\":\"\(driver.type)\",\"device\":\"d\",\"domain\":\"p\"}"
        ))
      for letter in ["m", "n"] {
        all.append(
          (
            "PUT", "\(Script.host)/domains/\(letter)\(guest)",
            "{\"type\":\"nested\",\"device\":\"d\",\"viommu\":\"v\(guest)\",\(driver.nestedData)}"
          ))
      }
    }
    return all
  }

  // MARK: Rounds

  private mutating func add(_ round: Int) {
    let guest = round % 2 + 1
    if current[guest] == nil { makeQueue(guest) }
    makeVDev("x", guest)
    attach("n\(guest)", to: guest)
    if round % 2 == 0 { attach("m\(guest)", to: guest) }
    if round % 3 == 0 {
      endQueue(guest)
      makeQueue(guest)
    }
    leave(round, guest)
    if round % 5 == 0 { endQueue(guest) }
  }

  /// The device leaves its guest, each time in another way.
  private mutating func leave(_ round: Int, _ guest: Int) {
    switch round % 4 {
    case 0:
      add("PUT", "devices/d/attachment", #"{"domain":"p"}"#, nil)
      add("DELETE", "devices/d/attachment", nil, nil)
      add("DELETE", "vdevs/x", nil, nil)
    case 1:
      add("DELETE", "devices/d/attachment", nil, nil)
      add("DELETE", "vdevs/x", nil, nil)
    case 2:
      add("POST", "devices/d/unplug", nil, nil)
      add("PUT", device.path, device.body, nil)
    default:
      if isLinux { move(from: guest) } else { endDetached() }
    }
  }

  private mutating func endDetached() {
    add("DELETE", "devices/d/attachment", nil, nil)
    add("DELETE", "vdevs/x", nil, nil)
  }

  /// With Linux the vdev can go first, and the device right from guest to guest.
  private mutating func move(from guest: Int) {
    let other = 3 - guest
    if current[other] == nil { makeQueue(other) }
    add("DELETE", "vdevs/x", nil, route)
    makeVDev("x", other)
    attach("n\(other)", to: other)
    add("DELETE", "vdevs/x", nil, route)
    add("DELETE", "devices/d/attachment", nil, nil)
  }

  private mutating func makeVDev(_ name: String, _ guest: Int) {
    virtualID += 1
    add(
      "PUT", "vdevs/\(name)",
      "{\"viommu\":\"v\(guest)\",\"device\":\"d\",\"virt_id\":\(virtualID)}", route)
  }

  private mutating func attach(_ domain: String, to guest: Int) {
    add(
      "PUT", "devices/d/attachment", "{\"domain\":\"\(domain)\"}",
      Route(viommu: "v\(guest)", virtualID: virtualID))
  }

  /// A queue comes; while the device is in the guest its events go there from then on.
  private mutating func makeQueue(_ guest: Int) {
    let queue = Queue(name: "q\(queues.count)", guest: guest)
    queues.append(queue)
    current[guest] = queue
    let route = isIn(guest) ? Route(viommu: "v\(guest)", virtualID: virtualID) : route
    add(
      "PUT", "veventqs/\(queue.name)",
      "{\"viommu\":\"v\(guest)\",\"type\":\"\(driver.type)\",\"depth\":16}", route)
  }

  private mutating func endQueue(_ guest: Int) {
    guard let queue = current.removeValue(forKey: guest) else { return }
    add("DELETE", "veventqs/\(queue.name)", nil, isIn(guest) ? nil : route)
  }

  /// The guest that the device is in, by the last request that moved it.
  private var place: Int?

  private func isIn(_ guest: Int) -> Bool { place == guest }

  private mutating func add(_ method: String, _ path: String, _ body: String?, _ route: Route?) {
    if path == "devices/d/attachment" || path == "devices/d/unplug" {
      place = route.map { $0.viommu == "v1" ? 1 : 2 }
    }
    self.route = route
    steps.append(
      Step(method: method, path: "\(Script.host)/\(path)", body: body, route: route))
  }
}
