// SPDX-License-Identifier: Apache-2.0

/// What is asked of the hardware past the objects.
extension Script {
  enum Hardware {
    static let requests =
      registers + memory + guests + queues + devices + decoders + machine + [
        ("GET", "/v1/hosts/h1/events", ""), ("DELETE", "/v1/hosts/h1", ""),
      ]

    private static let registers = [
      ("GET", "/v1/smmus/smmu0/mmio/0x0", ""), ("GET", "/v1/smmus/smmu0/mmio/0x80?width=64", ""),
      ("GET", "/v1/smmus/smmu0/mmio/0x1", ""), ("GET", "/v1/smmus/smmu0/mmio/0x0?width=64", ""),
      ("GET", "/v1/smmus/mock0/mmio/0x0", ""), ("GET", "/v1/smmus/bare0", ""),
      ("PUT", "/v1/smmus/bare0/mmio/0x2c", #"{"value":"0x6"}"#),
      ("PUT", "/v1/smmus/bare0/mmio/0x2c", #"{"value":"0x100000000"}"#),
      ("PUT", "/v1/smmus/bare0/mmio/0x20000", #"{"value":0}"#),
      ("PUT", "/v1/smmus/none/mmio/0x2c", #"{"value":0}"#),
    ]

    private static let memory = [
      ("PUT", "/v1/ioas/guest-memory/memory?iova=0x100ffe", "abcd"),
      ("GET", "/v1/ioas/guest-memory/memory?iova=0x100ffe&length=4", ""),
      ("GET", "/v1/ioas/guest-memory/memory?iova=0x10fffe&length=4", ""),
      ("GET", "/v1/ioas/guest-memory/memory?iova=0x100ffe", ""),
      ("PUT", "/v1/ioas/guest-memory/memory?iova=0x10fffe", "abcd"),
      ("PUT", "/v1/ioas/guest-memory/memory?iova=0x100000", ""),
      ("PUT", "/v1/ioas/none/memory?iova=0x100000", "abcd"),
    ]

    private static let guests = [
      ("POST", "/v1/viommus/v0/invalidate", #"{"commands":[{"name":"TLBI_NH_ALL"}]}"#),
      (
        "POST", "/v1/viommus/v0/invalidate",
        #"{"commands":[["0x10","0x0"],{"name":"CFGI_STE","fields":{"stream_id":32}}]}"#
      ),
      ("POST", "/v1/viommus/v0/invalidate", #"{"commands":[]}"#),
      ("POST", "/v1/viommus/none/invalidate", #"{"commands":[]}"#),
    ]

    private static let queues = [
      ("GET", "/v1/smmus/smmu0/mmio/0x200004", ""), ("GET", "/v1/smmus/smmu0/mmio/0x2b0000", ""),
      ("GET", "/v1/viommus/v0/mmio/0x8", ""), ("GET", "/v1/viommus/v0/mmio/0x4?width=64", ""),
      ("GET", "/v1/viommus/w0/mmio/0x0", ""), ("GET", "/v1/viommus/none/mmio/0x0", ""),
      ("PUT", "/v1/viommus/v0/mmio/0x10000", #"{"value":0}"#),
      ("PUT", "/v1/viommus/v0/mmio/0x8", #"{"value":0}"#),
      ("POST", "/v1/hw-queues/vcmdq0/submit", submission),
      ("PUT", "/v1/viommus/v0/mmio/0x8", #"{"value":1}"#),
      ("POST", "/v1/hw-queues/vcmdq0/submit", submission),
      ("POST", "/v1/hw-queues/vcmdq0/submit?dry_run=true", submission),
      ("POST", "/v1/hw-queues/vcmdq0/submit?describe=0", #"{"commands":[["0x7f","0x0"]]}"#),
      ("POST", "/v1/hw-queues/vcmdq0/submit", #"{"commands":[]}"#),
      ("POST", "/v1/hw-queues/vcmdq0/submit", manyCommands),
      ("POST", "/v1/hw-queues/wqueue0/submit", submission),
      ("POST", "/v1/hw-queues/none/submit", submission),
      ("GET", "/v1/hw-queues/vcmdq0", ""), ("GET", "/v1/hw-queues/wqueue0", ""),
      ("GET", "/v1/viommus/v0", ""), ("GET", "/v1/viommus?limit=2", ""),
      ("GET", "/v1/veventqs/errors0/events", ""),
      ("PUT", "/v1/viommus/v0/mmio/0x14", #"{"value":1}"#),
    ]

    private static let submission =
      #"{"commands":[{"name":"ATC_INV","fields":{"stream_id":"0x20"}},["0x46","0x0"]]}"#

    /// More than the ring has entries.
    private static let manyCommands =
      #"{"commands":["# + [String](repeating: #"["0x46",0]"#, count: 257).joined(separator: ",")
      + "]}"

    private static let devices = [
      ("POST", "/v1/devices/raw0/dma", #"{"iova":"0x80000000","access":"write","data":"2a"}"#),
      ("POST", "/v1/devices/raw0/dma", #"{"iova":0,"access":"read"}"#),
      ("POST", "/v1/devices/raw0/dma?dry_run=true", #"{"iova":0,"access":"read"}"#),
      ("POST", "/v1/devices/gpu0/dma", #"{"iova":"0x100000","access":"atomic","ats":true}"#),
      ("POST", "/v1/devices/dut0/dma", #"{"iova":0,"access":"read"}"#),
      ("POST", "/v1/devices/raw0/hardware-events", #"{"record":["0x10","0x0","0x0","0x0"]}"#),
      (
        "PUT", "/v1/devices/raw0/traffic",
        #"{"targets":[{"iova":"0x80000000","length":4096}],"rate":1,"pasids":["0x5"]}"#
      ),
      ("GET", "/v1/devices/raw0/traffic", ""), ("DELETE", "/v1/devices/raw0/traffic", ""),
      ("GET", "/v1/devices/raw0/traffic", ""), ("DELETE", "/v1/devices/raw0/traffic", ""),
      ("PUT", "/v1/devices/raw0/traffic", #"{"targets":[]}"#),
    ]

    private static let decoders = [
      ("POST", "/v1/decode/command", #"{"words":["0x7f","0x1"]}"#),
      ("POST", "/v1/decode/command", #"{"name":"SYNC","fields":{"completion":4}}"#),
      ("POST", "/v1/decode/command", #"{"name":"SYNC","fields":{"asid":4}}"#),
      ("POST", "/v1/decode/event", #"{"words":["0x500810","0x80000003",0,0]}"#),
      ("POST", "/v1/decode/event", #"{"words":[0]}"#),
    ]

    // MARK: A machine of its own

    /// Whose log has whatever hardware puts into one.
    static let machine =
      [
        ("PUT", "/v1/hosts/h1", host),
        ("POST", "/v1/hosts/h1/ioas/ram/map", #"{"iova":0,"length":"0x400000"}"#),
      ] + bare + stalls + stopped + [
        // The driver did not put a command there: the queue stops.
        ("PUT", "/v1/hosts/h1/smmus/smmu0/mmio/0x98", #"{"value":"0xff"}"#),
        ("PUT", "/v1/hosts/h1/ioas/ram/memory?iova=0x0", String(repeating: "x", count: 2 << 20)),
      ]

    private static let host = """
      {"record_stale_translations":true,"memory_bytes":1048576,"smmus":[\
      {"id":"bare0","driver":"arm-smmuv3-bare"},{"id":"smmu0","features":{"trace":true}}],\
      "devices":[{"id":"raw0","smmu":"bare0","stream_id":1},\
      {"id":"dsp0","smmu":"smmu0","stream_id":1,"stall":true}],"ioas":[{"id":"ram"}]}
      """

    private static func write(_ offset: String, _ value: String) -> (String, String, String) {
      ("PUT", "/v1/hosts/h1/smmus/bare0/mmio/\(offset)", #"{"value":"\#(value)"}"#)
    }

    /// A linear stream table at the begin of memory, of which stream 1 is changed without a
    /// command; then an illegal command.
    private static let bare = [
      ("PUT", "/v1/hosts/h1/ioas/ram/memory?iova=0x40", entry(9)),
      write("0x80?width=64", "0x80000000"), write("0x88", "0x4"), write("0x20", "0x1"),
      dma("raw0", "0x80001000"), ("PUT", "/v1/hosts/h1/ioas/ram/memory?iova=0x40", entry(1)),
      dma("raw0", "0x80001000"), write("0x50", "0x5"), write("0x90?width=64", "0x80002004"),
      write("0x20", "0x9"), write("0x98", "0x1"),
    ]

    /// A valid entry with the first byte.
    private static func entry(_ byte: UInt8) -> String {
      String(decoding: [byte] + [UInt8](repeating: 0, count: 63), as: UTF8.self)
    }

    private static func dma(_ device: String, _ iova: String) -> (String, String, String) {
      (
        "POST", "/v1/hosts/h1/devices/\(device)/dma",
        #"{"iova":"\#(iova)","access":"read","length":4}"#
      )
    }

    /// A guest's queue with a command that is none.
    private static let stopped = [
      (
        "PUT", "/v1/hosts/h1/domains/s2",
        #"{"type":"paging","device":"dsp0","ioas":"ram","nest_parent":true}"#
      ),
      (
        "PUT", "/v1/hosts/h1/viommus/v0",
        #"{"type":"tegra241-cmdqv","device":"dsp0","domain":"s2"}"#
      ),
      (
        "PUT", "/v1/hosts/h1/hw-queues/q0",
        #"{"viommu":"v0","type":"tegra241-cmdqv","index":0,"iova":"0x10000","length":"0x1000"}"#
      ),
      ("PUT", "/v1/hosts/h1/viommus/v0/mmio/0x8", #"{"value":1}"#),
      ("POST", "/v1/hosts/h1/hw-queues/q0/submit", #"{"commands":[["0x7f","0x0"]]}"#),
    ]

    private static let stalls = [
      ("PUT", "/v1/hosts/h1/fault-queues/f0", ""),
      (
        "PUT", "/v1/hosts/h1/domains/s1",
        #"{"type":"paging","device":"dsp0","ioas":"ram","fault_queue":"f0"}"#
      ),
      ("PUT", "/v1/hosts/h1/devices/dsp0/attachment", #"{"domain":"s1"}"#),
      dma("dsp0", "0x800000"), dma("dsp0", "0x0"),
      ("POST", "/v1/hosts/h1/devices/dsp0/hardware-events", #"{"record":[1,0,0,0]}"#),
      ("POST", "/v1/hosts/h1/devices/dsp0/page-requests", #"{"pages":[{"address":0}]}"#),
      ("GET", "/v1/hosts/h1/fault-queues/f0/faults", ""),
      (
        "POST", "/v1/hosts/h1/fault-queues/f0/responses",
        #"{"responses":[{"cookie":1,"code":"success"},{"cookie":2,"code":"invalid"}]}"#
      ),
    ]
  }
}
