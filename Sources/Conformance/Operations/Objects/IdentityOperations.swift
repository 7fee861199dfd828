// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Object IDs, and destroying objects.
enum IdentityOperations {
  static let all: [OperationDefinition] = [
    .init("id", ["name"], identify),
    .init("destroy", ["name"], destroy),
  ]

  @Sendable private static func identify(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let reference = try stage.table.resolve(arguments.name)
    guard let object = reference.object else {
      // What a script remembers of the dead is their number.
      if case .number(let number) = reference { return .success(["id": .number(UInt64(number))]) }
      guard let number = stage.table.object(try arguments.name)?.objectID else {
        throw .untranslatable("`\(try arguments.name)` never had a number")
      }
      return .success(["id": .number(UInt64(number))])
    }
    let reply = try stage.client.get(object.path)
    if let refusal = reply.refusal { return refusal }
    var fields: [String: TraceValue] = ["id": .number(try reply.quantity("object_id"))]
    let selftestID = reply.json?.member("hardware")?.member("selftest_id")?.quantity
    if let selftestID { fields["stdev_id"] = .number(selftestID) }
    return .success(fields)
  }

  /// What a user may destroy is deleted by its resource. A device or an access belongs to its
  /// driver, and a user who tries all the same has only its number.
  @Sendable private static func destroy(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let reference = try stage.table.resolve(arguments.name)
    if let object = reference.object, object.kind != .device, object.kind != .access {
      let outcome = Outcome(try stage.client.delete(object.path))
      if outcome.errno == nil { stage.table.bury(object) }
      return outcome
    }
    let number = try stage.table.number(reference)
    let context = reference.object?.context ?? Stage.mainContext
    let outcome = try stage.client.ioctl(
      IoctlCommand.destroy.rawValue, StructBytes.argument(.u32(number)), context: context
    ).outcome
    return outcome.errno == nil ? try stage.buried(number) : outcome
  }
}

extension Stage {
  /// Notes that whatever bore a number was destroyed; the self-test driver's object of a device
  /// takes the device along.
  func buried(_ number: UInt32) throws(PlayFailure) -> Outcome {
    guard let object = table.living(objectID: number, in: Stage.mainContext) else {
      return .success
    }
    if object.kind == .device { return .success(["vdev_gone": .names(try bury(object))]) }
    table.bury(object)
    return .success
  }
}
