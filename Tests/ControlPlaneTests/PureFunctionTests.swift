// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Hashing
import IOMMUHardware
import Testing

@testable import ControlPlane

@Suite struct PureFunctionTests {
  // MARK: SHA-256

  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
        + "klmnopqrlmnopqrsmnopqrstnopqrstu",
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
  ])
  func digestIsThatOfTheStandard(_ text: String, _ expected: String) {
    #expect(SHA256.hex(of: text.utf8) == expected)
  }

  @Test func digestOfAMillionLettersIsThatOfTheStandard() {
    var hash = SHA256()
    for _ in 0..<1000 { hash.update(repeatElement(UInt8(ascii: "a"), count: 1000)) }
    #expect(
      hash.finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test(arguments: [55, 56, 63, 64, 65, 119, 120, 128])
  func digestDoesNotDependOnHowTheBytesCome(_ count: Int) {
    let bytes = (0..<count).map { UInt8($0) }
    for cut in [0, 1, count / 2, count] {
      var hash = SHA256()
      hash.update(bytes[..<cut])
      hash.update(bytes[cut...])
      #expect(hash.finish() == SHA256.hex(of: bytes))
    }
  }

  // MARK: Time

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000000Z"), (1, "1970-01-01T00:00:00.000001Z"),
      (-1, "1969-12-31T23:59:59.999999Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
      (951_868_799_999_999, "2000-02-29T23:59:59.999999Z"),
      (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
      (1_709_164_800_000_000, "2024-02-29T00:00:00.000000Z"),
      (1_677_628_799_000_000, "2023-02-28T23:59:59.000000Z"),
      (1_677_628_800_000_000, "2023-03-01T00:00:00.000000Z"),
      (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
      (4_107_542_399_000_000, "2100-02-28T23:59:59.000000Z"),
      (-2_203_891_200_000_000, "1900-03-01T00:00:00.000000Z"),
      (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
      (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
      (1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"),
    ] as [(Int64, String)])
  func timeIsWrittenAsRFC3339HasIt(_ microseconds: Int64, _ expected: String) {
    var bytes: [UInt8] = []
    Timestamp(microseconds: microseconds).append(to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
  }

  // MARK: Negotiation

  private static let offers = ["application/x-ndjson", "text/event-stream"]

  private func choice(_ accept: String?) throws -> String? {
    var headers = Headers()
    if let accept { headers.add(.accept, accept) }
    let request = Request(head: RequestHead(method: .get, target: .root, headers: headers))
    do throws(Problem) {
      return try Accept.require(PureFunctionTests.offers, request)
    } catch {
      #expect(error.code == .notAcceptable)
      return nil
    }
  }

  @Test(
    arguments: [
      (nil, 0), ("*/*", 0), ("text/event-stream", 1), ("text/*", 1), ("application/*", 0),
      ("text/event-stream, application/x-ndjson", 0),
      ("text/event-stream;q=0.9, application/x-ndjson;q=0.5", 1),
      ("*/*;q=0.1, text/event-stream;q=0.2", 1), ("*/*, application/x-ndjson;q=0", 1),
      ("application/x-ndjson; q=0, */*", 1), ("TEXT/Event-Stream", 1), ("text/html, */*;q=0.1", 0),
      (" text/event-stream ;\tq=1 ", 1), ("text/html", nil), ("*/*;q=0", nil),
      ("application/json", nil), ("text/*;q=x", nil), ("text/*;q=nan", nil),
    ] as [(String?, Int?)])
  func clientGetsWhatItLikesBest(_ accept: String?, _ expected: Int?) throws {
    #expect(try choice(accept) == expected.map { PureFunctionTests.offers[$0] })
  }

  // MARK: Entity tags

  @Test(arguments: [
    ("\"e1-5\"", true), ("*", true), ("\"a\", \"e1-5\"", true), ("\"a\",\"e1-5\"", true),
    ("W/\"e1-5\"", true), (" \"e1-5\" ", true), ("\"e1-50\"", false), ("e1-5", false), ("", false),
    ("\"a\", \"b\"", false), (",", false),
  ])
  func listOfTagsHasATag(_ list: String, _ hasIt: Bool) {
    #expect(EntityTag.list(list, contains: EntityTag(text: "\"e1-5\"")) == hasIt)
    #expect(!EntityTag.list(list, contains: nil))
  }

  // MARK: Repetitions

  private func reply(_ size: Int, status: Int = 200) -> Response {
    Response(status: status, body: .bytes(Array(repeating: 0, count: size)))
  }

  @Test func oldestAnswerGoesFirst() throws {
    var store = IdempotencyStore()
    for number in 0..<IdempotencyStore.entryLimit { store.keep(reply(1), "k\(number)", "f") }
    #expect(try store.reply("k0", "f") != nil)
    store.keep(reply(1), "new", "f")
    #expect(try store.reply("k0", "f") == nil)
    #expect(try store.reply("k1", "f") != nil)
    #expect(try store.reply("new", "f") != nil)
  }

  @Test func answersTakeNoMoreBytesThanTheirLimit() throws {
    var store = IdempotencyStore()
    let size = IdempotencyStore.byteLimit / 4
    for number in 0..<4 { store.keep(reply(size - 100), "k\(number)", "f") }
    #expect(try store.reply("k0", "f") != nil)
    store.keep(reply(size), "k4", "f")
    #expect(try store.reply("k0", "f") == nil)
    #expect(try store.reply("k1", "f") != nil)
  }

  @Test func keyIsGoodForOneRequest() throws {
    var store = IdempotencyStore()
    store.keep(reply(1, status: 201), "k", "f")
    let again = try #require(try store.reply("k", "f"))
    #expect(again.status == 201)
    #expect(again[.idempotentReplayed] == "true")
    let problem = #expect(throws: Problem.self) { try store.reply("k", "other") }
    #expect(problem?.faults.first?.pointer == "Idempotency-Key")
    // The first answer stays.
    store.keep(reply(1, status: 409), "k", "f")
    #expect(try store.reply("k", "f")?.status == 201)
  }

  @Test func failuresOfTheServerAreNotKept() throws {
    var store = IdempotencyStore()
    store.keep(reply(1, status: 500), "k", "f")
    #expect(try store.reply("k", "f") == nil)
  }

  // MARK: Memory

  @Test func memoryIsTakenAtTheLowestAddressThatFits() {
    var memory = PhysicalMemoryMap(size: 0x10000)
    let base = PhysicalMemoryMap.base
    #expect(memory.allocate(0x40, alignment: 0x40) == base)
    #expect(memory.allocate(0x1000, alignment: 0x1000) == base + 0x1000)
    // The gap that the alignment left is used.
    #expect(memory.allocate(0x40, alignment: 0x40) == base + 0x40)
    #expect(memory.allocate(0x10000, alignment: 1) == nil)
    memory.free(base + 0x1000, 0x1000)
    memory.free(base, 0x40)
    memory.free(base + 0x40, 0x40)
    #expect(memory.allocate(0x10000, alignment: 0x1000) == base)
    #expect(memory.allocate(1, alignment: 1) == nil)
  }

  @Test func memoryThatIsNamedIsNotHandedOut() {
    var memory = PhysicalMemoryMap(size: 0x10000)
    let base = PhysicalMemoryMap.base
    memory.retain(base + 0x1000, 0x2000)
    memory.retain(base + 0x2000, 0x2000)
    #expect(memory.takenBytes == 0x3000)
    #expect(memory.allocate(0x1000, alignment: 1) == base)
    #expect(memory.allocate(0x1000, alignment: 1) == base + 0x4000)
    // One of its two users is left.
    memory.free(base + 0x1000, 0x2000)
    #expect(memory.allocate(0x2000, alignment: 1) == base + 0x5000)
    #expect(memory.allocate(0x1000, alignment: 1) == base + 0x1000)
    // What is named within an allocation stays when that goes.
    memory.retain(base + 0x5000, 0x1000)
    memory.free(base + 0x5000, 0x2000)
    #expect(memory.allocate(0x2000, alignment: 1) == base + 0x6000)
    // What is no memory is nobody's.
    memory.retain(0, 0x1000)
    memory.retain(.max - 0xfff, 0x1000)
    #expect(memory.takenBytes == 0x8000)
  }

  @Test(arguments: [UInt64.max, 1 << 63, 0x10001])
  func memoryThatThereIsNotIsNotTaken(_ length: UInt64) {
    var memory = PhysicalMemoryMap(size: 0x10000)
    #expect(memory.allocate(length, alignment: 1) == nil)
    #expect(memory.allocate(0x1000, alignment: 1 << 63) == nil)
  }
}
