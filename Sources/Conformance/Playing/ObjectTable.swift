// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What a name in an argument stands for.
enum Reference {
  case alive(TableObject)
  /// A vdev that its device has taken along, which goes by its real number.
  case tombstone(TableObject)
  /// A number: `#7`, a remembered one, `@ioas0`, or the self-test driver's own, `dev0.stdev`.
  case number(UInt32)
  /// A name that denotes no living object.
  case absent(String)

  /// A number that no object ever has.
  static let neverAllocated: UInt32 = 0x7fff_fff0

  /// The object, if there is one by name.
  var object: TableObject? {
    if case .alive(let object) = self { object } else { nil }
  }

  /// Whether it is a name and no number.
  var isName: Bool {
    if case .number = self { false } else { true }
  }
}

/// The names of a trace and what they stand for.
struct ObjectTable {
  /// The latest object of each name.
  private var objects: [String: TableObject] = [:]
  private(set) var living: [TableObject] = []

  // MARK: Finding

  func object(_ name: String) -> TableObject? { objects[name] }

  func living(_ kind: TraceKind, id: String) -> TableObject? {
    living.first { $0.kind == kind && $0.id == id }
  }

  func living(objectID: UInt32, in context: String) -> TableObject? {
    living.first {
      $0.context == context && ($0.objectID == objectID || $0.selftestID == objectID)
    }
  }

  /// What a word of a script stands for.
  func resolve(_ word: String) throws(PlayFailure) -> Reference {
    if word.hasPrefix("#") {
      guard let number = Spelling.number(String(word.dropFirst())) else {
        throw .untranslatable("`\(word)` is no number")
      }
      return .number(UInt32(truncatingIfNeeded: number))
    }
    if word.hasPrefix("@") {
      guard let number = objects[String(word.dropFirst())]?.objectID else {
        throw .untranslatable("`\(word)`: no number is remembered for that name")
      }
      return .number(number)
    }
    if word.hasSuffix(".stdev"), objects[word] == nil {
      guard let number = objects[String(word.dropLast(6))]?.selftestID else {
        throw .untranslatable("`\(word)`: there was no such self-test device")
      }
      return .number(number)
    }
    guard let object = objects[word] else { return .absent(word) }
    switch object.life {
    case .alive: return .alive(object)
    case .tombstone: return .tombstone(object)
    case .dead: return .absent(word)
    }
  }

  /// The number that the kernel is asked with.
  func number(_ reference: Reference) throws(PlayFailure) -> UInt32 {
    switch reference {
    case .number(let number): return number
    case .absent: return Reference.neverAllocated
    case .alive(let object), .tombstone(let object):
      guard let number = object.objectID else {
        throw .unexpected("\(object.path) shows no `object_id`")
      }
      return number
    }
  }

  func number(_ word: String) throws(PlayFailure) -> UInt32 { try number(resolve(word)) }

  /// The API's ID for a word in a field that takes a kind; one that is not there if the word
  /// stands for nothing of that kind.
  func id(_ word: String, as kind: TraceKind) throws(PlayFailure) -> String {
    switch try resolve(word) {
    case .alive(let object): return object.id
    case .tombstone(let object): return object.id
    case .absent(let name): return ObjectTable.id(of: name)
    case .number(let number):
      let object = living.first { $0.objectID == number || $0.selftestID == number }
      return object.flatMap { $0.kind == kind ? $0.id : nil } ?? "no-object-\(number)"
    }
  }

  // MARK: Changing

  mutating func insert(_ object: TableObject) {
    objects[object.name] = object
    living.append(object)
  }

  mutating func bury(_ object: TableObject, as life: TableObject.Life = .dead) {
    object.life = life
    living.removeAll { $0 === object }
    if object.kind == .hwQueue, object.index == 1 { object.viommu?.hasLostItsQueueOne = true }
  }

  /// Forgets who is alive in a context; the numbers are still remembered.
  mutating func buryAll(in context: String) {
    for object in objects.values where object.context == context { object.life = .dead }
    living.removeAll { $0.context == context }
  }

  // MARK: Names

  /// The API's ID for a name of a trace. Different names have different ones; most have their own.
  static func id(of name: String) -> String {
    var id = ""
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"):
        id.unicodeScalars.append(Unicode.Scalar(byte))
      case UInt8(ascii: "A")...UInt8(ascii: "Z"):
        id.append("-")
        id.unicodeScalars.append(Unicode.Scalar(byte | 0x20))
      default: id += "." + String(byte, radix: 16) + "."
      }
    }
    return Identifier.isValid(id.utf8) ? id : "x." + id
  }
}
