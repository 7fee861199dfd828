// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking
import MockDriver
import TestSupport
import Testing

@testable import ControlPlane
@testable import SMMUDriver

/// What came back.
struct Answer: CustomStringConvertible {
  let status: Int
  let body: [UInt8]
  var tag: String?

  var json: JSON { JSON(body) }
  var text: String { String(decoding: body, as: UTF8.self) }
  /// The errno of a refusal; nil for what was carried out.
  var errno: String? { status < 400 ? nil : json["errno"].string ?? "\(status)" }
  var description: String { "\(status) \(text)" }
}

/// A host with an SMMU that tells what its driver does, reached over the API in process.
final class Lab {
  let plane: ControlPlane
  /// Of the threads that the guests' queues have.
  let places: ThreadPlaces
  let prefix = "/v1/hosts/t"
  /// Events after this one are looked at.
  private var start: UInt64? = 0

  /// - Parameters:
  ///   - features: of `smmu0`, as members of a JSON object.
  ///   - smmu: further members of its description.
  ///   - host: further members of the host's.
  ///   - recordsStale: whether the log has uses of stale translations.
  ///   - threads: that guests' queues may have.
  init(
    _ features: String = "", smmu: String = "", host: String = "", recordsStale: Bool = true,
    threads: Int = 128
  ) throws {
    let places = ThreadPlaces(limit: threads)
    self.places = places
    plane = try ControlPlane(
      .init(
        models: [SMMUv3Model(places: places), BareSMMUv3Model(), MockModel()],
        clock: { Timestamp(microseconds: 1_700_000_000_000_000) }))
    let isBare = smmu.contains("bare")
    let all = (isBare ? [] : [#""trace":true"#]) + (features.isEmpty ? [] : [features])
    let answer = try send(
      "POST", "/v1/hosts",
      #"{"id":"t","record_stale_translations":\#(recordsStale),"smmus":[{"id":"smmu0""#
        + (smmu.isEmpty ? "" : "," + smmu) + #","features":{\#(all.joined(separator: ","))}}]"#
        + (host.isEmpty ? "" : "," + host) + "}")
    try #require(answer.status == 201, "\(answer)")
  }

  deinit { _ = try? send("DELETE", prefix) }

  // MARK: Requests

  @discardableResult
  func send(
    _ method: String, _ path: String, bytes: [UInt8]?, type: String = "application/json",
    accept: String? = nil, fields: [Headers.Name: String] = [:]
  ) throws -> Answer {
    var headers = Headers()
    for (name, value) in fields { headers.add(name, value) }
    if bytes != nil { headers.add(.contentType, type) }
    if let accept { headers.add(.accept, accept) }
    let head = RequestHead(
      method: HTTPCore.Method(rawValue: method) ?? .trace, target: try Target(Array(path.utf8)),
      headers: headers, contentLength: UInt64(bytes?.count ?? 0), hasBody: bytes != nil)
    let response = plane.respond(to: Request(head: head, body: bytes ?? []))
    guard case .bytes(let body) = response.body else { return Answer(status: 0, body: []) }
    let tag = response.headers.first { $0.name == .etag }?.value
    return Answer(status: response.status, body: body, tag: tag)
  }

  @discardableResult
  func send(_ method: String, _ path: String, _ body: String? = nil) throws -> Answer {
    try send(method, path, bytes: body.map { Array($0.utf8) })
  }

  func get(_ path: String) throws -> JSON { try send("GET", "\(prefix)/\(path)").json }

  @discardableResult
  func post(_ path: String, _ body: String? = nil) throws -> Answer {
    try send("POST", "\(prefix)/\(path)", body)
  }

  @discardableResult
  func put(_ path: String, _ body: String) throws -> Answer {
    try send("PUT", "\(prefix)/\(path)", body)
  }

  @discardableResult
  func delete(_ path: String) throws -> Answer { try send("DELETE", "\(prefix)/\(path)") }

  /// Makes an object that can be made.
  @discardableResult
  func make(_ collection: String, _ members: String) throws -> JSON {
    let answer = try post(collection, "{\(members)}")
    try #require(answer.status == 201, "\(collection) {\(members)}: \(answer)")
    return answer.json
  }

  // MARK: The log

  func host() throws -> Host { try #require(plane.hosts.host("t")) }

  /// What comes from now on is looked at.
  func mark() throws { start = try host().log.extent.latest }
  /// All that the log still has is looked at.
  func unmark() { start = nil }

  /// The number of the last event.
  func latest() throws -> UInt64 { try host().log.extent.latest }

  /// The events since the mark.
  func events() throws -> [JSON] {
    let log = try host().log
    guard var cursor = log.cursor(after: start, filter: EventFilter()).cursor else { return [] }
    var bytes: [UInt8] = []
    while log.read(&cursor, as: .ndjson, into: &bytes, limit: 1 << 20) == .more {}
    return bytes.split(separator: UInt8(ascii: "\n")).map { JSON($0) }
  }

  func events(_ type: String) throws -> [JSON] {
    try events().filter { $0["type"].string == type }.map { $0["data"] }
  }

  /// The commands since the mark, each of two words.
  func commands() throws -> [[UInt64]] { try events("smmu.command").map { $0["words"].words } }

  /// The names of the commands since the mark.
  func names() throws -> [String] {
    try events("smmu.command").compactMap { $0["name"].string }
  }

  /// The states of a stream's entry since the mark.
  func entries(_ stream: Int = 66) throws -> [[UInt64]] {
    try events("smmu.ste_written").filter { $0["stream_id"].int == stream }
      .map { $0["ste"].words }
  }

  /// What the host was told that no guest was: records with their errnos.
  func unclaimed() throws -> [(words: [UInt64], errno: String)] {
    try events("smmu.event").map { ($0["record"].words, $0["errno"].string ?? "") }
  }

  // MARK: Inside

  /// Transactions that wait for a RESUME.
  func stallCount() throws -> Int { try driver().hardware.smmu.stallCount }

  func driver(_ name: String = "smmu0") throws -> SMMUv3Driver {
    var found: SMMUv3Driver?
    try host().read { state in
      found = (state.core.object(.smmu, name) as? SMMU)?.driver as? SMMUv3Driver
    }
    return try #require(found)
  }
}
