// SPDX-License-Identifier: Apache-2.0

/// A request method (RFC 9110, section 9; `PATCH` from RFC 5789). `QUERY` is known so that it is
/// refused like `PATCH`, as one that no path has, and not as one that nobody knows.
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
