// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// A file with traces in it.
public struct TraceFile: Sendable {
  /// Why there are no traces.
  public enum Failure: Error, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case malformed(path: String, TraceReader.Failure)

    /// The path and the reason, for a person.
    public var description: String {
      switch self {
      case .unreadable(let path, let reason): "\(path): \(reason)"
      case .malformed(let path, let failure): "\(path):\(failure)"
      }
    }
  }

  /// Where the file is.
  public let path: String
  /// The traces, in the order in which they stand in the file.
  public let traces: [Trace]

  /// Reads a file: lines if its name ends in `.jsonl`, else one document.
  public init(path: String) throws(Failure) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: path))
    } catch {
      throw .unreadable(path: path, reason: "cannot be read")
    }
    self.path = path
    do throws(TraceReader.Failure) {
      traces =
        path.hasSuffix(".jsonl")
        ? try TraceReader.lines(Array(data)) : [try TraceReader.document(Array(data))]
    } catch {
      throw .malformed(path: path, error)
    }
  }

  /// The trace files that a path names: itself, or all that are in and below a directory, in the
  /// order of their names.
  public static func paths(at path: String) throws(Failure) -> [String] {
    var isDirectory = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw .unreadable(path: path, reason: "there is no such file or directory")
    }
    guard isDirectory else { return [path] }
    let names: [String]
    do {
      names = try FileManager.default.subpathsOfDirectory(atPath: path)
    } catch {
      throw .unreadable(path: path, reason: "cannot be listed")
    }
    let found = names.filter { $0.hasSuffix(".json") || $0.hasSuffix(".jsonl") }.sorted()
    guard !found.isEmpty else { throw .unreadable(path: path, reason: "has no traces in it") }
    return found.map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }
  }
}
