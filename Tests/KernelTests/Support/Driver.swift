// SPDX-License-Identifier: Apache-2.0

/// A physical IOMMU's kind, and what a caller has to say to it.
enum Driver: String, CaseIterable, Sendable {
  case mock
  case smmu = "arm-smmuv3"

  // MARK: In words

  /// A vIOMMU that has everything: events, queues and a window.
  var viommuType: String { self == .mock ? "selftest" : "tegra241-cmdqv" }
  var hwQueueType: String { self == .mock ? "selftest" : "tegra241-cmdqv" }
  var veventqType: String { self == .mock ? "selftest" : "arm-smmuv3" }
  /// A guest's configuration of a nested domain, one that translates.
  var nestedData: String {
    self == .mock ? #""iotlb":"0x99887766""# : #""ste":["0x1000000b","0x0"]"#
  }
  /// A hardware event that is a guest's to know.
  var record: String {
    self == .mock ? #""record":["0x0"]"# : #""record":["0x10","0x0","0x1000","0x0"]"#
  }

  // MARK: In the ABI's numbers

  var viommuNumber: UInt32 { self == .mock ? 0xdead_beef : 2 }
  var hwQueueNumber: UInt32 { self == .mock ? 0xdead_beef : 1 }
  var veventqNumber: UInt32 { self == .mock ? 0xbeef_beef : 1 }
  var domainDataNumber: UInt32 { self == .mock ? 0xdead : 2 }
  var hardwareInfoNumber: UInt32 { self == .mock ? 0xfeed_beef : 2 }
  /// Bytes of what the driver tells of the hardware.
  var hardwareInfoLength: UInt32 { self == .mock ? 8 : 40 }
  /// Bytes of what a vIOMMU is made with.
  var viommuDataLength: Int { self == .mock ? 24 : 16 }
  /// Bytes of an entry of the event file.
  var eventBytes: Int { self == .mock ? 12 : 40 }
  /// Object IDs that a bound device takes.
  var idsOfDevice: UInt32 { self == .mock ? 2 : 1 }

  /// A guest's configuration as the ABI has it.
  var nestedBytes: [UInt8] {
    self == .mock
      ? Field.bytes([.u32(0x9988_7766)]) : Field.bytes([.u64(0x1000_000b), .u64(0)])
  }

  /// The virtual ID in an event's words.
  func virtualID(in words: [UInt64]) -> UInt64? {
    words.first.map { self == .mock ? $0 : $0 >> 32 }
  }
}
