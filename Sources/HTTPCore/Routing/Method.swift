// SPDX-License-Identifier: Apache-2.0

/// A request method (RFC 9110, section 9; `PATCH` is from RFC 5789).
///
/// No path takes `PATCH` or `QUERY`. They are listed so that they get 405, as methods that exist
/// and are not allowed here, and not 501, as a method that the server does not know.
public enum Method: String, Sendable, Hashable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case delete = "DELETE"
  case options = "OPTIONS"
  case patch = "PATCH"
  case query = "QUERY"
  case trace = "TRACE"
  case connect = "CONNECT"
}
