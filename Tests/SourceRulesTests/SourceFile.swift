// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A Swift file of the package.
struct SourceFile: Sendable, CustomTestStringConvertible {
  /// From the package's root, `Sources/HTTPCore/Query.swift`.
  let path: String
  let lines: [Substring]

  /// `Sources` or `Tests`.
  var top: String { String(path.prefix { $0 != "/" }) }

  /// The target's name.
  var target: String { String(path.split(separator: "/")[1]) }

  var testDescription: String { path }

  static let all: [SourceFile] = ["Sources", "Tests"].flatMap(files)

  static let sources = all.filter { $0.top == "Sources" }

  /// The root of the package: three levels above this file.
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private static func files(in top: String) -> [SourceFile] {
    let folder = root.appending(path: top)
    let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String }
    return (names ?? []).filter { $0.hasSuffix(".swift") }.sorted().compactMap { name in
      guard let text = try? String(contentsOf: folder.appending(path: name), encoding: .utf8)
      else { return nil }
      return SourceFile(
        path: "\(top)/\(name)",
        lines: text.split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  // MARK: Lines

  /// The lines without comments and without the insides of strings, so that only code is left.
  /// Multi-line strings are left out whole.
  var code: [String] {
    var isInText = false
    return lines.map { line in
      if line.contains("\"\"\"") {
        isInText.toggle()
        return ""
      }
      return isInText ? "" : SourceFile.code(of: line)
    }
  }

  private static func code(of line: Substring) -> String {
    var result = ""
    var isInString = false
    var isEscaped = false
    var last: Character = " "
    for character in line {
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else if character == "\"" {
          isInString = false
        }
      } else if character == "\"" {
        isInString = true
      } else if character == "/", last == "/" {
        result.removeLast()
        break
      } else {
        result.append(character)
      }
      last = character
    }
    return result
  }

  /// The modules that the file imports.
  var imports: [String] {
    lines.compactMap { line in
      let words = line.split(separator: " ")
      guard let index = words.firstIndex(of: "import"), words.count > index + 1,
        words[..<index].allSatisfy({ importWords.contains(String($0)) })
      else { return nil }
      return String(words[index + 1].prefix { $0 != "." })
    }
  }

  /// Functions and initialisers, each with its first line and how many lines it has. The
  /// formatter puts the closing brace where the declaration begins.
  var functions: [(line: Int, count: Int)] {
    var result: [(Int, Int)] = []
    for (index, line) in code.enumerated() where SourceFile.declaresFunction(line) {
      let indent = line.prefix { $0 == " " }
      let rest = lines[index...]
      guard let end = rest.firstIndex(where: { $0.hasPrefix(indent + "}") }) else { continue }
      // A requirement of a protocol has no body; what ends there is the protocol.
      if rest[(index + 1)..<end].contains(where: { isOutside($0, indent.count) }) { continue }
      result.append((index + 1, end - index + 1))
    }
    return result
  }

  /// The lines of public declarations that have no doc comment above them and above their
  /// attributes.
  var undocumentedDeclarations: [Int] {
    code.enumerated().compactMap { index, line in
      guard SourceFile.declaresPublicly(line) else { return nil }
      let above = lines[..<index].last { !SourceFile.isAttribute($0) }
      return above?.drop { $0 == " " }.hasPrefix("///") == true ? nil : index + 1
    }
  }

  /// Whether what others may use is declared here. Modules are imported publicly, not declared.
  private static func declaresPublicly(_ line: String) -> Bool {
    let words = line.split(separator: " ").drop { $0.hasPrefix("@") }
    guard let first = words.first, first == "public" || first == "open" else { return false }
    return words.dropFirst().first != "import"
  }

  /// Whether the line has attributes alone, `@inlinable @inline(__always)` for one.
  private static func isAttribute(_ line: Substring) -> Bool {
    let words = line.split(separator: " ")
    return !words.isEmpty && words.allSatisfy { $0.hasPrefix("@") }
  }

  private func isOutside(_ line: Substring, _ indent: Int) -> Bool {
    !line.isEmpty && line.prefix { $0 == " " }.count < indent
  }

  private static func declaresFunction(_ line: String) -> Bool {
    let words = line.split(separator: " ")
    guard
      let index = words.firstIndex(where: { word in
        word == "func" || word.hasPrefix("init(") || word.hasPrefix("init?(")
      })
    else { return false }
    return words[..<index].allSatisfy { $0.allSatisfy { $0.isLetter || "@()_".contains($0) } }
      && line.hasSuffix("}") == false
  }

  private var importWords: Set<String> {
    ["public", "internal", "package", "private", "fileprivate", "@testable", "@preconcurrency"]
  }
}
