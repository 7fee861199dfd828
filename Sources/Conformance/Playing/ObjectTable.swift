// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What a word in an argument stands for.
enum Reference {
  /// An object that is there.
  case alive(TableObject)
  /// A vdev whose device was unplugged. Its number is still taken, and calls are made with that.
  case tombstone(TableObject)
  /// A number: one in digits such as `#7`, the number of a named object whether it is there or not,
  /// such as `@ioas0`, or that of the self-test driver's object for a device, such as `dev0.stdev`.
  case number(UInt32)
  /// The name of an object that is gone, or never was.
  case absent(String)

  /// A number that no object ever gets.
  static let neverAllocated: UInt32 = 0x7fff_fff0

  /// The object, if the word is the name of one that is there.
  var object: TableObject? {
    if case .alive(let object) = self { object } else { nil }
  }

  /// Whether the word is a name and not a number.
  var isName: Bool {
    if case .number = self { false } else { true }
  }
}

/// The objects that a trace has named, and which of them are there.
struct ObjectTable {
  /// The latest object with each name.
  private var objects: [String: TableObject] = [:]
  /// The objects that are there, in the order in which they were made.
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

  /// Finds out what a word in a script stands for.
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

  /// The number with which the kernel would be called.
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

  /// The ID to give in a field of the API that takes an object of this kind.
  ///
  /// If the word stands for no such object, it is an ID that no object has, so that the server
  /// refuses it.
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

  /// Notes that an object is gone.
  mutating func bury(_ object: TableObject, as life: TableObject.Life = .dead) {
    object.life = life
    living.removeAll { $0 === object }
    if object.kind == .hwQueue, object.index == 1 { object.viommu?.hasLostItsQueueOne = true }
  }

  /// Notes that all objects of a context are gone. Their numbers are kept, for scripts that use
  /// them later.
  mutating func buryAll(in context: String) {
    for object in objects.values where object.context == context { object.life = .dead }
    living.removeAll { $0.context == context }
  }

  // MARK: Names

  /// The ID in the API for a name of a trace. Most names are valid IDs and stay as they are; the
  /// others are escaped, so that different names always have different IDs.
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
