// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Operations that attach a device or one of its PASIDs to a page table, replace that, and detach
/// it.
enum AttachmentOperations {
  static let all: [OperationDefinition] = [
    .init("attach", ["name", "pt"]) { stage, arguments throws(PlayFailure) in
      try attach(stage, arguments, pasid: 0, mode: "attach")
    },
    .init("replace", ["name", "pt"]) { stage, arguments throws(PlayFailure) in
      try attach(stage, arguments, pasid: 0, mode: "replace")
    },
    .init("detach", ["name"]) { stage, arguments throws(PlayFailure) in
      try detach(stage, arguments.name, pasid: 0)
    },
    .init("pasid_attach", ["name", "pasid", "pt"]) { stage, arguments throws(PlayFailure) in
      try attach(stage, arguments, pasid: arguments.u32("pasid", default: 0), mode: "attach")
    },
    .init("pasid_replace", ["name", "pasid", "pt"]) { stage, arguments throws(PlayFailure) in
      try attach(stage, arguments, pasid: arguments.u32("pasid", default: 0), mode: "replace")
    },
    .init("pasid_detach", ["name", "pasid"]) { stage, arguments throws(PlayFailure) in
      try detach(stage, arguments.name, pasid: arguments.u32("pasid", default: 0))
    },
  ]

  /// The path of an attachment. PASID 0 stands for transactions without a PASID, which the kernel
  /// calls the device's RID.
  private static func path(_ device: String, _ pasid: UInt32) -> String {
    "/devices/\(device)/" + (pasid == 0 ? "attachment" : "attachments/\(pasid)")
  }

  /// The body of a request to attach, which says what to attach to.
  ///
  /// A domain or an address space that is there goes by its name in the API. Anything else
  /// goes by its number, as it would in a call of the kernel.
  static func target(_ stage: Stage, _ word: String) throws(PlayFailure) -> JSONWriter {
    let reference = try stage.table.resolve(word)
    let number = try stage.table.number(reference)
    return HostClient.object { writer in
      switch reference.object?.kind {
      case .ioas: writer.field("ioas", text: reference.object?.id)
      case .domain: writer.field("domain", text: reference.object?.id)
      default: writer.field("object_id", int: Int(number))
      }
    }
  }

  /// Attaches a device or one of its PASIDs.
  ///
  /// - Parameter mode: `attach` for one that must not be attached yet, `replace` for one that must
  ///   be; nil for either.
  static func attach(
    _ stage: Stage, _ arguments: Arguments, pasid: UInt32, mode: String?
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .device)
    let query = mode.map { "?mode=\($0)" } ?? ""
    let reply = try stage.client.send(
      "PUT", path(id, pasid) + query, target(stage, arguments.required("pt")))
    if let refusal = reply.refusal { return refusal }
    guard let shown = reply.json else { throw .unexpected("the answer is no JSON") }
    return try attached(stage, shown, pasid: pasid)
  }

  static func detach(
    _ stage: Stage, _ name: String, pasid: UInt32
  ) throws(PlayFailure) -> Outcome {
    let reply = try stage.client.delete(path(stage.table.id(name, as: .device), pasid))
    if let refusal = reply.refusal { return refusal }
    note(stage, reply.json)
    return .success
  }

  /// The outcome of an attach, read from the device as the answer shows it.
  static func attached(
    _ stage: Stage, _ device: JSONValue, pasid: UInt32
  ) throws(PlayFailure) -> Outcome {
    note(stage, device)
    guard let id = domain(of: device, pasid) else {
      throw .unexpected("the device shows no domain behind its PASID \(pasid)")
    }
    let (name, isNew) = try stage.domainName(id)
    return .success(["hwpt": .text(name), "new_auto": .bool(isNew)])
  }

  /// The domain that a PASID of a device is attached to, as the device shows it; nil for none.
  static func domain(of device: JSONValue?, _ pasid: UInt32) -> String? {
    if pasid == 0 { return device?.member("attachment")?.member("domain")?.string }
    let attachment = device?.member("attachments")?.elements.first {
      $0.member("pasid")?.quantity == UInt64(pasid)
    }
    return attachment?.member("domain")?.string
  }

  /// Notes in the table whether any PASID of the device is attached.
  private static func note(_ stage: Stage, _ device: JSONValue?) {
    guard let id = device?.member("id")?.string,
      let object = stage.table.living(.device, id: id)
    else { return }
    let pasids = device?.member("attachments")?.elements ?? []
    object.hasAttachedPASID = pasids.contains { $0.member("pasid")?.quantity != 0 }
  }
}
