// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// `IOMMU_HWPT_INVALIDATE` as the system call has it.
@Suite("The invalidation call checks in the kernel's order") struct InvalidateCallTests {
  private static let command: UInt32 = 0x3b8d

  struct Case: Sendable, CustomStringConvertible {
    let description: String
    /// nil for the vIOMMU; else the object to name.
    var target: String?
    var type: UInt32 = 1
    var length: UInt32 = 16
    var count: UInt32 = 1
    var reserved: UInt32 = 0
    var memory: [UInt64] = [0x10, 0]
    let errno: String?
    var handled: UInt32 = 0
    var issued: [[UInt64]] = []
  }

  private static let issued: [[UInt64]] = [[0x0000_0001_0000_0010, 0], [0x46, 0]]

  static let cases = [
    Case(description: "one command", errno: nil, handled: 1, issued: issued),
    Case(description: "59. no entry", count: 0, errno: "EINVAL"),
    Case(description: "59. no entry of another type", type: 0, count: 0, errno: "EINVAL"),
    Case(description: "59. another type", type: 0, errno: "EINVAL"),
    Case(
      description: "59. a short entry is filled up", length: 8, memory: [0x10], errno: nil,
      handled: 1, issued: issued),
    Case(
      description: "59. a long entry of zeros", length: 24, memory: [0x10, 0, 0], errno: nil,
      handled: 1, issued: issued),
    Case(
      description: "59. a long entry with something behind", length: 24, memory: [0x10, 0, 1],
      errno: "E2BIG"),
    Case(description: "66. a reserved field", reserved: 1, errno: "EOPNOTSUPP"),
    Case(description: "66. a nested domain", target: "domains/n0", errno: "EOPNOTSUPP"),
    Case(description: "66. an address space", target: "ioas/ram", errno: "EINVAL"),
    Case(description: "101. 2^19 + 1 entries", count: 1 << 19 + 1, errno: "EINVAL"),
    Case(description: "101. entries of a page and one", length: 4097, errno: "EINVAL"),
    Case(
      description: "101. a bad length, before the object", target: "nothing", length: 4097,
      errno: "EINVAL"),
    Case(description: "no such object", target: "nothing", errno: "ENOENT"),
    Case(
      description: "101. a bad length of no entries is not looked at", length: 4097, count: 0,
      errno: "EINVAL"),
    Case(
      description: "the second is bad", count: 2, memory: [0x10, 0, 0x46, 0], errno: "EIO",
      handled: 1),
  ]

  @Test("59, 66, 101. The call's errors, and how many it says it handled", arguments: cases)
  func call(_ testCase: Case) throws {
    let lab = try Lab().furnish()
    try lab.makeNested()
    try lab.mark()
    let target = testCase.target ?? "viommus/v0"
    let id = target == "nothing" ? 999 : try #require(lab.get(target)["object_id"].int)
    var argument = Little()
    argument.u32(32, UInt32(id))
    argument.u64(0x1000)
    argument.u32(testCase.type, testCase.length, testCase.count, testCase.reserved)
    var memory = Little()
    for word in testCase.memory { memory.u64(word) }
    let answer = try lab.ioctl(Self.command, argument.text, memory: memory.text)
    #expect(answer.errno == testCase.errno, "\(answer)")
    #expect(
      Little.u32(of: answer.json["argument"].string, at: 24) == testCase.handled, "\(answer)")
    #expect(try lab.commands() == testCase.issued)
  }

  @Test("106. VIOMMU_ALLOC does not look at its reserved field, nor at data of type 1")
  func allocation() throws {
    let lab = try Lab().furnish()
    let device = try #require(lab.get("devices/gpu0")["object_id"].int)
    let parent = try #require(lab.get("domains/s2")["object_id"].int)
    for (reserved, length) in [(UInt32(1), UInt32(0)), (0, 16)] {
      var argument = Little()
      argument.u32(40, 0, 1, UInt32(device), UInt32(parent), 0, length, reserved)
      argument.u64(length == 0 ? 0 : 0x1000)
      let answer = try lab.ioctl(
        0x3b90, argument.text, memory: length == 0 ? nil : String(repeating: "5a", count: 16))
      #expect(answer.status == 200, "\(answer)")
      if length > 0 {
        #expect(
          answer.json["memory"][0]["bytes"].string.map { $0.allSatisfy { "5a".contains($0) } }
            ?? true)
      }
    }
  }
}
