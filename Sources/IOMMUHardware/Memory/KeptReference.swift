// SPDX-License-Identifier: Apache-2.0

/// A reference that is not counted. It is for objects that many threads use at once and that
/// somebody else keeps alive: if each use counted a reference, the threads would wait for each
/// other at that count.
@safe struct KeptReference<Object: AnyObject>: BitwiseCopyable {
  private let object: Unmanaged<Object>

  /// A reference to an object.
  ///
  /// - Parameter object: the caller keeps it alive for as long as the reference is used.
  init(_ object: Object) { unsafe self.object = .passUnretained(object) }

  /// Calls `body` with the object, without counting a reference to it.
  @inline(__always)
  func with<Result>(_ body: (Object) -> Result) -> Result {
    unsafe object._withUnsafeGuaranteedRef { body($0) }
  }
}
