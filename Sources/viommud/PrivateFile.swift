// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A file that nobody but its owner may read, such as that of the tokens.
enum PrivateFile {
  private static let modes: [mode_t] = [0o600, 0o400]
  private static let allModeBits: mode_t = 0o7777

  /// Reads such a file. It is opened once, and what is judged is what was opened: under its name
  /// there may be another file a moment later.
  ///
  /// - Parameter limit: the largest size that is read, in bytes.
  /// - Throws: the reason for which the file is refused or cannot be read.
  static func read(_ path: String, limit: Int) throws(Exit.Failure) -> [UInt8] {
    // A FIFO that nobody writes to would otherwise hold up the open.
    let file = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
    guard file >= 0 else { throw refusal(path, "cannot be opened: \(systemError())") }
    defer { close(file) }
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else {
      throw refusal(path, "cannot be looked at: \(systemError())")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw refusal(path, "is no regular file") }
    let mode = status.st_mode & allModeBits
    guard modes.contains(mode) else {
      throw refusal(
        path,
        "has the mode 0\(String(mode, radix: 8)), and nobody but its owner may read it: "
          + "the mode must be 0600 or 0400")
    }
    let bytes = try contents(of: file, path, limit: limit)
    guard bytes.count <= limit else { throw refusal(path, "has more than \(limit) bytes") }
    return bytes
  }

  /// The bytes of a file, but not many more than `limit`. The size in its status does not bound
  /// them, because somebody may be writing to the file.
  private static func contents(
    of file: CInt, _ path: String, limit: Int
  ) throws(Exit.Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= limit {
      let count = unsafe piece.withUnsafeMutableBytes { buffer in
        unsafe systemRead(file, buffer.baseAddress, buffer.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw refusal(path, "cannot be read: \(systemError())") }
      if count == 0 { break }
      bytes += piece[..<count]
    }
    return bytes
  }

  private static func refusal(_ path: String, _ reason: String) -> Exit.Failure {
    Exit.failure(.noInput, "\(path) \(reason)")
  }

  /// What the system says of the call that has failed last.
  private static func systemError() -> String { unsafe String(cString: strerror(errno)) }
}

/// `read(2)`, under a name that hides no method.
private let systemRead = unsafe read
