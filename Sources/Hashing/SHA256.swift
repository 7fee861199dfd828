// SPDX-License-Identifier: Apache-2.0
internal import CNettle

/// SHA-256 (FIPS 180-4), computed by nettle. It is used for the digests of plans and states, and to
/// recognise a request that is repeated.
///
/// libmicrohttpd needs nettle for its TLS, so that it is installed anyway and nothing more has to
/// be built. swift-crypto would do as well, but the build would then include BoringSSL.
@safe public struct SHA256 {
  private static let digestSize = 32
  private static let digits = Array("0123456789abcdef".utf8)

  private var context = sha256_ctx()

  /// Begins a digest, to which `update` adds bytes.
  public init() { unsafe nettle_sha256_init(&context) }

  /// The digest of `bytes`, as 64 hex digits in lower case.
  public static func hex(of bytes: some Collection<UInt8>) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  /// Adds bytes to those that the digest is computed of.
  public mutating func update(_ bytes: some Collection<UInt8>) {
    let isContiguous: Void? = bytes.withContiguousStorageIfAvailable { unsafe add($0) }
    if isContiguous == nil { unsafe Array(bytes).withUnsafeBufferPointer { unsafe add($0) } }
  }

  /// Ends the digest, and begins a new one.
  ///
  /// - Returns: the digest of all bytes that were added, as 64 hex digits in lower case.
  public mutating func finish() -> String {
    var digest = [UInt8](repeating: 0, count: SHA256.digestSize)
    unsafe digest.withUnsafeMutableBufferPointer { buffer in
      // The buffer has room for exactly one digest.
      unsafe viommud_sha256_digest(&context, buffer.baseAddress)
    }
    let text = digest.flatMap { [SHA256.digits[Int($0 >> 4)], SHA256.digits[Int($0 & 0xf)]] }
    return String(decoding: text, as: UTF8.self)
  }

  /// Adds bytes, which nettle reads only during the call.
  private mutating func add(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let start = bytes.baseAddress else { return }
    unsafe nettle_sha256_update(&context, bytes.count, start)
  }
}
