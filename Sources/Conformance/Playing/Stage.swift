// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// What the operations of a trace act on: a host, and the objects on it that the trace has named.
final class Stage {
  /// The context that stands for the iommufd file of the trace.
  static let mainContext = "default"
  /// The IOMMU of the self-test driver, and the one that the real devices are behind.
  static let mockSMMU = "smmu0"
  static let vtdSMMU = "vtd0"

  let client: HostClient
  var table = ObjectTable()
  /// The names of the contexts that there are.
  var contexts: Set<String> = [Stage.mainContext]
  /// How many automatic domains the trace has had. They are those that the core makes by itself
  /// when a device is attached to an address space.
  private var autoCount = 0
  /// The name that the trace has for the automatic domain which the current operation makes; nil if
  /// it makes none.
  var nextAutoName: String?
  /// The stream ID that a mock device was given last.
  private var lastStreamID = 0

  init(_ client: HostClient) { self.client = client }

  func nextStreamID() -> Int {
    lastStreamID += 1
    return lastStreamID
  }

  // MARK: Making objects

  /// Makes an object by a POST to its collection.
  ///
  /// - Parameter members: writes the members of the body besides the ID.
  func create(
    _ kind: TraceKind, _ name: String, context: String = Stage.mainContext,
    _ members: (inout JSONWriter) -> Void
  ) throws(PlayFailure) -> (outcome: Outcome, object: TableObject?) {
    let id = ObjectTable.id(of: name)
    let reply = try client.post("/" + kind.collection) { writer in
      writer.field("id", text: id)
      members(&writer)
    }
    if let refusal = reply.refusal { return (refusal, nil) }
    let object = TableObject(
      name, kind, id: id, objectID: Stage.objectID(reply.json), context: context)
    table.insert(object)
    return (.success, object)
  }

  /// Makes an object by an ioctl.
  func create(
    _ kind: TraceKind, _ name: String, _ command: IoctlCommand, _ argument: [UInt8],
    memory: IOCTLMemory? = nil
  ) throws(PlayFailure) -> (answer: IOCTLAnswer, object: TableObject?) {
    let id = ObjectTable.id(of: name)
    let answer = try client.ioctl(
      command.rawValue, argument, memory: memory, id: id, context: Stage.mainContext)
    guard answer.outcome.errno == nil, let offset = command.createdIDOffset else {
      return (answer, nil)
    }
    let object = TableObject(
      name, kind, id: id, objectID: try answer.u32(at: offset), context: Stage.mainContext)
    table.insert(object)
    return (answer, object)
  }

  static func objectID(_ json: JSONValue?) -> UInt32? {
    json?.member("object_id")?.quantity.flatMap { UInt32(exactly: $0) }
  }

  // MARK: Automatic domains

  private func automaticDomains() throws(PlayFailure) -> [String] {
    let reply = try client.look("/domains?auto=true&limit=1000")
    guard let items = reply.json?.member("items"), reply.status == 200 else {
      throw .unexpected("the automatic domains cannot be listed: \(reply.status)")
    }
    return items.elements.compactMap { $0.member("id")?.string }
  }

  /// The name in the trace of a domain that something is attached to.
  ///
  /// A domain that is not in the table was made by no operation. It is an automatic one that has
  /// just come, and is added to the table.
  func domainName(_ id: String) throws(PlayFailure) -> (name: String, isNew: Bool) {
    if let known = table.living(.domain, id: id) { return (known.name, false) }
    let reply = try client.get("/domains/\(id)")
    let object = TableObject(
      nextAutoName ?? "auto\(autoCount)", .domain, id: id, objectID: Stage.objectID(reply.json),
      context: reply.json?.member("context")?.string ?? Stage.mainContext)
    object.isAuto = true
    autoCount += 1
    table.insert(object)
    return (object.name, true)
  }

  /// Compares the automatic domains that there are with those in the table.
  ///
  /// - Returns: the names of those that are gone, and the IDs of those that are there and that no
  ///   attach has shown.
  func reviewAutomaticDomains() throws(PlayFailure) -> (gone: [String], unexpected: [String]) {
    let present = try automaticDomains()
    let known = table.living.filter(\.isAuto)
    let gone = known.filter { !present.contains($0.id) }
    for object in gone { table.bury(object) }
    let unexpected = present.filter { id in !known.contains { $0.id == id } }
    return (gone.map(\.name), unexpected)
  }

  // MARK: Devices

  /// Unplugs a device, and finds out which of its vdevs are gone with it.
  func unplug(_ word: String) throws(PlayFailure) -> Outcome {
    let id = try table.id(word, as: .device)
    let reply = try client.send("POST", "/devices/\(id)/unplug")
    if let refusal = reply.refusal { return refusal }
    guard let device = table.living(.device, id: id) else {
      throw .unexpected("a device that is not known was unplugged")
    }
    return .success(["vdev_gone": .names(try bury(device))])
  }

  /// Notes that a device is gone.
  ///
  /// - Returns: the names of the vdevs that are gone with it.
  func bury(_ device: TableObject) throws(PlayFailure) -> [String] {
    table.bury(device)
    var gone: [String] = []
    for vdev in table.living where vdev.kind == .vdev && vdev.device === device {
      guard try client.get(vdev.path).status == 404 else { continue }
      table.bury(vdev, as: .tombstone)
      gone.append(vdev.name)
    }
    return gone
  }
}
