// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// A file with traces, read.
public struct TraceFile: Sendable {
  /// Why a file could not be read.
  public enum Failure: Error, CustomStringConvertible {
    /// The system does not let it be read, or there are no traces under the path.
    case unreadable(path: String, reason: String)
    /// It has something in it that is not a trace.
    case malformed(path: String, TraceReader.Failure)

    /// The path and the reason, in words.
    public var description: String {
      switch self {
      case .unreadable(let path, let reason): "\(path): \(reason)"
      case .malformed(let path, let failure): "\(path):\(failure)"
      }
    }
  }

  /// The path of the file.
  public let path: String
  /// The traces, in the order in which the file has them.
  public let traces: [Trace]

  /// Reads a file. If its name ends in `.jsonl`, each line is a trace, and otherwise the whole file
  /// is one.
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

  /// The paths of the trace files under a path, in the order of their names.
  ///
  /// If the path is that of a directory, these are all files in and below it whose names end in
  /// `.json` or `.jsonl`. Otherwise it is the path itself.
  ///
  /// - Throws: `unreadable` if nothing is there, or no traces are in the directory.
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
