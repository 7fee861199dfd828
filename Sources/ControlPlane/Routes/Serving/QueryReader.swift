// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Reads the parameters of a query. Names that are wrong are all reported at once.
struct QueryReader: Sendable {
  private let query: Query

  /// - Throws: a problem with names that the endpoint does not know or that come twice, or with a
  ///   query that cannot be decoded.
  init(_ raw: [UInt8]?, known: [String]) throws(Problem) {
    do throws(Target.Malformed) {
      query = try Query(raw)
    } catch {
      throw Problem(.malformedRequest, "the query has a bad escape or is not UTF-8")
    }
    var faults: [Problem.Fault] = []
    var seen: Set<String> = []
    for parameter in query.parameters where faults.count < ObjectReader.faultLimit {
      if !known.contains(parameter.name) {
        faults.append(.init(.unknownField, at: "?\(parameter.name)", "unknown parameter"))
      } else if !seen.insert(parameter.name).inserted {
        faults.append(
          .init(.invalidField, at: "?\(parameter.name)", "the parameter is there twice"))
      }
    }
    if !faults.isEmpty { throw Problem(faults: faults) }
  }

  func text(_ name: String) -> String? { query[name] }

  func bool(_ name: String) throws(Problem) -> Bool {
    switch query[name] {
    case nil, "false": false
    case "true": true
    default: throw QueryReader.invalid(name, "must be true or false")
    }
  }

  func int(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
    guard let text = query[name] else { return nil }
    guard let value = Decimal.parse(text.utf8), range.contains(value) else {
      throw QueryReader.invalid(
        name, "must be an integer of \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, of type: Choice.Type
  ) throws(Problem) -> Choice? where Choice.RawValue == String {
    guard let text = query[name] else { return nil }
    guard let choice = Choice(rawValue: text) else {
      let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw QueryReader.invalid(name, "must be one of \(all)")
    }
    return choice
  }

  static func invalid(_ name: String, _ detail: String) -> Problem {
    Problem(faults: [.init(.invalidField, at: "?\(name)", detail)])
  }
}
