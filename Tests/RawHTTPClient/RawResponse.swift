// SPDX-License-Identifier: Apache-2.0

/// A response, as it came.
package struct RawResponse {
  package var status: Int
  package var fields: [(name: String, value: String)]
  package var body: [UInt8]

  package subscript(name: String) -> String? {
    fields.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  package var text: String { String(decoding: body, as: UTF8.self) }

  /// The `code` of a problem document.
  package var code: String? {
    guard let range = text.firstRange(of: "\"code\":\"") else { return nil }
    return String(text[range.upperBound...].prefix { $0 != "\"" })
  }

  package var closesConnection: Bool { self["Connection"]?.lowercased() == "close" }
}

extension RawClient {
  /// Reads the next response.
  ///
  /// - Parameter isToHead: whether the request was HEAD, so that no body follows.
  package func readResponse(isToHead: Bool = false) throws -> RawResponse {
    var response = try readHead()
    let hasNone = isToHead || response.status == 204 || response.status == 304
    if hasNone || response.status < 200 { return response }
    if let length = response["Content-Length"].flatMap({ Int($0) }) {
      response.body = try read(count: length)
    } else if response["Transfer-Encoding"] == "chunked" {
      while let chunk = try readChunk() { response.body += chunk }
    } else {
      response.body = try readToEnd()
    }
    return response
  }

  /// Reads a response's status line and fields.
  package func readHead() throws -> RawResponse {
    let lines = try readUntil("\r\n\r\n").split(separator: "\r\n")
    let parts = lines[0].split(separator: " ", maxSplits: 2)
    guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
      throw Failure.malformed(String(lines[0]))
    }
    let fields = try lines.dropFirst().map { line in
      guard let colon = line.firstRange(of: ": ") else { throw Failure.malformed(String(line)) }
      return (String(line[..<colon.lowerBound]), String(line[colon.upperBound...]))
    }
    return RawResponse(status: status, fields: fields, body: [])
  }

  /// Reads a chunk; nil for the last one.
  package func readChunk() throws -> [UInt8]? {
    let line = try readUntil("\r\n")
    guard let size = Int(line, radix: 16) else { throw Failure.malformed(line) }
    let chunk = try read(count: size)
    guard try readUntil("\r\n").isEmpty else { throw Failure.malformed("after a chunk") }
    return size == 0 ? nil : chunk
  }

  /// Sends a request and reads its response.
  package func exchange(_ request: String) throws -> RawResponse {
    send(request)
    return try readResponse(isToHead: request.hasPrefix("HEAD"))
  }
}

/// The statuses of all responses in a piece of what a server sent.
package func statuses(in bytes: [UInt8]) -> [Int] {
  String(decoding: bytes, as: UTF8.self).split(separator: "\r\n").compactMap { line in
    // A response without a line break at its end is followed by the next one on its last line.
    guard let start = line.firstRange(of: "HTTP/1.1 ") else { return nil }
    return Int(line[start.upperBound...].prefix(3))
  }
}
