// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What devices can do besides being there.
enum DeviceRoutes {
  static let all: [RouteTable.Route] = [
    .init(.put, "/devices/{id}/attachment", attach("attachDevice")),
    .init(.delete, "/devices/{id}/attachment", detach("detachDevice")),
    .init(.put, "/devices/{id}/attachments/{pasid}", attach("attachDevicePASID")),
    .init(.delete, "/devices/{id}/attachments/{pasid}", detach("detachDevicePASID")),
    .init(.post, "/devices/{id}/unplug", unplug),
    .init(.post, "/devices/{id}/hardware-events", raiseHardwareEvent),
    .init(.post, "/devices/{id}/page-requests", requestPages),
  ]

  /// The greatest number that can be asked for; which of them a device has, the kernel judges.
  private static let greatestPASID = Int(UInt32.max)

  private static func pasid(_ call: Call) throws(Problem) -> UInt32 {
    guard call.parameters.count > 1 else { return 0 }
    guard let pasid = Decimal.parse(call.parameters[1].utf8), pasid >= 1, pasid <= greatestPASID
    else {
      throw Problem(faults: [
        .init(.invalidField, at: "{pasid}", "must be an integer of 1 to \(greatestPASID)")
      ])
    }
    return UInt32(pasid)
  }

  private static func attach(_ operationID: String) -> Endpoint {
    Endpoint(
      operationID, query: ["mode"], body: .json,
      .change { call throws(Problem) in
        let pasid = try pasid(call)
        let mode = try call.query.choice("mode", of: AttachMode.self) ?? .either
        let reader = try call.reader()
        let target = decodeTarget(reader)
        try reader.finish()
        guard let target else { throw Problem(.internal, "a target was neither read nor refused") }
        return Change(
          operation: .attach(
            device: call.parameters[0], pasid: pasid, target: target, mode: mode),
          subject: .object(call.key(.device)))
      })
  }

  static func decodeTarget(_ reader: ObjectReader) -> AttachTarget? {
    let domain = reader.reference("domain").map(AttachTarget.domain)
    let ioas = reader.reference("ioas").map(AttachTarget.ioas)
    let id = reader.int("object_id", in: 0...Int(UInt32.max)).map(UInt32.init)
    let targets = [domain, ioas, id.map(AttachTarget.objectID)].compactMap { $0 }
    if targets.count == 1 { return targets[0] }
    if targets.count > 1 || reader.faults.isEmpty {
      reader.fault(.invalidField, "", "name one of domain, ioas and object_id to attach to")
    }
    return nil
  }

  private static func detach(_ operationID: String) -> Endpoint {
    Endpoint(
      operationID,
      .change { call throws(Problem) in
        Change(
          operation: .detach(device: call.parameters[0], pasid: try pasid(call)),
          subject: .object(call.key(.device)))
      })
  }

  private static let unplug = Endpoint(
    "unplugDevice",
    .change { call throws(Problem) in
      Change(
        operation: .unplug(device: call.parameters[0]), subject: .object(call.key(.device)))
    })

  private static let raiseHardwareEvent = Endpoint(
    "raiseHardwareEvent", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let record = reader.hexArray("record", required: true, count: 1...8)
      try reader.finish()
      return Change(
        operation: .raiseHardwareEvent(device: call.parameters[0], record: record ?? []),
        subject: .object(call.key(.device)))
    })

  private static let requestPages = Endpoint(
    "requestPages", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let request = PageRequest(reader)
      try reader.finish()
      guard let request else { throw Problem(.internal, "a request was neither read nor refused") }
      return Change(
        operation: .requestPages(device: call.parameters[0], request),
        subject: .object(call.key(.device)))
    })
}
