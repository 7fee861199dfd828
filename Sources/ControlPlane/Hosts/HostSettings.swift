// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// How a host is to be made: what the body of `POST /v1/hosts`, or a topology file, says of it.
struct HostSettings: Sendable, Equatable {
  var id: String?
  var pinPolicy = ObjectCore.PinPolicy.design
  /// Bytes of emulated memory that may be in use at once. This bounds what the host can cost.
  var memoryBytes = HostSettings.usualMemoryBytes
  /// Whether the log has an event for each use of a translation that no longer agrees with the
  /// tables.
  var recordsStaleTranslations = false
  /// The objects that the host starts with, in an order in which they can be made.
  var fixtures: [Fixture] = []

  struct Fixture: Sendable, Equatable {
    var creation: Creation
    /// The JSON Pointer of the object in the description.
    var pointer: String

    static func == (left: Fixture, right: Fixture) -> Bool { left.creation == right.creation }
  }

  /// Bytes of physical addresses. Memory that nobody has touched takes no space.
  static let addressableBytes: UInt64 = 1 << 40
  static let usualMemoryBytes: UInt64 = 4 << 30
  static let memoryRange = 1 << 20...64 << 30

  /// The collections that a description can have. What is in one refers only to earlier ones.
  static let startingKinds: [ObjectKind] = [.smmu, .context, .device, .ioas]

  /// Reads a host's description.
  ///
  /// Where the description lacks a collection, the host has of it what a fresh host has: one SMMU,
  /// one context, and nothing else.
  init(_ reader: ObjectReader, pathID: String?, models: [any SMMUModel]) {
    id = DecodingScope(pathID: pathID, models: models).id(reader)
    pinPolicy = reader.choice("pin_policy", of: ObjectCore.PinPolicy.self) ?? .design
    if let bytes = reader.int("memory_bytes", in: HostSettings.memoryRange) {
      memoryBytes = UInt64(bytes)
    }
    recordsStaleTranslations = reader.bool("record_stale_translations") ?? false
    for kind in HostSettings.startingKinds {
      let resource = Resource.of(kind)
      let described = reader.objects(resource.collection, count: 0...100_000) { inner, pointer in
        resource.decode(inner, DecodingScope(models: models)).map {
          Fixture(creation: $0, pointer: pointer)
        }
      }
      fixtures += described ?? HostSettings.usualFixtures(kind, models)
    }
  }

  /// A host that is described by nothing but its name.
  init(id: String, models: [any SMMUModel]) {
    self.id = id
    fixtures = HostSettings.startingKinds.flatMap { HostSettings.usualFixtures($0, models) }
  }

  private static func usual(_ creation: Creation) -> Fixture {
    Fixture(creation: creation, pointer: "")
  }

  private static func usualFixtures(
    _ kind: ObjectKind, _ models: [any SMMUModel]
  ) -> [Fixture] {
    switch kind {
    case .smmu:
      models.prefix(1).map { model in
        var settings = model.usualSettings
        for feature in model.features { settings.features[feature.name] = feature.usual }
        return usual(.smmu(SMMURequest(id: "smmu0", settings: settings)))
      }
    case .context: [usual(.context(ContextRequest(id: defaultContext)))]
    default: []
    }
  }
}
