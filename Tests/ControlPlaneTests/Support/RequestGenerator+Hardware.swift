// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What is done to the hardware: accesses, memory, registers, a guest's commands.
extension RequestGenerator {
  /// Any request to the hardware that the same host answers alike each time.
  mutating func hardware() -> TestRequest {
    switch random.below(26) {
    case 0...6: return dma()
    case 7...9: return memory()
    case 10...12: return register()
    case 13...17: return invalidation()
    case 18...20: return window()
    case 21...23: return submission()
    default: return decoding()
    }
  }

  private mutating func dma() -> TestRequest {
    let access = random.pick(["read", "write", "atomic", "write"])
    let data =
      access == "read"
      ? "" : optional(60, "\"data\":\"\(random.pick(["00", "0b0b0b0b", "x", ""]))\"")
    let length = optional(30, "\"length\":\(random.pick([0, 1, 8, 4096, 5000, 1_048_577]))")
    let pasid = optional(25, "\"pasid\":\(random.pick([0, 1, 2, 15, 16, 1_048_575, 1_048_576]))")
    let flags =
      optional(10, "\"privileged\":\(flag(50))") + optional(10, "\"instruction\":\(flag(50))")
      + optional(15, "\"ats\":\(flag(70))")
    return TestRequest(
      method: .post, path: "\(prefix)/devices/\(device())/dma",
      body: "{\"iova\":\"\(address())\",\"access\":\"\(access)\"\(data)\(length)\(pasid)\(flags)}")
  }

  mutating func address() -> String {
    random.pick([
      "0x0", "0x1000", "0x1ffc", "0x2000", "0x4000", "0x10000", "0x10ff8", "0x80001000",
      "0xffffffffffff", "0xfffffffffffff000", "0xffffffffffffffff",
    ])
  }

  private mutating func memory() -> TestRequest {
    let path = "\(prefix)/ioas/\(ioas())/memory?iova=\(address())"
    if random.chance(40) {
      return TestRequest(
        method: .get, path: path + "&length=\(random.pick([0, 1, 8, 4096, 5000, 8_388_609]))")
    }
    // Tables, descriptors and entries now and then; the bytes of a body are text here.
    let size = random.pick([0, 1, 8, 64, 5000])
    let byte = random.pick(["\u{1}", "\u{3}", "\u{b}", "a", "\u{7f}"])
    return TestRequest(method: .put, path: path, body: String(repeating: byte, count: size))
  }

  private mutating func register() -> TestRequest {
    // Mostly of the SMMU that has no driver to break.
    let smmu = random.chance(90) ? "bare0" : random.pick(["smmu0", "m0", "s1"])
    let offset = random.pick([
      0, 0x14, 0x20, 0x24, 0x28, 0x2c, 0x44, 0x50, 0x60, 0x64, 0x80, 0x84, 0x88, 0x90, 0x98, 0x9c,
      0xa0, 0xb0, 0xc0, 0xe00, 0x100a8, 0x100ac, 0x1fffc, 0x20000, 3, 0x7fff_ffff_ffff,
      // The CMDQV, which is behind them.
      0x20_0000, 0x20_0004, 0x20_0014, 0x20_001c, 0x20_0208, 0x20_1100, 0x20_1140, 0x20_11c0,
      0x21_0104, 0x25_0000, 0x25_0004, 0x25_0008, 0x26_0000, 0x2a_fffc, 0x2b_0000,
    ])
    let width = random.pick(["", "", "?width=32", "?width=64", "?width=7"])
    let path = "\(prefix)/smmus/\(smmu)/mmio/0x\(String(offset, radix: 16))\(width)"
    // A driver's own registers are only read: what a guest does is to be seen, not a broken host.
    if random.chance(40) || smmu == "smmu0" { return TestRequest(method: .get, path: path) }
    return TestRequest(method: .put, path: path, body: "{\"value\":\"\(registerValue())\"}")
  }

  private mutating func registerValue() -> String {
    random.pick([
      "0x0", "0x1", "0x8", "0x1d", "0x1f", "0x80100000", "0xffffffff", "0x80000003", "0x80001005",
      "0x100000000", "0xffffffffffffffff", "0x400000008000000a", "0x8001", "0x7", "0x20001",
    ])
  }

  // MARK: Guests' queues

  /// A register of the queues that a guest has mapped, mostly those of one that is there.
  private mutating func window() -> TestRequest {
    let offset =
      random.pick([0, 0, 0, 0x80, 0x100, 0xff80])
      + random.pick([0, 4, 4, 8, 8, 8, 0xc, 0x10, 0x14, 0x14, 0x18, 2, 0x7c])
    let width = random.pick(["", "", "", "", "?width=32", "?width=64"])
    let path = "\(prefix)/viommus/\(viommu())/mmio/0x\(String(offset, radix: 16))\(width)"
    if random.chance(30) { return TestRequest(method: .get, path: path) }
    let value = random.pick(["0x1", "0x1", "0x0", "0x2", "0x5", "0x101", "0xffffffff"])
    return TestRequest(method: .put, path: path, body: "{\"value\":\"\(value)\"}")
  }

  private mutating func submission() -> TestRequest {
    let path = "\(prefix)/hw-queues/\(ring())/submit" + random.pick(["", "", "?describe=1"])
    if random.chance(30) {
      // TLBI_NH_ASID, SYNC, ATC_INV and what is none, as the ring has them.
      let commands = (0..<random.pick([1, 1, 2, 5])).map { _ in
        random.pick(["\u{11}", "\u{46}", "\u{40}", "\u{3}"]) + String(repeating: "\0", count: 15)
      }
      return TestRequest(
        method: .post, path: path, body: commands.joined() + random.pick(["", "", "", "x"]),
        headers: [.contentType: "application/octet-stream"])
    }
    let commands = (0..<random.pick([0, 1, 1, 2, 5, 300])).map { _ in command() }
    return TestRequest(
      method: .post, path: path, body: "{\"commands\":[\(commands.joined(separator: ","))]}")
  }

  private mutating func invalidation() -> TestRequest {
    let commands = (0..<random.pick([0, 1, 1, 2, 5])).map { _ in command() }
    return TestRequest(
      method: .post, path: "\(prefix)/viommus/\(viommu())/invalidate",
      body: "{\"commands\":[\(commands.joined(separator: ","))]}")
  }

  private mutating func command() -> String {
    random.pick(weighted: [
      (4, "[\"0x10\",\"0x0\"]"), (4, "{\"name\":\"TLBI_NH_ASID\",\"fields\":{\"asid\":5}}"),
      (3, "{\"name\":\"CFGI_CD\",\"fields\":{\"stream_id\":1,\"leaf\":1}}"),
      (3, "{\"name\":\"ATC_INV\",\"fields\":{\"stream_id\":1,\"size\":52}}"),
      (2, "[\"0x5000000002012\",\"0x1400\"]"), (1, "{\"name\":\"CFGI_STE\"}"),
      (1, "[\"0x\(String(random.next(), radix: 16))\",\"0x\(String(random.next(), radix: 16))\"]"),
      (1, "[1]"), (1, "{\"name\":\"SYNC\",\"fields\":{\"x\":1}}"), (1, "null"),
    ])
  }

  private mutating func decoding() -> TestRequest {
    let isEvent = random.chance(30)
    let words = (0..<(isEvent ? 4 : 2)).map { _ in "\"0x\(String(random.next(), radix: 16))\"" }
    let body = random.chance(85) ? "{\"words\":[\(words.joined(separator: ","))]}" : "{\"name\":1}"
    return TestRequest(
      method: .post, path: "/v1/decode/\(isEvent ? "event" : "command")", body: body)
  }

  // MARK: What is never twice the same

  /// Traffic, whose events come when they come.
  mutating func traffic() -> TestRequest {
    let path = "\(prefix)/devices/\(device())/traffic"
    switch random.below(4) {
    case 0: return TestRequest(method: .get, path: path)
    case 1: return TestRequest(method: .delete, path: path)
    default:
      let length = random.pick(["0x0", "0x8", "0x1000", "0x10000", "0xffffffffffffffff"])
      let rate = optional(70, "\"rate\":\(random.pick([0, 1, 100, 10_000, 100_000_000]))")
      let more =
        optional(20, "\"length\":\(random.pick([0, 1, 64, 4096, 4097]))")
        + optional(20, "\"pasids\":[0,\(random.pick([1, 15, 1_048_576]))]")
        + optional(20, "\"write_percent\":\(random.pick([-1, 0, 100, 101]))")
      return TestRequest(
        method: .put, path: path,
        body: "{\"targets\":[{\"iova\":\"\(address())\",\"length\":\"\(length)\"}]\(rate)\(more)}")
    }
  }

  /// A request to the hardware with a body or a path that makes no sense.
  mutating func garbage() -> TestRequest {
    var request = random.chance(30) ? traffic() : hardware()
    switch random.below(6) {
    case 0: request.body = random.pick(["{", "null", "[]", "{\"iova\":{}}", "\u{0}", "{\"a\":1}"])
    case 1: request.body = String(request.body.reversed())
    case 2: request.body = String(request.body.prefix(random.below(request.body.utf8.count + 1)))
    case 3: request.method = random.pick([.get, .put, .post, .delete, .patch])
    case 4:
      request.addQuery(random.pick(["width=64", "iova=0x", "length=-1", "x=y", "dry_run=true"]))
    default: break
    }
    return request
  }
}
