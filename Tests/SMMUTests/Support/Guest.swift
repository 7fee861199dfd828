// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// A guest that writes its context descriptors and tables into its memory, over the API.
struct Guest {
  let lab: Lab
  /// The table of context descriptors.
  let contexts = Lab.base
  private var next = Lab.base + 0x10_0000
  /// The first tables, by context.
  private var roots: [UInt64: UInt64] = [:]

  /// Where the data is that the tests map.
  static let data = Lab.base + 0x20_0000
  /// A page: AF, inner shareable, not global, everybody reads and writes.
  static let page: UInt64 = 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | 3
  /// AP[1]: nobody writes.
  static let readOnly: UInt64 = 1 << 7

  init(_ lab: Lab) { self.lab = lab }

  /// A descriptor of a stage 1 with 39 bits and 4 KiB pages.
  static func descriptor(asid: UInt64, root: UInt64) -> ContextDescriptor {
    var descriptor = ContextDescriptor()
    descriptor.t0SZ = 25
    descriptor.tableAttributes0 = 0b11_01_01
    descriptor.epd1 = true
    descriptor.isValid = true
    descriptor.ips = 5
    descriptor.aa64 = true
    descriptor.r = true
    descriptor.a = true
    descriptor.aset = true
    descriptor.asid = asid
    descriptor.ttb0 = root
    descriptor.mair = 0x04_ff_44
    return descriptor
  }

  /// The two words of the guest's entry.
  func ste(log2Contexts: UInt64 = 0, dss: UInt64 = 2, dw1: UInt64 = 0) -> [UInt64] {
    [contexts | 5 << 1 | 1 | log2Contexts << 59, dss | 1 << 2 | 1 << 4 | 3 << 6 | dw1]
  }

  /// A fresh table, of zeros.
  mutating func table() throws -> UInt64 {
    defer { next += 0x1000 }
    try lab.write(Array(repeating: 0, count: 512), at: next)
    return next
  }

  /// Writes a context descriptor that has a table of its own.
  mutating func makeContext(
    _ index: UInt64 = 0, asid: UInt64 = 5, _ change: (inout ContextDescriptor) -> Void = { _ in }
  ) throws {
    let root = try table()
    roots[index] = root
    var descriptor = Guest.descriptor(asid: asid, root: root)
    change(&descriptor)
    try lab.write(descriptor.words, at: contexts + index * 64)
  }

  /// Maps a page; returns the address of its entry.
  @discardableResult
  mutating func map(
    _ iova: UInt64, _ output: UInt64, attributes: UInt64 = Guest.page, context: UInt64 = 0
  ) throws -> UInt64 {
    var table = roots[context] ?? contexts
    for shift: UInt64 in [30, 21] {
      let entry = table + (iova >> shift & 511) * 8
      var word = try read(entry)
      if word & 1 == 0 {
        word = try self.table() | 3
        try lab.write([word], at: entry)
      }
      table = word & 0x0000_ffff_ffff_f000
    }
    let entry = table + (iova >> 12 & 511) * 8
    try lab.write([output | attributes], at: entry)
    return entry
  }

  func read(_ iova: UInt64) throws -> UInt64 {
    try lab.bytes(at: iova, 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

extension Lab {
  /// A guest with one context, whose page 0x1000 is the first of its data, on a nested domain `n0`
  /// that the device is attached to.
  @discardableResult
  func boot(
    _ device: String = "", dw1: UInt64 = 0, _ change: (inout ContextDescriptor) -> Void = { _ in }
  ) throws -> Guest {
    try furnish(device)
    var guest = Guest(self)
    try guest.makeContext(0, asid: 5, change)
    try guest.map(0x1000, Guest.data)
    try makeNested("n0", guest.ste(dw1: dw1))
    try attach("n0")
    return guest
  }
}
