// SPDX-License-Identifier: Apache-2.0

/// Writes requests and reads responses of HTTP/1.1 (RFC 9112), as far as a client of this one
/// server needs it.
public enum HTTPMessage {
  /// The bytes of a request on a connection that stays open.
  ///
  /// - Parameter authority: the host, and the port if it has one, for the `Host` field.
  public static func encode(_ request: APIRequest, authority: String) -> [UInt8] {
    var head = "\(request.method) \(request.path) HTTP/1.1\r\nHost: \(authority)\r\n"
    if let body = request.body {
      head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n"
    }
    return Array((head + "\r\n").utf8) + (request.body ?? [])
  }

  /// A complete response.
  public struct Response: Equatable {
    /// The status and the body.
    public var answer: APIAnswer
    /// How many bytes it has on the connection.
    public var length: Int
    /// Whether the server closes the connection after it.
    public var closes: Bool
  }

  /// Reads the response at the beginning of the bytes.
  ///
  /// - Returns: nil if a part of it has not come yet.
  /// - Throws: `TransportFailure` if this is no response of HTTP/1.1.
  public static func decode(_ bytes: [UInt8]) throws(TransportFailure) -> Response? {
    guard let end = endOfHead(bytes) else { return nil }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
      throw TransportFailure("the server answered with something that is not HTTP/1.1")
    }
    let fields = lines.dropFirst().compactMap(field)
    let closes = fields.contains { $0.name == "connection" && $0.value.lowercased() == "close" }
    let body: (bytes: [UInt8], end: Int)?
    if fields.contains(where: { $0.name == "transfer-encoding" }) {
      body = try chunks(bytes, from: end)
    } else {
      let text = fields.first { $0.name == "content-length" }?.value ?? "0"
      guard let length = Int(text), length >= 0 else {
        throw TransportFailure("the server answered with the length \(text)")
      }
      body = bytes.count - end < length ? nil : (Array(bytes[end..<end + length]), end + length)
    }
    return body.map { body in
      Response(
        answer: APIAnswer(status: status, body: body.bytes), length: body.end, closes: closes)
    }
  }

  /// The index behind the empty line that ends the header section.
  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    let mark = Array("\r\n\r\n".utf8)
    guard bytes.count >= mark.count else { return nil }
    for start in 0...(bytes.count - mark.count)
    where bytes[start] == mark[0] && bytes[start..<start + mark.count].elementsEqual(mark) {
      return start + mark.count
    }
    return nil
  }

  private static func field(_ line: Substring) -> (name: String, value: String)? {
    guard let colon = line.firstIndex(of: ":") else { return nil }
    let value = line[line.index(after: colon)...].drop { $0 == " " }
    return (line[..<colon].lowercased(), String(value))
  }

  /// The body that is sent in chunks from an index on, and the index behind it; nil if a part of it
  /// has not come yet.
  private static func chunks(
    _ bytes: [UInt8], from start: Int
  ) throws(TransportFailure) -> (bytes: [UInt8], end: Int)? {
    var body: [UInt8] = []
    var index = start
    while let lineEnd = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) {
      let text = String(decoding: bytes[index..<lineEnd], as: UTF8.self)
      guard let size = Int(text.prefix { $0.isHexDigit }, radix: 16), size < 1 << 30 else {
        throw TransportFailure("the server sent a chunk without a size")
      }
      let end = lineEnd + 1 + size
      guard bytes.count >= end + 2 else { return nil }
      if size == 0 { return (body, end + 2) }
      body += bytes[(lineEnd + 1)..<end]
      index = end + 2
    }
    return nil
  }
}
