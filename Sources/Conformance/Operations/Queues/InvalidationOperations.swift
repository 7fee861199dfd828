// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI

/// Operations that invalidate the cache of a nested domain, or the caches of the devices in a
/// vIOMMU, by `IOMMU_HWPT_INVALIDATE`.
enum InvalidationOperations {
  private static let arguments: Set = [
    "name", "entries", "num", "type", "entry_len", "null", "reserved",
  ]

  static let all: [OperationDefinition] = [
    .init("hwpt_invalidate", arguments) { stage, arguments throws(PlayFailure) in
      try invalidate(stage, arguments, words: 2)
    },
    .init("viommu_invalidate", arguments) { stage, arguments throws(PlayFailure) in
      try invalidate(stage, arguments, words: 3)
    },
  ]

  /// How many bytes of entries are sent at most. No call that the kernel looks into has more.
  private static let memoryLimit = 1 << 16

  /// Sends entries to be invalidated.
  ///
  /// - Parameter words: how many words an entry has. For a nested domain these are flags and the
  ///   index into its cache; for a vIOMMU the virtual ID of a device stands between the two.
  private static func invalidate(
    _ stage: Stage, _ arguments: Arguments, words: Int
  ) throws(PlayFailure) -> Outcome {
    let entries = try entries(arguments["entries"] ?? "", words: words)
    let count = try arguments.u32("num", default: UInt32(truncatingIfNeeded: entries.count))
    let length = try arguments.u32("entry_len", default: UInt32(words * 4))
    let isNull = try arguments.isOn("null")
    let type = try arguments.u32("type", default: Selftest.invalidateType)
    let argument = StructBytes.argument(
      .u32(try stage.table.number(arguments.name)), .u64(isNull ? 0 : IOCTLMemory.address),
      .u32(type), .u32(length), .u32(count), .u32(try arguments.u32("reserved", default: 0)))
    let memory = memory(of: entries, count: count, length: length)
    let answer = try stage.ioctl(.hwptInvalidate, argument, memory: isNull ? nil : memory)
    var outcome = answer.outcome
    // The kernel writes back how many entries it has handled, even if the call fails.
    outcome.fields["done"] = .number(UInt64(try answer.u32(at: ArgumentOffset.invalidateCount)))
    return outcome
  }

  /// The array that the call points to: the entries one after the other, each in its usual size,
  /// and zeros up to the size that `count` and `length` say.
  static func memory(of entries: [[UInt8]], count: UInt32, length: UInt32) -> IOCTLMemory {
    let (product, overflows) = Int(count).multipliedReportingOverflow(by: Int(length))
    let size = overflows ? memoryLimit : min(product, memoryLimit)
    return IOCTLMemory(bytes: StructBytes.padded(Array(entries.joined()), to: max(size, 16)))
  }

  /// Reads entries such as `0:0x99:1,0:1:2`, with commas between them and colons between words.
  static func entries(_ text: String, words: Int) throws(PlayFailure) -> [[UInt8]] {
    var entries: [[UInt8]] = []
    for entry in text.split(separator: ",") {
      var fields: [StructField] = []
      for word in entry.split(separator: ":") {
        guard let number = Spelling.number(String(word)) else {
          throw .untranslatable("the entry `\(entry)` has a word that is no number")
        }
        fields.append(.u32(UInt32(truncatingIfNeeded: number)))
      }
      guard fields.count == words else {
        throw .untranslatable("the entry `\(entry)` does not have \(words) words")
      }
      entries.append(StructBytes.pack(fields))
    }
    return entries
  }
}
