// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// One page of a listing.
///
/// A cursor is the name of the last object of a page, and objects are listed in the order of their
/// names. So an object that is there all the while is listed exactly once, whatever comes and goes
/// meanwhile.
struct Listing {
  static let usualPage = 100
  static let largestPage = 1000
  /// The number of objects that are looked at during one hold of the host's lock.
  private static let scanStep = 2000
  private static let cursorPrefix = "after."

  let resource: Resource
  let call: Call
  let limit: Int
  let start: String?
  let wanted: [(filter: Resource.Filter, value: String)]

  init(_ resource: Resource, _ call: Call) throws(Problem) {
    self.resource = resource
    self.call = call
    limit = try call.query.int("limit", in: 1...Listing.largestPage) ?? Listing.usualPage
    start = try Listing.position(call.query.text("cursor"))
    var wanted: [(Resource.Filter, String)] = []
    for filter in resource.filters {
      guard let text = call.query.text(filter.name) else { continue }
      guard let value = filter.form.canonical(text) else {
        throw QueryReader.invalid(filter.name, filter.form.rule)
      }
      wanted.append((filter, value))
    }
    self.wanted = wanted
  }

  private static func position(_ cursor: String?) throws(Problem) -> String? {
    guard let cursor else { return nil }
    let name = cursor.dropFirst(Listing.cursorPrefix.count)
    guard cursor.hasPrefix(Listing.cursorPrefix), Identifier.isValid(name.utf8) else {
      throw QueryReader.invalid("cursor", "is not one that a listing gave out")
    }
    return String(name)
  }

  func response() throws(Problem) -> Response {
    let epoch = call.host.log.extent.epoch
    let tag = try call.host.read { EntityTag(resource.kind, in: $0, epoch: epoch) }
    if !resource.changesSilently, let unchanged = call.notModified(tag) { return unchanged }
    var writer = JSONWriter(capacity: 4096)
    writer.beginObject()
    writer.key("items")
    writer.beginArray()
    let last = try writeItems(to: &writer)
    writer.endArray()
    writer.field("next", text: last.map { Listing.cursorPrefix + $0 })
    writer.endObject()
    var response = Response(status: 200, json: writer.bytes)
    if !resource.changesSilently { response.headers.append((.etag, tag.text)) }
    if let last { response.headers.append((.link, link(to: last))) }
    return response
  }

  /// - Returns: the name behind which the next page begins; nil when there is none.
  private func writeItems(to writer: inout JSONWriter) throws(Problem) -> String? {
    var position = start
    var count = 0
    var isFull = false
    while !isFull {
      var steps = 0
      var pending: String?
      try call.host.read { state throws(Problem) in
        state.core.visit(resource.kind, after: position) { object in
          if count == limit {
            isFull = true
            return false
          }
          steps += 1
          pending = object.name
          if wanted.allSatisfy({ $0.filter.matches(object, $0.value) }) {
            state.encoder.write(object, to: &writer)
            count += 1
          }
          return steps < Listing.scanStep
        }
      }
      if let pending { position = pending }
      if steps < Listing.scanStep { break }
    }
    return isFull ? position : nil
  }

  private func link(to last: String) -> String {
    var target = call.host.encoder.prefix + resource.collection + "?limit=\(limit)"
    target += "&cursor=\(Listing.cursorPrefix)\(last)"
    for (filter, value) in wanted { target += "&\(filter.name)=\(Listing.escape(value))" }
    return "<\(target)>; rel=\"next\""
  }

  private static func escape(_ value: String) -> String {
    value.utf8.reduce(into: "") { result, byte in
      let scalar = Unicode.Scalar(byte)
      let isPlain =
        scalar.properties.isASCIIHexDigit || scalar.properties.isAlphabetic && byte < 0x80
        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
      if isPlain {
        result.unicodeScalars.append(scalar)
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
  }
}
