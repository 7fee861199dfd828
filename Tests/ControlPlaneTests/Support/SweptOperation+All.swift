// SPDX-License-Identifier: Apache-2.0
import HTTPCore

extension SweptOperation {
  private static let host = "/v1/hosts/t"

  /// What is on the host before anything is swept.
  static let machine: [(HTTPCore.Method, String, String)] = [
    put("devices/d0", #""smmu":"smmu0","stream_id":1,"pasid_bits":4"#),
    put("devices/d1", #""smmu":"smmu0","stream_id":2,"group":"g","pasid_bits":4"#),
    put("devices/d2", #""smmu":"smmu0","stream_id":3,"group":"g","pasid_bits":4"#),
    put("ioas/i0", ""),
    post("ioas/i0/map", #""iova":"0x10000","length":"0x10000""#),
    put("domains/p0", #""type":"paging","device":"d0","ioas":"i0","nest_parent":true"#),
    put("domains/s0", #""type":"paging","device":"d0","ioas":"i0","pasid":true"#),
    put("domains/s1", #""type":"paging","device":"d0","ioas":"i0","pasid":true"#),
    put("viommus/v0", #""type":"tegra241-cmdqv","device":"d0","domain":"p0""#),
    put("vdevs/x0", #""viommu":"v0","device":"d0","virt_id":1"#),
    put("fault-queues/f0", #""file":"open""#),
    put("domains/n0", nested + #","fault_queue":"f0""#),
    put("domains/n1", nested),
    put("veventqs/e0", #""viommu":"v0","type":"arm-smmuv3","depth":2,"file":"open""#),
    put("hw-queues/q0", ring(0)),
  ]

  private static let nested = #""type":"nested","device":"d0","viommu":"v0","ste":["0xb",0]"#

  private static func ring(_ index: Int) -> String {
    #""viommu":"v0","type":"tegra241-cmdqv","length":"0x1000","index":"#
      + "\(index),\"iova\":\"0x1\(index)000\""
  }

  static func put(_ path: String, _ members: String) -> (HTTPCore.Method, String, String) {
    (.put, "\(host)/\(path)", "{\(members)}")
  }

  static func post(_ path: String, _ members: String) -> (HTTPCore.Method, String, String) {
    (.post, "\(host)/\(path)", "{\(members)}")
  }

  static func operation(
    _ name: String, _ method: HTTPCore.Method, _ path: String, _ members: String? = nil,
    after setUp: [(HTTPCore.Method, String, String)] = []
  ) -> SweptOperation {
    SweptOperation(
      name: name, method: method, path: "\(host)/\(path)", body: members.map { "{\($0)}" } ?? "",
      setUp: setUp)
  }

  private static let attachNested = put("devices/d0/attachment", #""domain":"n0""#)
  private static let attachGroup = [
    put("devices/d1/attachment", #""domain":"s0""#),
    put("devices/d2/attachment", #""domain":"s0""#),
  ]
  private static let attachToIOAS = put("devices/d0/attachment", #""ioas":"i0""#)

  static let all: [SweptOperation] =
    creations + attachments + deletions + others + kernelOperations

  private static let creations = [
    operation("create smmu", .post, "smmus", ""),
    operation("create context", .post, "contexts", ""),
    operation("create device", .post, "devices", #""smmu":"smmu0","stream_id":9"#),
    operation(
      "create device in an attached group", .post, "devices",
      #""smmu":"smmu0","stream_id":9,"group":"g""#, after: attachGroup),
    operation("create ioas", .post, "ioas", ""),
    operation(
      "create paging domain", .post, "domains",
      #""type":"paging","device":"d0","ioas":"i0","fault_queue":"f0""#),
    operation("create nested domain", .post, "domains", nested + #","fault_queue":"f0""#),
    operation(
      "create viommu", .post, "viommus", #""type":"tegra241-cmdqv","device":"d0","domain":"p0""#),
    operation("create vdev", .post, "vdevs", #""viommu":"v0","device":"d1","virt_id":7"#),
    operation("create hw-queue", .post, "hw-queues", ring(1)),
    operation(
      "create hw-queue with a thread of its own", .post, "hw-queues",
      ring(1) + #","execution":"async""#),
    operation(
      "create veventq", .post, "veventqs",
      #""viommu":"v0","type":"tegra241-cmdqv","depth":1,"file":"open""#),
    operation("create fault queue", .post, "fault-queues", #""file":"open""#),
  ]

  private static let attachments = [
    operation("attach", .put, "devices/d0/attachment", #""domain":"s0""#),
    operation("attach nested", .put, "devices/d0/attachment", #""domain":"n0""#),
    operation("attach to an ioas", .put, "devices/d0/attachment", #""ioas":"i0""#),
    operation("attach a group", .put, "devices/d1/attachment", #""domain":"s0""#),
    operation(
      "attach a PASID", .put, "devices/d0/attachments/3", #""domain":"s1""#,
      after: [put("devices/d0/attachment", #""domain":"s0""#)]),
    operation(
      "replace nested", .put, "devices/d0/attachment", #""domain":"n1""#, after: [attachNested]),
    operation(
      "replace an automatic domain", .put, "devices/d0/attachment", #""domain":"s0""#,
      after: [attachToIOAS]),
    operation(
      "replace for a group", .put, "devices/d1/attachment", #""domain":"s1""#, after: attachGroup),
    operation("detach nested", .delete, "devices/d0/attachment", after: [attachNested]),
    operation(
      "detach from an automatic domain", .delete, "devices/d0/attachment", after: [attachToIOAS]),
  ]

  private static let deletions = [
    operation("destroy", .delete, "domains/s0"),
    operation("cascade vdev", .delete, "vdevs/x0?cascade=true", after: [attachNested]),
    operation("cascade viommu", .delete, "viommus/v0?cascade=true", after: [attachNested]),
    operation("cascade ioas", .delete, "ioas/i0?cascade=true", after: [attachNested] + attachGroup),
    operation("cascade context", .delete, "contexts/default?cascade=true", after: [attachNested]),
    operation("cascade smmu", .delete, "smmus/smmu0?cascade=true", after: [attachNested]),
    SweptOperation(
      name: "cascade context as in Linux", method: .delete,
      path: "\(host)/contexts/default?cascade=true", setUp: [attachNested], policy: .linux),
    operation("unplug", .post, "devices/d0/unplug", after: [attachNested]),
    operation("close files", .delete, "veventqs/e0/file"),
  ]

  private static let others = [
    operation("map", .post, "ioas/i0/map", #""length":"0x3000""#),
    operation(
      "unmap", .post, "ioas/i0/unmap", #""iova":"0x30000","length":4096"#,
      after: [
        post("ioas/i0/map", #""iova":"0x30000","length":4096"#)
      ]),
    operation("follow", .get, "veventqs/e0/events?follow=true"),
    operation(
      "request pages", .post, "devices/d0/page-requests", #""pages":[{"address":0}]"#,
      after: [attachNested]),
    operation(
      "respond", .post, "fault-queues/f0/responses",
      #""responses":[{"cookie":1,"code":"success"}]"#,
      after: [
        attachNested, post("devices/d0/page-requests", #""pages":[{"address":0}]"#),
        (.get, "\(host)/fault-queues/f0/faults", ""),
      ]),
    operation("batch", .post, "batch", #""operations":["# + batch + "]"),
    // Writing registers and posting commands takes no step of its own: what comes behind fails.
    operation("batch of a guest's", .post, "batch", #""operations":["# + guestBatch + "]"),
  ]

  /// Fills the ring: what a failure left of it would leave no room the next time.
  private static let guestBatch = [
    #"{"method":"PUT","path":"/v1/hosts/t/viommus/v0/mmio/0x8","body":{"value":1}}"#,
    #"{"method":"POST","path":"/v1/hosts/t/hw-queues/q0/submit","body":{"commands":["#
      + Array(repeating: #"["0x46",0]"#, count: 256).joined(separator: ",") + "]}}",
    #"{"method":"POST","path":"/v1/hosts/t/hw-queues","as":"q","body":{"#
      + ring(1) + #","execution":"async"}}"#,
    #"{"method":"POST","path":"/v1/hosts/t/hw-queues/$q/submit","body":{"commands":["#
      + #"["0x46",0]]}}"#,
    #"{"method":"POST","path":"/v1/hosts/t/ioas","body":{}}"#,
  ].joined(separator: ",")

  private static let batch = [
    #"{"method":"POST","path":"/v1/hosts/t/ioas","body":{},"as":"i"}"#,
    #"{"method":"POST","path":"/v1/hosts/t/ioas/$i/map","body":{"length":4096}}"#,
    #"{"method":"PUT","path":"/v1/hosts/t/devices/d0/attachment","body":{"ioas":"$i"}}"#,
    #"{"method":"POST","path":"/v1/hosts/t/devices/d1/unplug"}"#,
    #"{"method":"DELETE","path":"/v1/hosts/t/ioas/$i?cascade=true"}"#,
  ].joined(separator: ",")
}
