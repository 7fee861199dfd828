// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// A collection of the API: how its objects are asked for, made, found and shown.
///
/// There is one value for each collection. Whatever is common to all collections is written once,
/// over these; what is one collection's own is in its `ResourceRequest`.
struct Resource: Sendable {
  let kind: ObjectKind
  /// The collection's name in paths.
  let collection: String
  /// The kind's name in the operation IDs of the OpenAPI document, as in `createHWQueue`.
  let operationNoun: String
  /// Whether what is shown changes without a transaction, as queues and registers do.
  let changesSilently: Bool
  /// What a listing can be filtered by.
  let filters: [Filter]
  /// Reads the body of a creation. What is wrong with it is left in the reader, and nil returned.
  let decode: @Sendable (ObjectReader, DecodingScope) -> Creation?
  /// The creation that would make the object again as it is.
  let creation: @Sendable (Object) -> Creation?
  /// Writes the members that objects of this kind have and others have not.
  let write: @Sendable (Object, inout JSONWriter) -> Void

  init<Request: ResourceRequest>(_ request: Request.Type) {
    kind = Request.kind
    collection = Request.collection
    operationNoun = Request.operationNoun
    changesSilently = Request.changesSilently
    filters = Request.filters
    decode = { reader, scope in Request(reader, scope)?.creation }
    creation = { object in (object as? Request.Made).map { Request($0).creation } }
    write = { object, writer in
      if let made = object as? Request.Made { Request.write(made, to: &writer) }
    }
  }

  // MARK: All of them

  static let smmus = Resource(SMMURequest.self)
  static let contexts = Resource(ContextRequest.self)
  static let devices = Resource(DeviceRequest.self)
  static let ioases = Resource(IOASRequest.self)
  static let domains = Resource(DomainCreation.self)
  static let viommus = Resource(VIOMMURequest.self)
  static let vdevs = Resource(VDevRequest.self)
  static let hwQueues = Resource(HWQueueRequest.self)
  static let veventqs = Resource(VEventQueueRequest.self)
  static let faultQueues = Resource(FaultQueueRequest.self)
  static let accesses = Resource(AccessRequest.self)

  /// All collections, in the order of their kinds.
  static let all = ObjectKind.allCases.map(Resource.of)

  static func of(_ kind: ObjectKind) -> Resource {
    switch kind {
    case .smmu: smmus
    case .context: contexts
    case .device: devices
    case .ioas: ioases
    case .domain: domains
    case .viommu: viommus
    case .vdev: vdevs
    case .hwQueue: hwQueues
    case .veventq: veventqs
    case .faultQueue: faultQueues
    case .access: accesses
    }
  }

  // MARK: Filters

  /// One of the query parameters that a listing can be filtered by.
  struct Filter: Sendable {
    /// What the values of a filter look like. A value that no object can have is an error: whoever
    /// asks for it would take an empty listing for an answer.
    enum Form: Sendable {
      case identifier
      case oneOf([String])
      case int
      case hex
      /// A name of a type, or the number of one that has none.
      case veventType

      /// A value in the spelling that it is compared in; nil for one that is none.
      func canonical(_ text: String) -> String? {
        switch self {
        case .identifier: Identifier.isValid(text.utf8) ? text : nil
        case .oneOf(let values): values.contains(text) ? text : nil
        case .int: Decimal.parse(text.utf8).flatMap { UInt32(exactly: $0) }.map { String($0) }
        case .hex: HexText.parse(text).map { HexText.of($0) }
        case .veventType: VEventQueueType(nameOrNumber: text)?.name
        }
      }

      /// What is wrong with a value of another form, in the words of a refusal.
      var rule: String {
        switch self {
        case .identifier: Identifier.rule
        case .oneOf(let values): "must be one of " + values.joined(separator: ", ")
        case .int: "must be an integer of 0 to \(UInt32.max)"
        case .hex: "must be 0x and 1 to 16 hex digits"
        case .veventType: VEventQueueType.rule(isOpen: true)
        }
      }
    }

    let name: String
    let form: Form
    /// Whether an object has a value, in the canonical spelling.
    let matches: @Sendable (Object, String) -> Bool
  }
}
