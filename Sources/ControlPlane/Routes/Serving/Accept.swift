// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Content negotiation (RFC 9110, section 12.5.1). It goes only so far that a client is told when
/// it takes none of what there is.
enum Accept {
  /// - Returns: the offer that the client likes best; the first of those that it likes equally
  ///   well.
  /// - Throws: `not_acceptable`
  @discardableResult
  static func require(_ offers: [String], _ request: Request) throws(Problem) -> String {
    guard let accept = request.head.headers[.accept], accept != "*/*" else { return offers[0] }
    var best: (offer: String, quality: Double)?
    for offer in offers {
      let quality = quality(of: offer, accept)
      if quality > best?.quality ?? 0 { best = (offer, quality) }
    }
    guard let best else {
      throw Problem(.notAcceptable, "this is available as \(offers.joined(separator: ", "))")
    }
    return best.offer
  }

  /// The quality that a media type has for the client: that of the most specific range which it is
  /// in.
  private static func quality(of offer: String, _ accept: String) -> Double {
    let essence = offer.prefix { $0 != ";" }
    let type = essence.prefix { $0 != "/" }
    var result = (specificity: -1, quality: 0.0)
    for range in accept.split(separator: ",") {
      let parts = range.split(separator: ";").map { $0.trimmingSpaces.lowercased() }
      guard let name = parts.first else { continue }
      let specificity =
        name == essence ? 2 : name == "\(type)/*" ? 1 : name == "*/*" ? 0 : -1
      if specificity > result.specificity {
        let weight = parts.dropFirst().first { $0.hasPrefix("q=") }?.dropFirst(2)
        result = (specificity, weight.map { Double($0) ?? 0 } ?? 1)
      }
    }
    return result.quality
  }
}

extension Substring {
  fileprivate var trimmingSpaces: Substring {
    var result = drop { $0 == " " || $0 == "\t" }
    while let last = result.last, last == " " || last == "\t" { result.removeLast() }
    return result
  }
}
