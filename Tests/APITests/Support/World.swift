// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import TestSupport
import Testing

/// Words of guests' stream table entries.
enum STE {
  /// V, Config stage 1, a table of one context descriptor.
  static let translating = #"["0x1000000b","0x0"]"#
  static let translatingElsewhere = #"["0x2000000b","0x0"]"#
  static let bypass = #"["0x9","0x0"]"#
  static let abort = #"["0x1","0x0"]"#
  static let invalid = #"["0x0","0xffffffffffffffff"]"#
}

extension API {
  /// A device, its memory, a nesting parent and a vIOMMU: what a VMM has before its guest starts.
  @discardableResult
  func furnish(type: String = "arm-smmuv3") throws -> API {
    try make("devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":66,"ats":true}"#)
    try make("ioas", #"{"id":"ram"}"#)
    try make(
      "domains", #"{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#)
    try make("viommus", #"{"id":"v0","type":"\#(type)","device":"gpu0","domain":"s2"}"#)
    return self
  }

  /// Makes an object that can be made.
  @discardableResult
  func make(_ collection: String, _ body: String) throws -> Answer {
    let answer = try post("/v1/" + collection, body)
    try #require(answer.status == 201, "\(answer.text)")
    return answer
  }

  func makeVDev(_ id: String = "vd0", device: String = "gpu0", virtID: String = "0x10") throws {
    try make(
      "vdevs", #"{"id":"\#(id)","viommu":"v0","device":"\#(device)","virt_id":"\#(virtID)"}"#)
  }

  func makeNested(_ id: String = "n0", _ ste: String = STE.translating) throws {
    try make(
      "domains", #"{"id":"\#(id)","type":"nested","device":"gpu0","viommu":"v0","ste":\#(ste)}"#)
  }

  func makeQueue(_ id: String = "q0", depth: Int = 4) throws {
    try make(
      "veventqs",
      #"{"id":"\#(id)","viommu":"v0","type":"arm-smmuv3","depth":\#(depth)}"#)
  }

  @discardableResult
  func attach(_ domain: String, device: String = "gpu0") throws -> Answer {
    try put("/v1/devices/\(device)/attachment", #"{"domain":"\#(domain)"}"#)
  }

  /// A guest's translation fault, as the hardware reports it for a device.
  @discardableResult
  func raise(
    _ dw0: String = "0x10", _ dw1: String = "0x0", device: String = "gpu0"
  ) throws -> JSON {
    let body = #"{"record":["\#(dw0)","\#(dw1)","0xdead000","0x0"]}"#
    let answer = try post("/v1/devices/\(device)/hardware-events", body)
    try #require(answer.status == 200, "\(answer.text)")
    return answer.json
  }

  /// The errno of a refusal; nil for what was carried out.
  func errno(_ method: String, _ path: String, _ body: String? = nil) throws -> String? {
    let answer = try send(method, path, body)
    return answer.status < 400 ? nil : answer.json["errno"].string ?? "\(answer.status)"
  }
}

extension ControlPlane {
  /// A digest of all that clients see of the host `default`.
  var defaultDigest: String { digest(ofHost: "default") ?? "" }
}
