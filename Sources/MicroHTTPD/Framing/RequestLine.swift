// SPDX-License-Identifier: Apache-2.0
import HTTPCore

extension Method {
  /// The method of this name; nil for a name that RFC 9110 does not have. Case matters.
  @unsafe init?(_ name: UnsafeBufferPointer<UInt8>) {
    guard name.count <= 8 else { return nil }
    var packed: UInt64 = 0
    for index in name.indices { packed = unsafe packed << 8 | UInt64(name[index]) }
    for entry in Method.packedNames where entry.packed == packed {
      self = entry.method
      return
    }
    return nil
  }

  /// All names fit into a word each, so looking one up is comparing a few words.
  private static let packedNames: [(packed: UInt64, method: Method)] = allCases.map {
    ($0.rawValue.utf8.reduce(0) { $0 << 8 | UInt64($1) }, $0)
  }
}

/// What the first line of a request says, and whether the library read it as it was sent.
@safe struct RequestLine {
  private static let versionLength = 8

  let method: Method?
  let isHTTP10: Bool
  /// Bytes of the line with its line break.
  let length: Int
  /// Whether the three parts stood where one space between each of them puts them.
  ///
  /// 0.9.75 skips further spaces and takes a NUL for the end of the target. It splits the line in
  /// place, so what it left out shows in the distances between the parts. Later releases refuse
  /// such lines themselves and promise nothing about where the parts are.
  let isExact: Bool
  // Both are places in the library's read buffer, valid during its first call for the request.
  let start: UnsafePointer<CChar>
  let end: UnsafePointer<CChar>

  @unsafe init(
    method: UnsafePointer<CChar>, target: UnsafePointer<CChar>, targetLength: Int,
    version: UnsafePointer<CChar>
  ) {
    let name = unsafe CString.bytes(method)
    self.method = unsafe Method(name)
    isHTTP10 = unsafe CString.bytes(version).last == UInt8(ascii: "0")
    length = name.count + 1 + targetLength + 1 + RequestLine.versionLength + 2
    unsafe start = method
    unsafe end = version + RequestLine.versionLength
    if LibraryVersion.isStrict {
      isExact = true
    } else {
      let targetOffset = UInt(bitPattern: target) &- UInt(bitPattern: method)
      let versionOffset = UInt(bitPattern: version) &- UInt(bitPattern: target)
      isExact =
        targetOffset == UInt(name.count + 1) && versionOffset == UInt(targetLength + 1)
    }
  }
}
