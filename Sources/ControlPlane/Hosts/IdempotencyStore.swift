// SPDX-License-Identifier: Apache-2.0
import DequeModule
import HTTPCore
import Hashing

/// The answers to requests that came with an `Idempotency-Key`, so that a repetition of such a
/// request gets the same answer and is not carried out again.
struct IdempotencyStore {
  /// How many answers are kept, and how many bytes of them. The oldest go first.
  static let entryLimit = 10_000
  static let byteLimit = 16 << 20

  private struct Entry {
    let fingerprint: String
    let response: Response
    let bytes: Int
  }

  private var entries: [String: Entry] = [:]
  private var order: Deque<String> = []
  private var bytes = 0

  /// Answers a request, or repeats the answer that it got before under its key. A dry run is
  /// answered anew each time, and its answer is not kept.
  mutating func answerOnce(
    _ conditions: Conditions, _ body: () throws(Problem) -> Response
  ) -> Response {
    do throws(Problem) {
      if let key = conditions.idempotencyKey, let reply = try reply(key, conditions.fingerprint) {
        return reply
      }
    } catch {
      return conditions.response(to: error)
    }
    let response: Response
    do throws(Problem) {
      response = try body()
    } catch {
      response = conditions.response(to: error)
    }
    if let key = conditions.idempotencyKey, !conditions.isDryRun {
      keep(response, key, conditions.fingerprint)
    }
    return response
  }

  /// The answer that was kept under a key.
  ///
  /// - Throws: `invalid_field` when the key was used for a different request.
  func reply(_ key: String, _ fingerprint: String) throws(Problem) -> Response? {
    guard let entry = entries[key] else { return nil }
    guard entry.fingerprint == fingerprint else {
      let detail = "the key was used for a different request"
      throw Problem(faults: [.init(.invalidField, at: "Idempotency-Key", detail)])
    }
    var response = entry.response
    response.headers.append((.idempotentReplayed, "true"))
    return response
  }

  mutating func keep(_ response: Response, _ key: String, _ fingerprint: String) {
    guard case .bytes(let body) = response.body, response.status < 500 else { return }
    if entries[key] != nil { return }
    let size = body.count + key.utf8.count + fingerprint.utf8.count
    entries[key] = Entry(fingerprint: fingerprint, response: response, bytes: size)
    order.append(key)
    bytes += size
    while entries.count > Self.entryLimit || bytes > Self.byteLimit && order.count > 1 {
      guard let oldest = order.popFirst(), let entry = entries.removeValue(forKey: oldest) else {
        return
      }
      bytes -= entry.bytes
    }
  }

  /// The length of the longest key that is taken, in bytes.
  static let keyLimit = 255

  /// A digest of what makes a request what it is. Two requests with the same digest are the same
  /// one, sent twice.
  static func fingerprint(of request: Request) -> String {
    var hash = SHA256()
    hash.update("\(request.head.method.rawValue) ".utf8)
    hash.update(request.head.target.rawPath)
    hash.update("?".utf8)
    hash.update(request.head.target.query ?? [])
    hash.update("\n".utf8)
    hash.update(request.body)
    return hash.finish()
  }
}
