// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

@testable import IOMMUFD

/// Operations of a process on an iommufd, on a mock IOMMU.
extension SweptOperation {
  /// A guest in a context of its own, whose objects have the IDs that are in the comments.
  private static let guest: [(HTTPCore.Method, String, String)] = [
    put("smmus/m0", #""driver":"mock""#),
    put("contexts/k", ""),
    // 1 is the bus's own object, 2 the device.
    put("devices/d5", #""smmu":"m0","stream_id":1,"context":"k","pasid_bits":4"#),
    // 3
    put("ioas/k0", #""context":"k""#),
    post("ioas/k0/map", #""iova":"0x1000000","length":"0x10000""#),
    // 4, 5
    put("domains/kp", #""type":"paging","device":"d5","ioas":"k0","nest_parent":true"#),
    call(.viommuAlloc, [0, 0xdead_beef, 2, 4, 0, 24, 0] + pointer, [7], name: "kv"),
    // 6, 7
    put("vdevs/kx", #""viommu":"kv","device":"d5","virt_id":"0x99""#),
    put("fault-queues/kf", #""context":"k","file":"open""#),
    // 8, 9
    put("domains/kn", nested + #","fault_queue":"kf""#),
    put("domains/kr", #""type":"nested","device":"d5","domain":"kp","iotlb":1"#),
    // 10, 11 and 12
    put("veventqs/ke", #""viommu":"kv","type":"selftest","depth":2,"file":"open""#),
    put("hw-queues/kq", ring + #","index":0,"iova":"0x1000000""#),
    // 13, 14
    put(
      "domains/ks", #""type":"paging","device":"d5","ioas":"k0","pasid":true,"dirty_tracking":true"#
    ),
    put("accesses/ka", #""ioas":"k0""#),
    post("accesses/ka/pins", #""iova":"0x1004000","length":"0x1000""#),
    post("contexts/k/mmaps", window),
    put("ioas/k1", #""context":"k""#),
  ]

  private static let nested = #""type":"nested","device":"d5","viommu":"kv","iotlb":1"#
  private static let ring = #""viommu":"kv","type":"selftest","length":"0x1000""#
  private static let window = #""offset":"0x1000","length":"0x2000""#
  private static let attachNested = put("devices/d5/attachment", #""domain":"kn""#)
  /// Where a call's memory is.
  private static let pointer: [UInt32] = [0x1_0000, 0]

  private static func call(
    _ command: IoctlCommand, _ words: [UInt32], _ memory: [UInt32] = [], name: String? = nil
  ) -> (HTTPCore.Method, String, String) {
    let argument = IoctlText.hex(IoctlText.argument(words))
    let bytes = IoctlText.hex((memory + Array(repeating: 0, count: 8)).flatMap(IoctlText.bytes))
    return post(
      "contexts/k/ioctl",
      "\"number\":\(command.rawValue),\"argument\":\"\(argument)\","
        + "\"memory\":[{\"address\":65536,\"bytes\":\"\(bytes)\"}]"
        + (name.map { ",\"id\":\"\($0)\"" } ?? ""))
  }

  private static func operation(
    _ name: String, _ request: (HTTPCore.Method, String, String),
    after setUp: [(HTTPCore.Method, String, String)] = [], policy: ObjectCore.PinPolicy = .design
  ) -> SweptOperation {
    SweptOperation(
      name: name, method: request.0, path: request.1, body: request.2, setUp: guest + setUp,
      policy: policy)
  }

  private static func delete(_ path: String) -> (HTTPCore.Method, String, String) {
    (.delete, "/v1/hosts/t/\(path)", "")
  }

  static let kernelOperations = calls + mockObjects + accesses + files

  /// HWPT_INVALIDATE is not among them: its failure is an answer, which stands.
  private static let calls = [
    operation("call IOAS_ALLOC", call(.ioasAlloc, [0, 0])),
    operation("call HWPT_ALLOC", call(.hwptAlloc, [0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0])),
    operation(
      "call HWPT_ALLOC on a vIOMMU",
      call(.hwptAlloc, [4, 2, 5, 0, 0, 0xdead, 4] + pointer + [7, 0])),
    operation(
      "call HWPT_ALLOC on a parent",
      call(.hwptAlloc, [0, 2, 4, 0, 0, 0xdead, 4] + pointer + [0, 0])),
    operation(
      "call VIOMMU_ALLOC", call(.viommuAlloc, [0, 0xdead_beef, 2, 4, 0, 24, 0] + pointer)),
    operation(
      "call VDEVICE_ALLOC", call(.vdeviceAlloc, [5, 2, 0, 1, 0]), after: [delete("vdevs/kx")]),
    operation("call VEVENTQ_ALLOC", call(.veventqAlloc, [0, 5, 7, 1, 0, 0, 0])),
    operation("call FAULT_QUEUE_ALLOC", call(.faultQueueAlloc, [0, 0, 0])),
    operation(
      "call HW_QUEUE_ALLOC",
      call(.hwQueueAlloc, [0, 5, 0xdead_beef, 1, 0, 0x100_1000, 0, 0x1000, 0])),
    operation("call IOAS_MAP", call(.ioasMap, [6, 3, 0, 0, 0, 0x1000, 0, 0, 0])),
    operation(
      "call IOAS_COPY", call(.ioasCopy, [7, 15, 3, 0x10000, 0, 0x5000, 0, 0x100_0000, 0])),
    operation(
      "call IOAS_UNMAP", call(.ioasUnmap, [15, 0, 0, .max, .max]),
      after: [post("ioas/k1/map", #""length":4096"#), post("ioas/k1/map", #""length":4096"#)]),
    operation("call IOAS_ALLOW_IOVAS", call(.ioasAllowIOVAs, [15, 1, 0] + pointer, [0, 0, 1])),
    operation("call OPTION", call(.option, [1, 0, 15, 0, 0])),
    operation("call HWPT_SET_DIRTY_TRACKING", call(.hwptSetDirtyTracking, [1, 13, 0])),
    operation("call DESTROY", call(.destroy, [13])),
    operation("call DESTROY of a bus's object", call(.destroy, [1]), after: [attachNested]),
  ]

  private static let mockObjects = [
    operation("create mock", post("smmus", #""driver":"mock""#)),
    operation("create mock device", post("devices", #""smmu":"m0","stream_id":9,"context":"k""#)),
    operation(
      "create nested domain on a parent",
      post("domains", #""type":"nested","device":"d5","domain":"kp","iotlb":1"#)),
    operation("create mock hw-queue", post("hw-queues", ring + #","index":1,"iova":"0x1001000""#)),
    operation(
      "create veventq of no driver's type",
      post("veventqs", #""viommu":"kv","type":"7","depth":1,"file":"open""#)),
    operation("attach mock", attachNested),
    operation("attach to an object ID", put("devices/d5/attachment", #""object_id":3"#)),
    operation(
      "replace by an object ID", put("devices/d5/attachment?mode=replace", #""object_id":15"#),
      after: [put("devices/d5/attachment", #""ioas":"k0""#)]),
    operation(
      "attach the PASID that fails", put("devices/d5/attachments/9", #""domain":"ks""#),
      after: [put("devices/d5/attachment", #""domain":"ks""#)]),
    operation("detach mock", delete("devices/d5/attachment"), after: [attachNested]),
    operation("unplug mock", (.post, "/v1/hosts/t/devices/d5/unplug", ""), after: [attachNested]),
    operation(
      "attach behind VT-d", put("devices/d6/attachment", #""ioas":"k1""#),
      after: [
        put("smmus/t0", #""driver":"intel-vtd""#),
        put("devices/d6", #""smmu":"t0","stream_id":1,"context":"k""#),
      ]),
    operation(
      "replace behind VT-d", put("devices/d6/attachment", #""ioas":"k2""#),
      after: [
        put("smmus/t0", #""driver":"intel-vtd""#), put("ioas/k2", #""context":"k""#),
        put("devices/d6", #""smmu":"t0","stream_id":1,"context":"k""#),
        put("devices/d6/attachment", #""ioas":"k1""#),
      ]),
  ]

  private static let accesses = [
    operation("create access", post("accesses", #""ioas":"k0""#)),
    operation("delete access", delete("accesses/ka")),
    operation("move access", put("accesses/ka/ioas", #""ioas":"k1""#)),
    operation("pin pages", post("accesses/ka/pins", #""iova":"0x1004000","length":"0x2000""#)),
    operation("unpin pages", delete("accesses/ka/pins/0")),
    operation(
      "unmap under accesses", post("ioas/k0/unmap", #""iova":"0x1020000","length":"0x2000""#),
      after: [
        post("ioas/k0/map", #""iova":"0x1020000","length":"0x2000""#),
        put("accesses/kb", #""ioas":"k0""#),
        post("accesses/ka/pins", #""iova":"0x1020000","length":"0x1000""#),
        post("accesses/kb/pins", #""iova":"0x1021000","length":"0x1000""#),
      ]),
    operation("reserve", post("ioas/k1/reserved", #""start":"0x1000","length":"0x1000""#)),
  ]

  private static let files = [
    operation("map memory", post("contexts/k/mmaps", window)),
    operation("fork a mapping", (.post, "/v1/hosts/t/contexts/k/mmaps/1/fork", "")),
    operation("unmap memory", delete("contexts/k/mmaps/1")),
    operation("cascade mapped vIOMMU", delete("viommus/kv?cascade=true"), after: [attachNested]),
    operation("close context file", delete("contexts/k/file")),
    operation(
      "close the last file of a context", delete("veventqs/ke/file"),
      after: [
        (.post, "/v1/hosts/t/devices/d5/unplug", ""), delete("fault-queues/kf/file"),
        delete("contexts/k/file"),
      ]),
    operation(
      "unplug the last device of a context", (.post, "/v1/hosts/t/devices/d5/unplug", ""),
      after: [
        attachNested, delete("fault-queues/kf/file"), delete("veventqs/ke/file"),
        delete("contexts/k/file"),
      ]),
    operation(
      "cascade context with mappings and accesses", delete("contexts/k?cascade=true"),
      after: [attachNested]),
    operation(
      "cascade that as in Linux", delete("contexts/k?cascade=true"), after: [attachNested],
      policy: .linux),
    operation(
      "write responses",
      post("fault-queues/kf/responses", #""bytes":"0100000000000000""#),
      after: [
        attachNested, post("devices/d5/page-requests", #""pages":[{"address":0}]"#),
        post("devices/d5/page-requests", #""pages":[{"address":0}]"#),
        (.get, "/v1/hosts/t/fault-queues/kf/faults", ""),
      ]),
  ]
}
