// SPDX-License-Identifier: Apache-2.0

/// A command in words: its name and its fields in order. Every command has one, and the
/// description gives the same sixteen bytes back.
///
/// Bits that no field of the command has are in `reserved0` and `reserved1`, which are left out
/// while they are zero. What has no layout is called `UNKNOWN`, with its two words `dw0` and
/// `dw1`.
public struct CommandDescription: Sendable, Equatable {
  /// A field and its value.
  public struct Field: Sendable, Equatable {
    /// The name of the field, in lower case.
    public var name: String
    /// The value of the field; an address is whole, not shifted.
    public var value: UInt64

    /// A field with its value.
    public init(_ name: String, _ value: UInt64) {
      self.name = name
      self.value = value
    }
  }

  /// The command's name, without `CMD_`.
  public var name: String
  /// Its fields, in the order of their bits.
  public var fields: [Field]

  /// Puts a description together.
  public init(name: String, fields: [Field]) {
    self.name = name
    self.fields = fields
  }

  /// The name of what has no layout.
  public static let unknownName = "UNKNOWN"
}

/// Why a description is not one of a command.
public enum CommandDescriptionError: Error, Sendable, Equatable {
  case unknownName(String)
  /// The command has no such field, or has it more than once.
  case unexpectedField(String)
  /// The value has bits that the field does not have.
  case valueTooWide(String)
}

extension Command {
  /// The command by its name and fields.
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

  /// Makes the command that a description describes; fields that it leaves out are zero.
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
