// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What devices do: they are attached and unplugged, raise events, ask for pages, and access
/// memory.
enum DeviceRoutes {
  static let all: [RouteTable.Route] = [
    .init(.put, "/devices/{id}/attachment", attach("attachDevice")),
    .init(.delete, "/devices/{id}/attachment", detach("detachDevice")),
    .init(.put, "/devices/{id}/attachments/{pasid}", attach("attachDevicePASID")),
    .init(.delete, "/devices/{id}/attachments/{pasid}", detach("detachDevicePASID")),
    .init(.post, "/devices/{id}/unplug", unplug),
    .init(.post, "/devices/{id}/hardware-events", raiseHardwareEvent),
    .init(.post, "/devices/{id}/page-requests", requestPages),
    .init(.post, "/devices/{id}/dma", dma),
    .init(.put, "/devices/{id}/traffic", startTraffic),
    .init(
      .get, "/devices/{id}/traffic",
      Endpoint("getTraffic", effort: .bounded, .answer(showTraffic))),
    .init(.delete, "/devices/{id}/traffic", stopTraffic),
  ]

  /// The greatest PASID that can be asked for. Whether the device has it is for the kernel to
  /// judge.
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
    Endpoint(operationID, changing: .device, query: ["mode"], body: .json) {
      call throws(Problem) in
      let pasid = try pasid(call)
      let mode = try call.query.choice("mode", of: AttachMode.self) ?? .either
      let target = try call.decode(decodeTarget)
      return .attach(device: call.id, pasid: pasid, target: target, mode: mode)
    }
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
    Endpoint(operationID, changing: .device) { call throws(Problem) in
      .detach(device: call.id, pasid: try pasid(call))
    }
  }

  private static let unplug = Endpoint("unplugDevice", changing: .device) { call in
    .unplug(device: call.id)
  }

  private static let raiseHardwareEvent = Endpoint(
    "raiseHardwareEvent", changing: .device, body: .json
  ) { call throws(Problem) in
    let record = try call.decode { $0.hexArray("record", required: true, count: 1...8) }
    return .raiseHardwareEvent(device: call.id, record: record)
  }

  private static let requestPages = Endpoint("requestPages", changing: .device, body: .json) {
    call throws(Problem) in
    .requestPages(device: call.id, try call.decode { PageRequest($0) })
  }

  // MARK: Memory

  private static let dma = Endpoint("accessMemory", changing: .device, body: .json) {
    call throws(Problem) in
    .dma(device: call.id, try call.decode(DMACoding.decode))
  }

  private static let startTraffic = Endpoint("startTraffic", changing: .device, body: .json) {
    call throws(Problem) in
    .startTraffic(device: call.id, try call.decode { TrafficSettings($0) })
  }

  private static func showTraffic(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    return try call.host.read { state throws(Problem) in
      let device = try state.find(call.key(.device))
      guard let generator = state.traffic[device.name] else {
        throw Problem(.notFound, "device \(device.name) sends no traffic")
      }
      return Response.object { generator.write(to: &$0) }.notStored()
    }
  }

  private static let stopTraffic = Endpoint("stopTraffic", changing: .device) { call in
    .stopTraffic(device: call.id)
  }
}
