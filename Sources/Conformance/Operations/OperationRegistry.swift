// SPDX-License-Identifier: Apache-2.0

/// An operation of the scripts: how a script spells it, and how it is done over the API.
struct OperationDefinition: Sendable {
  typealias Play = @Sendable (Stage, Arguments) throws(PlayFailure) -> Outcome

  let name: String
  /// The names of all arguments that it may have.
  let arguments: Set<String>
  let play: Play

  init(_ name: String, _ arguments: Set<String>, _ play: @escaping Play) {
    self.name = name
    self.arguments = arguments
    self.play = play
  }
}

/// All operations that the scripts can have, by their names.
enum OperationRegistry {
  static let families: [[OperationDefinition]] = [
    AddressSpaceOperations.all, MappingOperations.all, DeviceOperations.all,
    AttachmentOperations.all, DomainOperations.all, VIOMMUOperations.all, VDeviceOperations.all,
    HWQueueOperations.all, VEventQueueOperations.all, FaultQueueOperations.all,
    InvalidationOperations.all, AccessOperations.all, RegionOperations.all,
    PhysicalDeviceOperations.all, IdentityOperations.all, ContextOperations.all,
    CheckOperations.all, RawOperations.all,
  ]

  private static let byName: [String: OperationDefinition] = Dictionary(
    families.joined().map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

  /// The definition of an operation.
  ///
  /// - Throws: `untranslatable` when the operation or one of its arguments is not known.
  static func definition(
    of operation: TraceOperation
  ) throws(PlayFailure) -> OperationDefinition {
    guard let definition = byName[operation.name] else {
      throw .untranslatable("the operation `\(operation.name)` is not known")
    }
    let unknown = operation.arguments.map(\.name).filter { !definition.arguments.contains($0) }
    guard unknown.isEmpty else {
      let words = unknown.map { "`\($0)`" }.joined(separator: ", ")
      throw .untranslatable("`\(operation.name)` has arguments that are not known: \(words)")
    }
    return definition
  }
}
