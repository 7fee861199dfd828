// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Operations that ask the self-test driver about its own state.
///
/// The API has no such questions. It shows the same state in its objects, from which the answer of
/// the driver follows.
enum CheckOperations {
  static let all: [OperationDefinition] = [
    .init("check_cache", ["dev", "id", "val"], checkCache),
    .init("check_iotlb", ["name", "id", "val"], checkIOTLB),
    .init("check_map", ["name", "iova", "length", "off"], checkMapping),
    .init("pasid_check", ["name", "pasid", "hwpt"], checkPASID),
  ]

  @Sendable private static func checkCache(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.required("dev"), as: .device)
    let reply = try stage.client.get("/devices/\(id)")
    if let refusal = reply.refusal { return refusal }
    return try check(reply, "cache", arguments, usual: Selftest.deviceCache)
  }

  @Sendable private static func checkIOTLB(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .domain)
    let reply = try stage.client.get("/domains/\(id)")
    if let refusal = reply.refusal { return refusal }
    guard reply.json?.member("type")?.string == "nested" else {
      return Outcome(errno: "ENOENT", detail: "the domain is not nested")
    }
    return try check(reply, "iotlb", arguments, usual: UInt64(Selftest.iotlb))
  }

  /// Compares one word of a cache with the value that the script expects.
  private static func check(
    _ reply: Reply, _ name: String, _ arguments: Arguments, usual: UInt64
  ) throws(PlayFailure) -> Outcome {
    let index = try arguments.number("id", default: 0)
    let expected = try arguments.number("val", default: usual)
    guard let words = reply.json?.member("hardware")?.member(name)?.elements,
      words.count == Int(Selftest.cacheWords)
    else { throw .unexpected("there is no `hardware.\(name)` of \(Selftest.cacheWords) words") }
    guard index < Selftest.cacheWords else {
      return Outcome(errno: "EINVAL", detail: "there is no word \(index)")
    }
    let word = words[Int(index)].quantity
    if word == expected { return .success }
    let shown = word.map(HexText.of) ?? "no number"
    return Outcome(errno: "EINVAL", detail: "word \(index) of the \(name) is \(shown)")
  }

  /// Checks that a domain translates a whole range, and that the memory behind it is contiguous.
  @Sendable private static func checkMapping(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .domain)
    let iova = try arguments.number("iova", default: 0)
    let length = try arguments.number("length", default: MappingOperations.usualLength)
    let domain = try stage.client.get("/domains/\(id)")
    if let refusal = domain.refusal { return refusal }
    guard let ioas = domain.json?.member("ioas")?.string else {
      return Outcome(errno: "EINVAL", detail: "the domain has no address space")
    }
    let reply = try stage.client.get("/ioas/\(ioas)/mappings?limit=1000")
    if let refusal = reply.refusal { return refusal }
    let areas = try reply.member("items").elements.compactMap(Area.init)
    return isMapped(iova, length, areas)
      ? .success : Outcome(errno: "EINVAL", detail: "the range is not mapped in one piece")
  }

  private struct Area {
    let iova: UInt64
    let length: UInt64
    let physical: UInt64

    init?(_ value: JSONValue) {
      guard let iova = value.member("iova")?.quantity,
        let length = value.member("length")?.quantity,
        let physical = value.member("physical")?.quantity
      else { return nil }
      (self.iova, self.length, self.physical) = (iova, length, physical)
    }
  }

  private static func isMapped(_ iova: UInt64, _ length: UInt64, _ areas: [Area]) -> Bool {
    var next = iova
    var left = length
    var distance: UInt64?
    for area in areas.sorted(by: { $0.iova < $1.iova })
    where left > 0 && next >= area.iova && next &- area.iova < area.length {
      let offset = area.physical &- area.iova
      guard distance == nil || distance == offset else { return false }
      distance = offset
      let covered = min(left, area.length &- (next &- area.iova))
      next &+= covered
      left &-= covered
    }
    return left == 0
  }

  @Sendable private static func checkPASID(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .device)
    let reply = try stage.client.get("/devices/\(id)")
    if let refusal = reply.refusal { return refusal }
    let pasid = try arguments.u32("pasid", default: 0)
    let word = arguments["hwpt"] ?? "none"
    var expected: String?
    if word != "none" {
      guard let domain = try stage.table.resolve(word).object, domain.kind == .domain else {
        return Outcome(errno: "ENOENT", detail: "there is no domain \(word)")
      }
      expected = domain.id
    }
    let actual = AttachmentOperations.domain(of: reply.json, pasid)
    if actual == expected { return .success }
    return Outcome(errno: "EINVAL", detail: "the PASID has \(actual ?? "no domain")")
  }
}
