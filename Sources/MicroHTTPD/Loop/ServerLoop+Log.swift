// SPDX-License-Identifier: Apache-2.0
import HTTPCore
internal import Logging

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

extension ServerLoop {
  /// One line for each request.
  func logRequest(_ connection: Connection) {
    let microseconds = (SystemCall.monotonicNanoseconds() - connection.requestStart) / 1000
    logger.log(
      level: requestLevel, "request",
      metadata: [
        "id": "\(connection.requestID ?? "-")",
        "method": "\(connection.head?.method.rawValue ?? "-")",
        "target": "\(ServerLoop.printable(connection.rawTarget.prefix(1024)))",
        "status": "\(connection.status)",
        "client": "\(connection.client ?? "-")",
        "bytes": "\(connection.responseLength)",
        "us": "\(microseconds)",
      ])
  }

  /// Bytes of a client as a log may show them: what is not printable, a backslash and a quotation
  /// mark are written as numbers, so that they neither end a line nor begin another.
  static func printable(_ bytes: some Collection<UInt8>) -> String {
    bytes.reduce(into: "") { text, byte in
      let isPlain =
        (0x21...0x7e).contains(byte) && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "\"")
      if isPlain {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
  }

  /// What the library has to say. Most of it is about requests that it refused; some is about
  /// the system, and worth more attention.
  func logLibraryMessage(_ format: UnsafePointer<CChar>, _ arguments: CVaListPointer) {
    let pattern = unsafe String(cString: format)
    let serious = ["Hit process", "Error accepting", "Call to", "Error allocating"]
    let level: Logger.Level = serious.contains(where: pattern.hasPrefix) ? .warning : .debug
    guard logger.logLevel <= level else { return }
    let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
      // vsnprintf writes at most so many bytes, with the NUL.
      guard let start = buffer.baseAddress,
        unsafe vsnprintf(start, buffer.count, format, arguments) >= 0
      else { return "" }
      return unsafe String(cString: start)
    }
    let line = text.last?.isNewline == true ? String(text.dropLast()) : text
    logger.log(level: level, "libmicrohttpd: \(line)")
  }
}
