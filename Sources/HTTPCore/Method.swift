// SPDX-License-Identifier: Apache-2.0

/// A request method (RFC 9110, section 9; `PATCH` from RFC 5789).
public enum Method: String, Sendable, Hashable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case delete = "DELETE"
  case options = "OPTIONS"
  case patch = "PATCH"
  case trace = "TRACE"
  case connect = "CONNECT"
}
