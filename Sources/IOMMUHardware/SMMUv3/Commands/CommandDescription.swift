// SPDX-License-Identifier: Apache-2.0

/// A command in words: its name, and its fields in order. Every command has a description, and a
/// description gives the same sixteen bytes back.
///
/// Bits that belong to no field of the command are in `reserved0` and `reserved1`, one for each
/// word, which are left out while they are zero. A command without a layout has the name `UNKNOWN`
/// and its two words as `dw0` and `dw1`.
public struct CommandDescription: Sendable, Equatable {
  /// A field of a command, and its value.
  public struct Field: Sendable, Equatable {
    /// The name of the field, in lower case.
    public var name: String
    /// The value of the field. An address is a whole one, in bytes, and not shifted down.
    public var value: UInt64

    /// A field with its value.
    public init(_ name: String, _ value: UInt64) {
      self.name = name
      self.value = value
    }
  }

  /// The command's name in the specification, without `CMD_`.
  public var name: String
  /// Its fields. The description of a command has them in the order of their bits; to make a
  /// command of it they may be in any order.
  public var fields: [Field]

  /// A description by its parts. They are checked when a command is made of it.
  public init(name: String, fields: [Field]) {
    self.name = name
    self.fields = fields
  }

  /// The name of a command that has no layout.
  public static let unknownName = "UNKNOWN"
}

/// Why no command can be made of a description.
public enum CommandDescriptionError: Error, Sendable, Equatable {
  /// There is no command of this name.
  case unknownName(String)
  /// The command has no field of this name, or the description has it more than once.
  case unexpectedField(String)
  /// The value of the field of this name has bits that the field does not have.
  case valueTooWide(String)
}

extension Command {
  /// The command's name and fields.
  public var description: CommandDescription {
    guard let layout = CommandLayout.of(opcode) else {
      return CommandDescription(
        name: CommandDescription.unknownName, fields: [.init("dw0", dw0), .init("dw1", dw1)])
    }
    var rest = (dw0 & ~0xff, dw1)
    var fields: [CommandDescription.Field] = []
    for field in layout.fields {
      let word = field.word == 0 ? dw0 : dw1
      fields.append(
        .init(field.name, field.isAddress ? word & field.mask : word.field(field.high, field.low)))
      if field.word == 0 { rest.0 &= ~field.mask } else { rest.1 &= ~field.mask }
    }
    if rest.0 != 0 { fields.append(.init("reserved0", rest.0)) }
    if rest.1 != 0 { fields.append(.init("reserved1", rest.1)) }
    return CommandDescription(name: layout.name, fields: fields)
  }

  /// Makes the command that a description describes. Fields that it leaves out are zero.
  ///
  /// - Throws: an unknown name, a field that the command does not have or that is there twice, or a
  ///   value that its field is too small for.
  public init(_ description: CommandDescription) throws(CommandDescriptionError) {
    if description.name == CommandDescription.unknownName {
      self.init(dw0: 0, dw1: 0)
      try apply(
        description.fields,
        [
          .init(name: "dw0", word: 0, high: 63, low: 0, isAddress: true),
          .init(name: "dw1", word: 1, high: 63, low: 0, isAddress: true),
        ])
      return
    }
    guard let layout = CommandLayout.all.first(where: { $0.name == description.name }) else {
      throw .unknownName(description.name)
    }
    self.init(layout.opcode)
    let reserved = [0, 1].map { word in
      CommandLayout.Field(
        name: "reserved\(word)", word: word, high: 63, low: word == 0 ? 8 : 0, isAddress: true)
    }
    try apply(description.fields, layout.fields + reserved)
  }

  /// Sets the fields of a description, each at most once.
  private mutating func apply(
    _ fields: [CommandDescription.Field], _ layout: [CommandLayout.Field]
  ) throws(CommandDescriptionError) {
    var rest = layout
    for field in fields {
      guard let index = rest.firstIndex(where: { $0.name == field.name }) else {
        throw .unexpectedField(field.name)
      }
      let place = rest.remove(at: index)
      let bits = place.isAddress ? field.value : field.value << UInt64(place.low)
      let isTooWide = !place.isAddress && field.value & ~(place.mask >> UInt64(place.low)) != 0
      if isTooWide || bits & ~place.mask != 0 { throw .valueTooWide(field.name) }
      if place.word == 0 { dw0 |= bits } else { dw1 |= bits }
    }
  }
}
