// SPDX-License-Identifier: Apache-2.0

/// The file that tokens are read from.
///
/// Each line is a token: its name, the SHA-256 of the token in hex, its scope, and the hosts that
/// it is for, `*` or their names with commas. Blanks stand between the fields. Empty lines, and
/// those that begin with `#`, are skipped.
///
/// No message has text of the file in it. Somebody may have put the token itself where its digest
/// belongs, and messages go to logs.
public enum TokenFile {
  /// The largest file that is read, in bytes.
  public static let sizeLimit = 1 << 20
  /// The number of faults that are reported of one file.
  public static let faultLimit = 20
  /// The longest name of a token, in bytes.
  public static let nameLimit = 64

  /// Something that is wrong with a line.
  public struct Fault: Error, Sendable, Equatable {
    /// The number of the line, from 1.
    public var line: Int
    /// What is wrong with it, in words.
    public var detail: String
  }

  /// A file that cannot be used.
  public struct Malformed: Error, Sendable {
    /// What is wrong, line by line; at most `faultLimit` of it.
    public var faults: [Fault]
  }

  /// Reads the tokens from the content of a file.
  ///
  /// - Throws: what is wrong with each line that is no token.
  public static func parse(_ bytes: [UInt8]) throws(Malformed) -> [Token] {
    var reader = Reader()
    for (index, line) in bytes.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    )
    .enumerated() {
      do throws(Fault) {
        try reader.read(line, number: index + 1)
      } catch {
        reader.faults.append(error)
        if reader.faults.count == faultLimit { break }
      }
    }
    guard reader.faults.isEmpty else { throw Malformed(faults: reader.faults) }
    return reader.tokens
  }
}

/// What was read of a file so far.
private struct Reader {
  var tokens: [Token] = []
  var faults: [TokenFile.Fault] = []
  /// The lines in which names and digests were seen.
  private var lineOfName: [String: Int] = [:]
  private var lineOfDigest: [[UInt8]: Int] = [:]

  mutating func read(_ line: ArraySlice<UInt8>, number: Int) throws(TokenFile.Fault) {
    let fault = { (detail: String) in TokenFile.Fault(line: number, detail: detail) }
    if let index = line.firstIndex(where: Reader.isControl) {
      let byte = HexBytes.text(of: [line[index]])
      throw fault("byte \(index - line.startIndex + 1) is the control byte 0x\(byte)")
    }
    let fields = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard let first = fields.first, first.first != UInt8(ascii: "#") else { return }
    guard fields.count == 4 else {
      throw fault("has \(fields.count) fields, not 4: name, SHA-256, scope, hosts")
    }
    guard Reader.isName(first) else {
      throw fault("the name must have 1 to \(TokenFile.nameLimit) characters, A-Z a-z 0-9 . _ -")
    }
    let name = String(decoding: first, as: UTF8.self)
    guard let digest = HexBytes.parse(String(decoding: fields[1], as: UTF8.self)),
      digest.count == Token.digestSize
    else { throw fault("the second field must be the SHA-256 of the token, in 64 hex digits") }
    guard let scope = Token.Scope(rawValue: String(decoding: fields[2], as: UTF8.self)) else {
      throw fault("the scope must be read, write or admin")
    }
    let hosts: Set<String>?
    switch Reader.hosts(fields[3]) {
    case .some(let names): hosts = names
    case .none: throw fault("the hosts must be * alone, or names with commas; \(Identifier.rule)")
    }
    if let other = lineOfName.updateValue(number, forKey: name) {
      throw fault("line \(other) has the same name")
    }
    if let other = lineOfDigest.updateValue(number, forKey: digest) {
      throw fault("line \(other) is for the same token")
    }
    tokens.append(Token(name: name, digest: digest, scope: scope, hosts: hosts))
  }

  /// The names of hosts, or an inner nil for all of them; an outer nil for a text that is neither.
  private static func hosts(_ text: ArraySlice<UInt8>) -> Set<String>?? {
    if text.elementsEqual("*".utf8) { return .some(nil) }
    let names = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard names.allSatisfy({ Identifier.isValid($0) }) else { return nil }
    return .some(Set(names.map { String(decoding: $0, as: UTF8.self) }))
  }

  /// Whether a byte could break the line of a log or of a header in two, or hide a part of it.
  private static func isControl(_ byte: UInt8) -> Bool {
    byte < 0x20 && byte != UInt8(ascii: "\t") || byte == 0x7f
  }

  private static func isName(_ text: ArraySlice<UInt8>) -> Bool {
    text.count <= TokenFile.nameLimit
      && text.allSatisfy { byte in
        let letter = byte | 0x20
        return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z")
          || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
          || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
      }
  }
}
