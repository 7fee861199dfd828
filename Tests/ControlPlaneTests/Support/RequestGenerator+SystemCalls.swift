// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

@testable import IOMMUFD

/// What accesses do, and what a process does with an open iommufd.
extension RequestGenerator {
  // MARK: Accesses

  mutating func accessAction() -> TestRequest {
    let path = "\(prefix)/accesses/\(access())"
    switch random.below(10) {
    case 0, 1:
      return TestRequest(method: .put, path: path + "/ioas", body: "{\"ioas\":\"\(ioas())\"}")
    case 2, 3, 4:
      return TestRequest(method: .delete, path: "\(path)/pins/\(random.below(6))")
    default:
      let iova = random.pick(["0x1000", "0x2000", "0x10000", "0x1000000", "0x1001", "0"])
      let length = random.pick(["0x1000", "0x1000", "0x2000", "0x10000", "0", "0xffffffffffffffff"])
      return TestRequest(
        method: .post, path: path + "/pins",
        body: "{\"iova\":\(quoted(iova)),\"length\":\(quoted(length))"
          + optional(20, "\"write\":\(flag(60))") + "}")
    }
  }

  // MARK: Mappings of the file, and its end

  mutating func systemCall() -> TestRequest {
    let path = "\(prefix)/contexts/\(context())"
    switch random.below(20) {
    case 0..<9:
      // Windows of both drivers, one behind the other.
      let (offset, length) = random.pick([
        ("0x1000", "0x10000"), ("0x1000", "0x10000"), ("0x1000", "0x2000"), ("0x3000", "0x2000"),
        ("0x11000", "0x2000"), ("0x11000", "0x10000"), ("0x1000", "0x1000"), ("0", "0"),
      ])
      return TestRequest(
        method: .post, path: path + "/mmaps",
        body: "{\"offset\":\(quoted(offset)),\"length\":\(quoted(length))"
          + optional(8, "\"shared\":\(flag(30))") + optional(5, "\"executable\":true") + "}")
    case 9..<13:
      return TestRequest(
        method: .post, path: "\(path)/mmaps/\(1 + random.below(3))/fork")
    case 13..<18:
      return TestRequest(method: .delete, path: "\(path)/mmaps/\(1 + random.below(3))")
    default:
      return closing()
    }
  }

  /// A context loses its file. The one that all the rest needs comes back soon.
  private mutating func closing() -> TestRequest {
    let name = random.chance(20) ? "default" : random.pick(["c1", "c2"])
    let path = "\(prefix)/contexts/\(name)"
    if name == "default" {
      pending = [
        TestRequest(method: .put, path: path, body: "{}"),
        TestRequest(method: .delete, path: path + "?cascade=true"), event(), deletion(),
        attachment(),
        ioctl(), creation(),
      ]
    }
    return TestRequest(method: .delete, path: path + "/file")
  }

  // MARK: ioctl

  /// An ID that an object of a kind has or has had, or any small number.
  mutating func objectID(_ kind: ObjectKind) -> UInt32 {
    let known = objectIDs[kind] ?? []
    return known.isEmpty || random.chance(10) ? UInt32(random.below(40)) : random.pick(known)
  }

  /// Any command with fields that may fit it; one of them, the size or the number may be garbage.
  mutating func ioctl() -> TestRequest {
    let command = random.pick(IoctlCommand.allCases)
    var words = fields(of: command)
    if random.chance(20) {
      let garbage: [UInt32] = [0, 1, 2, 4, 8, 16, 0x8000_0000, .max, UInt32(random.below(64))]
      words[random.below(words.count)] = random.pick(garbage)
    }
    var bytes = IoctlText.argument(words)
    if random.chance(6) {
      let size = random.pick([0, 4, bytes.count - 1, bytes.count + 1, bytes.count + 8])
      bytes = Array((bytes + Array(repeating: random.chance(70) ? 0 : 1, count: 8)).prefix(size))
      if size >= 4, random.chance(80) { bytes[0] = UInt8(size) }
    }
    let context = random.chance(95) ? "default" : random.pick(["c1", "c2"])
    let number = random.chance(3) ? UInt32(0x3b7f + random.below(40)) : command.rawValue
    let argument = optional(98, "\"argument\":\"\(IoctlText.hex(bytes))\"")
    let memory = optional(90, "\"memory\":[{\"address\":65536,\"bytes\":\"\(userMemory())\"}]")
    let name = optional(20, "\"id\":\"\(random.pick(["i1", "v2", "n2", "x2", "e2", "s1"]))\"")
    return TestRequest(
      method: .post, path: "\(prefix)/contexts/\(context)/ioctl",
      body: "{\"number\":\(number)\(argument)\(memory)\(name)}")
  }

  /// What pointers point to: a valid entry of a guest, or entries of an invalidation.
  private mutating func userMemory() -> String {
    let words: [UInt32] = random.pick([
      [0xb, 0, 0, 0], [0xb, 0, 0, 0], [0, 1, 2, 0, 1, 3, 1, 1, 0, 0, 1, 0],
      (0..<12).map { _ in random.pick([0, 0, 0, 1, 1, 2, 3, 4, 0x1000, .max]) },
    ])
    return IoctlText.hex(words.flatMap { IoctlText.bytes(of: $0) })
  }

  /// A field of 64 bits, in two words.
  private static func wide(_ value: UInt64) -> [UInt32] {
    [UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32)]
  }

  /// Where the memory is that goes with the call.
  private static let pointer = wide(0x1_0000)

  private mutating func address() -> [UInt32] {
    RequestGenerator.wide(
      random.pick([0, 0x1000, 0x2000, 0x1_0000, 0x100_0000, 0x100_1000, 0x8000_0000, .max]))
  }

  private mutating func length() -> [UInt32] {
    RequestGenerator.wide(random.pick([0x1000, 0x1000, 0x2000, 0x800, 0x1_0000, 1, 0, .max]))
  }

  private mutating func rarely(_ word: UInt32) -> UInt32 { random.chance(5) ? word : 0 }

  /// The fields behind the size.
  private mutating func fields(of command: IoctlCommand) -> [UInt32] {
    switch command {
    case .destroy: [objectID(random.pick(ObjectKind.allCases))]
    case .ioasAlloc, .faultQueueAlloc:
      Array(repeating: rarely(1), count: command.size / 4 - 1)
    case .vfioIOAS: [objectID(.ioas), random.pick([0, 1, 1, 2, 3])]
    case .ioasChangeProcess: [rarely(1)]
    case .ioasMap, .ioasCopy, .ioasUnmap, .ioasMapFile, .ioasAllowIOVAs, .ioasIOVARanges, .option,
      .ioasNoIOMMUGetPA:
      addressSpaceFields(of: command)
    case .hwptAlloc, .viommuAlloc, .vdeviceAlloc, .veventqAlloc, .hwQueueAlloc:
      allocationFields(of: command)
    case .getHWInfo, .hwptSetDirtyTracking, .hwptGetDirtyBitmap, .hwptInvalidate:
      hardwareFields(of: command)
    }
  }

  private mutating func addressSpaceFields(of command: IoctlCommand) -> [UInt32] {
    let ioas = objectID(.ioas)
    let flags = random.pick([UInt32(7), 7, 6, 3, 5, 2, 1, 0, 8])
    switch command {
    case .ioasMap: return [flags, ioas, rarely(1)] + address() + length() + address()
    case .ioasMapFile: return [flags, ioas, 3] + address() + length() + address()
    case .ioasCopy: return [flags, ioas, objectID(.ioas)] + length() + address() + address()
    case .ioasUnmap: return [ioas] + address() + length()
    case .ioasAllowIOVAs:
      return [ioas, random.pick([0, 1, 1, 2, 9]), rarely(1)] + RequestGenerator.pointer
    case .ioasIOVARanges:
      return [ioas, random.pick([0, 1, 3]), rarely(1)] + RequestGenerator.pointer + [0, 0]
    case .option:
      return [UInt32(random.below(3)), UInt32(random.below(3)), random.chance(50) ? ioas : 0]
        + [UInt32(random.below(3)), 0]
    default: return [0, ioas, 0] + address() + length() + [0, 0]
    }
  }

  private mutating func allocationFields(of command: IoctlCommand) -> [UInt32] {
    let (device, viommu) = (objectID(.device), objectID(.viommu))
    switch command {
    case .hwptAlloc:
      let base = random.pick([ObjectKind.ioas, .viommu, .viommu, .domain])
      let data = random.pick(
        base == .ioas
          ? [[UInt32(0), 0], [0, 0], [0, 0], [0xdead, 8], [1, 0]]
          : [[2, 16], [2, 16], [0xdead, 4], [0xdead, 4], [0, 0], [2, 8]])
      let flags = random.pick(
        base == .ioas ? [UInt32(0), 0, 1, 2, 8, 16, 5] : [0, 0, 0, 4, 4, 8, 1])
      return [flags, device, objectID(base), 0, rarely(1)] + data + RequestGenerator.pointer + [
        objectID(.faultQueue), 0,
      ]
    case .viommuAlloc:
      let data = random.pick([
        [UInt32(1), 0], [2, 16], [2, 16], [0xdead_beef, 24], [0xdead_beef, 0], [9, 0],
      ])
      return [rarely(1), data[0], device, objectID(.domain), 0, data[1], 0]
        + RequestGenerator.pointer
    case .vdeviceAlloc: return [viommu, device, 0] + [UInt32(random.below(4)), 0]
    case .veventqAlloc:
      let type = random.pick([UInt32(1), 2, 7, 0xbeef_beef, 0])
      return [rarely(1), viommu, type, UInt32(random.below(4)), 0, 0, rarely(1)]
    default:
      let type = random.pick([UInt32(1), 0xdead_beef, 0])
      return [rarely(1), viommu, type, UInt32(random.below(3)), 0] + address() + length()
    }
  }

  private mutating func hardwareFields(of command: IoctlCommand) -> [UInt32] {
    switch command {
    case .getHWInfo:
      let type = random.pick([UInt32(0), 2, 3, 0xfeed_beef])
      return [UInt32(random.below(2)), objectID(.device), random.pick([UInt32(0), 8, 40, 48])]
        + RequestGenerator.pointer + [type, 0, 0, 0]
    case .hwptSetDirtyTracking: return [UInt32(random.below(2)), objectID(.domain), rarely(1)]
    case .hwptGetDirtyBitmap:
      return [objectID(.domain), 0, rarely(1)] + address() + length() + [0x1000, 0]
        + RequestGenerator.pointer
    default:
      let target = objectID(random.pick([.viommu, .viommu, .domain, .ioas]))
      let (length, count) = random.pick([(UInt32(12), UInt32(2)), (8, 3), (16, 1), (12, 0), (1, 1)])
      return [target] + RequestGenerator.pointer + [
        random.pick([0xdead_beef, 0xdead_beef, 1, 0]), length, count, rarely(1),
      ]
    }
  }
}

/// The bytes of system calls, as requests have them.
enum IoctlText {
  /// An argument of 32-bit fields behind its size.
  static func argument(_ words: [UInt32]) -> [UInt8] {
    ([UInt32(4 + words.count * 4)] + words).flatMap { bytes(of: $0) }
  }

  static func bytes(of word: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
  }

  static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }
}
