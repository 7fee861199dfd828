// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Views of the C strings that the library hands out.
enum CString {
  /// The bytes before the NUL; valid as long as the string is.
  @unsafe static func bytes(_ text: UnsafePointer<CChar>) -> UnsafeBufferPointer<UInt8> {
    unsafe bytes(text, count: strlen(text))
  }

  @unsafe static func bytes(
    _ text: UnsafePointer<CChar>, count: Int
  ) -> UnsafeBufferPointer<UInt8> {
    // CChar and UInt8 differ in their sign only.
    unsafe UnsafeBufferPointer(
      start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: count)
  }
}

/// The libmicrohttpd that is loaded, which need not be the one that was compiled against: 0.9.75
/// and 1.x have the same soname.
enum LibraryVersion {
  static let text = unsafe String(cString: MHD_get_version())

  /// Whether the library refuses malformed request lines and folded fields by itself.
  static let isStrict = !text.hasPrefix("0.")
}
