// SPDX-License-Identifier: Apache-2.0

/// A reference that does not count: for objects that many threads use at once and that are kept
/// alive by somebody else, where counting would have the threads wait for each other.
@safe struct KeptReference<Object: AnyObject>: BitwiseCopyable {
  private let object: Unmanaged<Object>

  /// - Parameter object: is kept alive by the caller, for as long as the reference is used.
  init(_ object: Object) { unsafe self.object = .passUnretained(object) }

  @inline(__always)
  func with<Result>(_ body: (Object) -> Result) -> Result {
    unsafe object._withUnsafeGuaranteedRef { body($0) }
  }
}
