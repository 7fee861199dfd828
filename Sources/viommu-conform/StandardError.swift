// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Where complaints go.
struct StandardError: TextOutputStream {
  mutating func write(_ text: String) {
    // A complaint that cannot be told has nobody to be told to.
    var text = text
    _ = text.withUTF8 { bytes in
      #if canImport(Glibc)
        unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
      #else
        unsafe Musl.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
      #endif
    }
  }
}
