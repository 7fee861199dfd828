// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// An integer that memory reads and writes in one piece.
///
/// The processors of the host and its devices race for the same bytes, as in a real machine, so
/// every access is an atomic one: a reader sees an old word or a new one, never half of each, and
/// to the language there is no race.
protocol MemoryWord: FixedWidthInteger & UnsignedInteger & Sendable {
  static func load(_ pointer: UnsafeMutableRawPointer) -> Self
  static func store(_ value: Self, _ pointer: UnsafeMutableRawPointer)
}

extension UInt8: MemoryWord {
  @inline(__always)
  static func load(_ pointer: UnsafeMutableRawPointer) -> UInt8 {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .acquiring)
  }

  @inline(__always)
  static func store(_ value: UInt8, _ pointer: UnsafeMutableRawPointer) {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt8>.self).pointee
      .store(value, ordering: .releasing)
  }
}

extension UInt16: MemoryWord {
  @inline(__always)
  static func load(_ pointer: UnsafeMutableRawPointer) -> UInt16 {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring)
  }

  @inline(__always)
  static func store(_ value: UInt16, _ pointer: UnsafeMutableRawPointer) {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt16>.self).pointee
      .store(value, ordering: .releasing)
  }
}

extension UInt32: MemoryWord {
  @inline(__always)
  static func load(_ pointer: UnsafeMutableRawPointer) -> UInt32 {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
  }

  @inline(__always)
  static func store(_ value: UInt32, _ pointer: UnsafeMutableRawPointer) {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .store(value, ordering: .releasing)
  }
}

extension UInt64: MemoryWord {
  @inline(__always)
  static func load(_ pointer: UnsafeMutableRawPointer) -> UInt64 {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
  }

  @inline(__always)
  static func store(_ value: UInt64, _ pointer: UnsafeMutableRawPointer) {
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .store(value, ordering: .releasing)
  }
}
