// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import SeededRandom
import TestSupport
import Testing

/// The decoders, which are about no host.
@Suite("Commands and records are decoded, and commands encoded") struct DecodeTests {
  static let commands: [(words: [UInt64], name: String, fields: [String: UInt64])] = [
    ([0x0000_0042_0000_0003, 1], "CFGI_STE", ["stream_id": 0x42, "leaf": 1]),
    ([0x04, 0x1f], "CFGI_STE_RANGE", ["stream_id": 0, "range": 0x1f]),
    (
      [0x0005_0003_0020_3012, 0x1234_5701], "TLBI_NH_VA",
      [
        "vmid": 3, "asid": 5, "scale": 2, "num": 3, "leaf": 1, "ttl": 3, "tg": 1,
        "address": 0x1234_5000,
      ]
    ),
    (
      [0x0000_0010_0012_3a40, 52], "ATC_INV",
      ["global": 1, "substream_valid": 1, "substream_id": 0x123, "stream_id": 0x10, "size": 52]
    ),
    ([0x0000_0042_0000_1044, 7], "RESUME", ["stream_id": 0x42, "response": 1, "stag": 7]),
    ([0x0fc0_1046, 0x8000_0000], "SYNC", ["completion": 1, "msi_address": 0x8000_0000]),
    ([0x0000_0000_0000_007f, 9], "UNKNOWN", ["dw0": 0x7f, "dw1": 9]),
    ([0x8000_0000_0000_0030, 2], "TLBI_NSNH_ALL", ["reserved1": 2]),
  ]

  @Test("Words become names and fields, and these the words", arguments: commands)
  func both(_ command: (words: [UInt64], name: String, fields: [String: UInt64])) throws {
    let lab = try Lab()
    let answer = try lab.send(
      "POST", "/v1/decode/command", #"{"words":\#(hexes(command.words))}"#)
    #expect(answer.status == 200)
    #expect(answer.json["name"].string == command.name)
    for (name, value) in command.fields {
      #expect(answer.json["fields"][name].quantity == value, "\(name) of \(answer)")
    }
    let back = try lab.send(
      "POST", "/v1/decode/command",
      #"{"name":"\#(command.name)","fields":\#(answer.json["fields"])}"#)
    #expect(back.status == 200)
    #expect(back.json == answer.json)
  }

  @Test("Any sixteen bytes come back as they were")
  func anyWords() throws {
    let lab = try Lab()
    var random = SplitMix64(seed: 11)
    for round in 0..<600 {
      var words = [random.next(), random.next()]
      if round % 2 == 0 { words[0] = words[0] & ~0xff | UInt64(round % 256) }
      let answer = try lab.send("POST", "/v1/decode/command", #"{"words":\#(hexes(words))}"#).json
      #expect(answer["words"].words == words)
      let back = try lab.send(
        "POST", "/v1/decode/command",
        #"{"name":"\#(answer["name"].string ?? "")","fields":\#(answer["fields"])}"#)
      #expect(back.json["words"].words == words, "\(answer)")
    }
  }

  @Test(
    "What says no command is refused",
    arguments: [
      "{}", #"{"name":"NOTHING"}"#, #"{"name":"SYNC","fields":{"x":1}}"#,
      #"{"name":"SYNC","fields":[]}"#, #"{"name":"SYNC","fields":{"completion":4}}"#,
      #"{"name":"SYNC","fields":{"completion":"a"}}"#, #"{"words":["0x1"]}"#,
      #"{"words":["0x1","0x2","0x3"]}"#, #"{"words":[1,2],"name":"SYNC"}"#,
      #"{"name":"TLBI_NH_VA","fields":{"address":"0x1001"}}"#, #"{"fields":{}}"#,
      #"{"words":[1,"x"]}"#, #"{"words":[1,2],"more":1}"#, "[]", "", "{",
    ])
  func refused(_ body: String) throws {
    let lab = try Lab()
    let answer = try lab.send("POST", "/v1/decode/command", body)
    #expect([400, 422].contains(answer.status), "\(answer)")
  }

  @Test("Records are taken apart")
  func records() throws {
    let lab = try Lab()
    let record: [UInt64] = [0x0000_0042_0012_3810, 0x0000_0288_8000_0007, 0x1234_5678, 0x9000]
    let answer = try lab.send("POST", "/v1/decode/event", #"{"words":\#(hexes(record))}"#).json
    #expect(answer["name"].string == "F_TRANSLATION" && answer["id"].quantity == 0x10)
    #expect(answer["stream_id"].int == 0x42 && answer["substream_id"].int == 0x123)
    #expect(answer["stalled"].bool == true && answer["stage2"].bool == true)
    #expect(answer["read"].bool == true && answer["address"].quantity == 0x1234_5678)
    #expect(answer["words"].words == record)
    #expect(answer["class"].string == "IN" && answer["stag"].int == 7)
    #expect(answer["instruction"].bool == false && answer["privileged"].bool == false)
    #expect(answer["ipa"].quantity == 0x9000 && answer["fetch_address"].isNull)
    for body in [#"{"words":[1,2,3]}"#, "{}", #"{"words":1}"#, #"{"words":[1,2,3,"y"]}"#] {
      #expect(try lab.send("POST", "/v1/decode/event", body).status == 422, "\(body)")
    }
    let fetch = #"{"words":\#(hexes([0x03, 0, 0, 0x1_2345]))}"#
    let aborted = try lab.send("POST", "/v1/decode/event", fetch).json
    #expect(aborted["fetch_address"].quantity == 0x1_2340 && aborted["ipa"].isNull)
    #expect(aborted["class"].isNull && aborted["stag"].isNull)
    for id in UInt64(0)..<256 {
      #expect(
        try lab.send("POST", "/v1/decode/event", #"{"words":\#(hexes([id, .max, .max, .max]))}"#)
          .status == 200)
    }
  }
}
