// SPDX-License-Identifier: Apache-2.0

extension Script {
  /// An object that more hold than are shown, and an access that has pinned more than is shown.
  static let crowds: [(String, String, String)] = [
    ("POST", "/v1/batch", #"{"operations":["# + crowd + "]}"),
    ("GET", "/v1/ioas/crowded", ""), ("GET", "/v1/ioas/crowded/explain", ""),
    ("DELETE", "/v1/ioas/crowded", ""), ("GET", "/v1/ioas/crowded/holders?limit=1", ""),
    ("GET", "/v1/ioas/crowded/holders", ""), ("GET", "/v1/ioas/crowded/chains?limit=1000", ""),
    ("GET", "/v1/ioas/crowded/holders?cursor=at.1.1", ""),
    ("POST", "/v1/batch", #"{"operations":["# + pins + "]}"),
    ("GET", "/v1/accesses/crowd-0", ""), ("GET", "/v1/accesses/crowd-0/pins?limit=1", ""),
    ("GET", "/v1/accesses/crowd-0/pins?limit=1000&cursor=after.0", ""),
    ("DELETE", "/v1/ioas/crowded?cascade=true", ""),
  ]

  private static let crowd =
    ([operation("ioas", #"{"id":"crowded"}"#)]
    + (0..<101).map { operation("accesses", #"{"id":"crowd-\#($0)","ioas":"crowded"}"#) }
    + [operation("ioas/crowded/map", #"{"iova":"0x100000","length":4096}"#)]).joined(separator: ",")

  private static let pins = (0..<101).map { _ in
    operation("accesses/crowd-0/pins", #"{"iova":"0x100000","length":4096}"#)
  }.joined(separator: ",")

  private static func operation(_ path: String, _ body: String) -> String {
    #"{"method":"POST","path":"/v1/\#(path)","body":\#(body)}"#
  }
}
