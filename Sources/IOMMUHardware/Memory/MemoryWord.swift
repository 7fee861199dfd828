// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// An unsigned integer that memory reads and writes in one piece.
///
/// The processors of the host and its devices use the same bytes at the same time, as in a real
/// machine. Every access is therefore an atomic one: a reader sees either the old word or the new
/// one, never half of each, and Swift's rules about data races are kept.
protocol MemoryWord: FixedWidthInteger & UnsignedInteger & Sendable {
  /// Reads the word at a pointer that is aligned to the word's size (acquiring).
  static func load(_ pointer: UnsafeMutableRawPointer) -> Self
  /// Writes the word at a pointer that is aligned to the word's size (releasing).
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
