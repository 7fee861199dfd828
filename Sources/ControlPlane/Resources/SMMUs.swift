// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// The body of `POST /smmus`.
public struct SMMURequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The hardware that it is to be.
  public var settings: SMMUSettings

  /// Puts a request together.
  public init(id: String?, settings: SMMUSettings) {
    self.id = id
    self.settings = settings
  }

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    id = scope.id(reader)
    let name = reader.text("driver")
    guard let model = scope.models.first(where: { $0.name == name ?? scope.models.first?.name })
    else {
      let all = scope.models.map(\.name).joined(separator: ", ")
      reader.fault(.invalidField, "driver", "must be one of \(all)")
      return nil
    }
    settings = model.usualSettings
    if let bits = reader.int("stream_id_bits", in: 1...32) { settings.streamIDBits = bits }
    SMMURequest.readCMDQV(reader, &settings)
    if let inner = reader.object("features") {
      for feature in model.features {
        if let value = SMMURequest.read(feature, inner) { settings.features[feature.name] = value }
      }
      reader.adopt(inner)
    }
    // A request that spells usual values out has the same settings as one that does not, so that a
    // PUT of either finds the other unchanged.
    for feature in model.features where settings.features[feature.name] == nil {
      settings.features[feature.name] = feature.usual
    }
  }

  init(_ smmu: SMMU) { self.init(id: smmu.name, settings: smmu.driver.settings) }

  private static func readCMDQV(_ reader: ObjectReader, _ settings: inout SMMUSettings) {
    guard let inner = reader.object("cmdqv") else {
      if reader.has("cmdqv") { settings.cmdqv = nil }
      return
    }
    let vintfs = inner.int("vintfs", required: true, in: 1...64)
    let vcmdqs = inner.int("vcmdqs", required: true, in: 1...128)
    let sids = inner.int("sids_per_vintf", required: true, in: 1...16)
    reader.adopt(inner)
    guard let vintfs, let vcmdqs, let sids else { return }
    settings.cmdqv = .init(vintfs: vintfs, vcmdqs: vcmdqs, sidsPerVINTF: sids)
  }

  private static func read(_ feature: SMMUFeature, _ reader: ObjectReader) -> Int? {
    switch feature.kind {
    case .flag:
      return reader.bool(feature.name).map { $0 ? 1 : 0 }
    case .number(let range):
      return reader.int(feature.name, in: range)
    case .oneOf(let values):
      guard let least = values.min(), let greatest = values.max(),
        let value = reader.int(feature.name, in: least...greatest)
      else { return nil }
      if values.contains(value) { return value }
      let all = values.map(String.init).joined(separator: ", ")
      reader.fault(.invalidField, feature.name, "must be one of \(all)")
      return nil
    }
  }
}

extension SMMURequest: ResourceRequest {
  static let kind = ObjectKind.smmu
  static let collection = "smmus"
  static let operationNoun = "SMMU"
  static let filters = [filter("driver") { $0.driver.settings.driver }]

  var creation: Creation { .smmu(self) }

  static func write(_ smmu: SMMU, to writer: inout JSONWriter) {
    let settings = smmu.driver.settings
    writer.field("driver", text: settings.driver)
    writer.field("stream_id_bits", int: settings.streamIDBits)
    writer.field("cmdqv", object: settings.cmdqv) { writer, cmdqv in
      writer.field("vintfs", int: cmdqv.vintfs)
      writer.field("vcmdqs", int: cmdqv.vcmdqs)
      writer.field("sids_per_vintf", int: cmdqv.sidsPerVINTF)
    }
    writer.key("features")
    writer.object { writer in
      for feature in smmu.features {
        let value = settings.features[feature.name] ?? feature.usual
        if feature.kind == .flag {
          writer.field(feature.name, bool: value != 0)
        } else {
          writer.field(feature.name, int: value)
        }
      }
    }
  }
}
