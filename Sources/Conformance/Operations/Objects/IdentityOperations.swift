// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations that ask for the ID of an object, and that destroy objects.
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
      // A script may ask for the number of an object that is gone; the table has kept it.
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

  /// Destroys an object.
  ///
  /// An object that belongs to the user is deleted by a request to its resource. A device or an
  /// access belongs to its driver. To destroy one of them is an error that a user can make only by
  /// its number, and so this is an ioctl.
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
  /// Notes that the object with this number was destroyed. If it is the object that the self-test
  /// driver has for a device, the device is gone with it.
  ///
  /// - Returns: success, with the names of the vdevs that are gone as well.
  func buried(_ number: UInt32) throws(PlayFailure) -> Outcome {
    guard let object = table.living(objectID: number, in: Stage.mainContext) else {
      return .success
    }
    if object.kind == .device { return .success(["vdev_gone": .names(try bury(object))]) }
    table.bury(object)
    return .success
  }
}
