// SPDX-License-Identifier: Apache-2.0
import HTTPCore

extension Response {
  /// An answer with the status 200 that is a JSON object.
  ///
  /// - Parameters:
  ///   - capacity: bytes to make room for.
  ///   - members: writes the object's members.
  static func object(
    capacity: Int = 480, _ members: (inout JSONWriter) -> Void
  ) -> Response {
    var writer = JSONWriter(capacity: capacity)
    writer.object(members)
    return Response(status: 200, json: writer.bytes)
  }

  /// The same answer for a client that must ask again each time, because what is shown changes by
  /// itself or has been consumed.
  func notStored() -> Response {
    var response = self
    response.headers.append((.cacheControl, "no-store"))
    return response
  }

  /// Says where the next page of a listing without filters is, if there is one.
  mutating func linkNext(to path: String, limit: Int, cursor: String?) {
    guard let cursor else { return }
    headers.append((.link, "<\(path)?limit=\(limit)&cursor=\(cursor)>; rel=\"next\""))
  }
}
