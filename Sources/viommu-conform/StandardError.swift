// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Writes messages about errors to standard error.
struct StandardError: TextOutputStream {
  mutating func write(_ text: String) {
    // If this write fails, nobody can be told of it, so its result is ignored.
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
