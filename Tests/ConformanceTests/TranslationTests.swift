// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Conformance

/// What is sent for an operation.
///
/// The server that is asked numbers the objects from 1 in the order in which they are made.
@Suite struct TranslationTests {
  /// ioas0 is 1, dev0 2 (its self-test object 102), hp 3, v0 4, f0 5, vd0 6, e0 7, n0 8, q0 9.
  private static let setup = [
    "ioas_alloc ioas0", "create_mock_domain dev0 pt=ioas0",
    "hwpt_alloc hp dev=dev0 pt=ioas0 flags=nest_parent", "viommu_alloc v0 dev=dev0 hwpt=hp",
    "fault_alloc f0", "vdevice_alloc vd0 viommu=v0 dev=dev0 virt_id=1",
    "veventq_alloc e0 viommu=v0",
    "hwpt_alloc n0 dev=dev0 pt=v0 data=selftest", "hw_queue_alloc q0 viommu=v0 index=1 iova=0x1000",
  ]

  /// What is sent for the last of some operations, without the looking around behind it.
  private func sent(_ scripts: [String], _ server: FakeServer = FakeServer()) throws -> String {
    let stage = Stage(HostClient(id: "h1", server))
    for script in scripts {
      stage.client.forgetExchanges()
      let operation = TraceOperation(script: script)
      let definition = try OperationRegistry.definition(of: operation)
      // What a fake server answers need not make sense.
      _ = try? definition.play(stage, Arguments(operation))
    }
    let first = try #require(stage.client.exchanges.first)
    return first.request.text.replacing("/v1/hosts/h1", with: "", maxReplacements: 1)
  }

  private func expect(_ script: String, sends expected: String) throws {
    let text = try sent(TranslationTests.setup + [script])
    #expect(text == expected, "\(script)")
  }

  private static func ioctl(_ number: String, _ argument: String, _ more: String = "") -> String {
    #"POST /contexts/default/ioctl {"number":"0x\#(number)","argument":"\#(argument)"\#(more)}"#
  }

  private static func memory(_ bytes: String) -> String {
    #","memory":[{"address":"0x10000","bytes":"\#(bytes)"}]"#
  }

  // MARK: Resources

  @Test(
    arguments: [
      ("ioas_alloc i1", #"POST /ioas {"id":"i1","context":"default"}"#),
      ("ioas_alloc iB", #"POST /ioas {"id":"i-b","context":"default"}"#),
      (
        "ioas_map ioas0 iova=0x1000 length=8192 off=0x800",
        #"POST /ioas/ioas0/map {"iova":"0x1000","length":"0x2000","physical":"0x100000800","#
          + #""readable":true,"writable":true}"#
      ),
      (
        "ioas_map ioas0 iova=0x1000 flags=r",
        #"POST /ioas/ioas0/map {"length":"0x1000","physical":"0x100000000","#
          + #""readable":true,"writable":false}"#
      ),
      (
        "ioas_unmap ioas0 iova=0x1000",
        #"POST /ioas/ioas0/unmap {"iova":"0x1000","length":"0x1000"}"#
      ),
      (
        "ioas_unmap_all ioas0",
        #"POST /ioas/ioas0/unmap {"iova":"0x0","length":"0xffffffffffffffff"}"#
      ),
      (
        "add_reserved ioas0 start=0x5000 length=4096",
        #"POST /ioas/ioas0/reserved {"start":"0x5000","length":"0x1000"}"#
      ),
      (
        "hwpt_alloc h dev=dev0 pt=ioas0 flags=dirty|pasid fault=f0",
        #"POST /domains {"id":"h","type":"paging","device":"dev0","ioas":"ioas0","#
          + #""dirty_tracking":true,"pasid":true,"fault_queue":"f0"}"#
      ),
      (
        "hwpt_alloc n dev=nosuch pt=v0 data=selftest iotlb=0x11",
        #"POST /domains {"id":"n","type":"nested","device":"nosuch","viommu":"v0","iotlb":"0x11"}"#
      ),
      (
        "hwpt_alloc n dev=dev0 pt=hp data=selftest flags=pasid",
        #"POST /domains {"id":"n","type":"nested","device":"dev0","domain":"hp","#
          + #""iotlb":"0xbadbeef","pasid":true}"#
      ),
      (
        "viommu_alloc v dev=ioas0 hwpt=hp",
        #"POST /viommus {"id":"v","type":"selftest","device":"ioas0","domain":"hp"}"#
      ),
      (
        "vdevice_alloc vd viommu=nosuch dev=dev0 virt_id=0xffffffffffffffff",
        #"POST /vdevs {"id":"vd","viommu":"nosuch","device":"dev0","virt_id":"0xffffffffffffffff"}"#
      ),
      (
        "hw_queue_alloc q viommu=v0 index=0xffffffff iova=0x1000 length=1",
        #"POST /hw-queues {"id":"q","viommu":"v0","type":"selftest","index":4294967295,"#
          + #""iova":"0x1000","length":"0x1"}"#
      ),
      (
        "veventq_alloc e viommu=v0 type=7",
        #"POST /veventqs {"id":"e","viommu":"v0","type":"7","depth":2,"file":"open"}"#
      ),
      ("fault_alloc f", #"POST /fault-queues {"id":"f","context":"default","file":"open"}"#),
      ("access_create a ioas=ioas0 pin=1", #"POST /accesses {"id":"a","ioas":"ioas0","pin":true}"#),
    ])
  func `what a resource has a place for goes to the resource`(
    script: String, request: String
  ) throws {
    try expect(script, sends: request)
  }

  @Test(
    arguments: [
      ("attach dev0 pt=n0", #"PUT /devices/dev0/attachment?mode=attach {"domain":"n0"}"#),
      ("replace dev0 pt=ioas0", #"PUT /devices/dev0/attachment?mode=replace {"ioas":"ioas0"}"#),
      ("replace dev0 pt=v0", #"PUT /devices/dev0/attachment?mode=replace {"object_id":4}"#),
      (
        "attach dev0 pt=nosuch",
        #"PUT /devices/dev0/attachment?mode=attach {"object_id":2147483632}"#
      ),
      (
        "attach dev0 pt=dev0.stdev", #"PUT /devices/dev0/attachment?mode=attach {"object_id":102}"#
      ),
      (
        "pasid_attach nosuch pasid=5 pt=hp",
        #"PUT /devices/nosuch/attachments/5?mode=attach {"domain":"hp"}"#
      ),
      (
        "pasid_replace dev0 pasid=0 pt=@ioas0",
        #"PUT /devices/dev0/attachment?mode=replace {"object_id":1}"#
      ),
      ("detach ioas0", "DELETE /devices/ioas0/attachment"),
      ("pasid_detach dev0 pasid=7", "DELETE /devices/dev0/attachments/7"),
      ("vfio_attach dev0 pt=hp", #"PUT /devices/dev0/attachment {"domain":"hp"}"#),
      ("vfio_detach dev0", "DELETE /devices/dev0/attachment"),
      ("destroy_device dev0", "POST /devices/dev0/unplug"),
      ("vfio_close dev0", "POST /devices/dev0/unplug"),
      ("destroy v0", "DELETE /viommus/v0"),
      ("destroy q0", "DELETE /hw-queues/q0"),
      ("close_fd e0", "DELETE /veventqs/e0/file"),
      ("close_fd f0", "DELETE /fault-queues/f0/file"),
      ("close_main", "DELETE /contexts/default/file"),
      ("id vd0", "GET /vdevs/vd0"),
    ])
  func `references go by name where they can and else by number`(
    script: String, request: String
  ) throws {
    let server = FakeServer()
    server.answers["GET /vdevs/vd0"] = #"{"object_id":6}"#
    #expect(try sent(TranslationTests.setup + [script], server) == request)
  }

  @Test(
    arguments: [
      ("trigger_vevent dev=dev0", #"POST /devices/dev0/hardware-events {"record":["0x0"]}"#),
      (
        "trigger_iopf dev=dev0 grpid=3 pasid=7",
        #"POST /devices/dev0/page-requests {"pasid":7,"group":3,"#
          + #""pages":[{"address":"0xdeadbeaf","read":true,"write":true}]}"#
      ),
      (
        "trigger_iopf dev=dev0 pasid=0 addr=0x1000 perm=13",
        #"POST /devices/dev0/page-requests {"group":0,"pages":[{"address":"0x1000","#
          + #""read":true,"write":false,"execute":true,"privileged":true}]}"#
      ),
      (
        "respond_fault f0 cookie=3 code=1",
        #"POST /fault-queues/f0/responses {"responses":[{"cookie":3,"code":"invalid"}]}"#
      ),
      (
        "respond_fault f0 cookie=3 code=0xffffffff",
        #"POST /fault-queues/f0/responses {"bytes":"03000000ffffffff"}"#
      ),
      (
        "respond_fault f0 cookie=3 count=7",
        #"POST /fault-queues/f0/responses {"bytes":"03000000000000"}"#
      ),
      ("respond_fault f0 cookie=3 count=0", #"POST /fault-queues/f0/responses {"bytes":""}"#),
    ])
  func `reports and answers are as the self-test driver has them`(
    script: String, request: String
  ) throws {
    let server = FakeServer()
    server.answers["POST /fault-queues/f0/responses"] = #"{"bytes":8}"#
    #expect(try sent(TranslationTests.setup + [script], server) == request)
  }

  @Test func `a mock device is one batch of plugging in and attaching`() throws {
    try expect(
      "create_mock_domain dev1 pt=hp flags=pasid|no_dirty",
      sends: #"POST /batch {"operations":[{"method":"POST","path":"/v1/hosts/h1/devices","body":"#
        + #"{"id":"dev1","smmu":"smmu0","stream_id":2,"pasid_bits":20,"dirty_tracking":false}},"#
        + #"{"method":"PUT","path":"/v1/hosts/h1/devices/dev1/attachment?mode=attach","#
        + #""body":{"domain":"hp"}}]}"#)
  }

  @Test func `a flag of a mock device that nobody knows is a field that nobody knows`() throws {
    let text = try sent(TranslationTests.setup + ["create_mock_domain d pt=ioas0 flags=0x80"])
    #expect(text.contains(#""dirty_tracking":true,"mock_flags":"0x80"}"#))
  }

  @Test func `a real device is bound and not attached`() throws {
    try expect(
      "vfio_open p0 bdf=0000:02:01.0",
      sends: #"POST /devices {"id":"p0","smmu":"vtd0","stream_id":520,"context":"default","#
        + #""group":"bus-2"}"#)
  }

  // MARK: Commands

  @Test(
    arguments: [
      ("destroy dev0", ioctl("3b80", "0800000002000000")),
      ("destroy nosuch", ioctl("3b80", "08000000f0ffff7f")),
      ("destroy #0x7", ioctl("3b80", "0800000007000000")),
      ("raw_destroy ioas0 size=4", ioctl("3b80", "0400000001000000")),
      ("raw_destroy ioas0 size=12 extra=1", ioctl("3b80", "0c0000000100000001000000")),
      ("raw_ioctl nr=0xff", ioctl("3bff", "0800000000000000")),
      ("ioas_alloc i flags=1", ioctl("3b81", "0c0000000100000000000000", #","id":"i""#)),
      (
        "ioas_map nosuch iova=0x1000 length=4096 flags=fixed|0x80",
        ioctl(
          "3b85",
          "2800000081000000f0ffff7f00000000" + "0000000001000000" + "0010000000000000"
            + "0010000000000000")
      ),
      (
        "ioas_unmap nosuch iova=0x1000 length=0",
        ioctl("3b86", "18000000f0ffff7f" + "0010000000000000" + "0000000000000000")
      ),
      (
        "ioas_copy dst=ioas0 src=hp src_iova=0x1000 dst_iova=0x2000 length=3",
        ioctl(
          "3b83",
          "28000000070000000100000003000000" + "0300000000000000" + "0020000000000000"
            + "0010000000000000")
      ),
      (
        "option ioas0 opt=huge set=2",
        ioctl("3b87", "18000000" + "01000000" + "0000" + "0000" + "01000000" + "0200000000000000")
      ),
      (
        "option opt=rlimit",
        ioctl("3b87", "18000000" + "00000000" + "0100" + "0000" + "00000000" + "0000000000000000")
      ),
      ("vfio_ioas ioas0 do=set", ioctl("3b88", "0c00000001000000" + "0100" + "0000")),
      ("set_dirty hp enable=1", ioctl("3b8b", "10000000010000000300000000000000")),
      ("fault_alloc f flags=1", ioctl("3b8e", "10000000010000000000000000000000", #","id":"f""#)),
    ])
  func `what only the ABI can say is an ioctl`(script: String, request: String) throws {
    try expect(script, sends: request)
  }

  @Test(
    arguments: [
      (
        "hwpt_alloc h dev=nosuch pt=nosuch reserved=1 data=none len=4",
        ioctl(
          "3b89",
          "3000000000000000f0ffff7ff0ffff7f" + "00000000010000000000000004000000"
            + "0000000000000000" + "0000000000000000", #","id":"h""#)
      ),
      (
        "hwpt_alloc h dev=dev0 pt=v0 flags=nest_parent data=selftest len=4 pgt=5 fault=f0",
        ioctl(
          "3b89",
          "30000000050000000200000004000000" + "0000000000000000adde000004000000"
            + "0000010000000000" + "0500000000000000",
          memory("efbead0b05000000") + #","id":"h""#)
      ),
      (
        "hwpt_alloc h dev=dev0 pt=ioas0 flags=nofaultflag fault=f0",
        ioctl(
          "3b89",
          "30000000000000000200000001000000" + "00000000000000000000000000000000"
            + "0000000000000000" + "0500000000000000", #","id":"h""#)
      ),
      (
        "hwpt_alloc n dev=dev0 pt=n0 data=0x77",
        ioctl(
          "3b89",
          "30000000000000000200000008000000" + "00000000000000007700000008000000"
            + "0000010000000000" + "0000000000000000",
          memory("efbead0b00000000") + #","id":"n""#)
      ),
      (
        "vdevice_alloc vd viommu=v0 dev=dev0.stdev virt_id=1",
        ioctl("3b91", "18000000040000006600000000000000" + "0100000000000000", #","id":"vd""#)
      ),
      (
        "viommu_alloc v dev=dev0 hwpt=hp type=default flags=1",
        ioctl(
          "3b90",
          "28000000010000000000000002000000" + "03000000000000000000000000000000"
            + "0000000000000000", #","id":"v""#)
      ),
      (
        "veventq_alloc e viommu=v0 depth=2 reserved=1 type=default",
        ioctl(
          "3b93", "20000000000000000400000000000000" + "02000000000000000000000001000000",
          #","id":"e""#)
      ),
      (
        "hw_queue_alloc q viommu=v0 index=3 iova=0x1000 type=0x77",
        ioctl(
          "3b94",
          "28000000000000000400000077000000" + "0300000000000000" + "0010000000000000"
            + "0010000000000000", #","id":"q""#)
      ),
      (
        "viommu_invalidate v0 entries=0:0x99:1",
        ioctl(
          "3b8d", "20000000040000000000010000000000" + "efbeadde0c0000000100000000000000",
          memory("00000000990000000100000000000000"))
      ),
      (
        "hwpt_invalidate nosuch entries=0:1 null=1 entry_len=4097 num=3 reserved=1 type=7",
        ioctl("3b8d", "20000000f0ffff7f0000000000000000" + "07000000011000000300000001000000")
      ),
      (
        "ioas_allow ioas0 start=0x1000 last=0x1fff",
        ioctl(
          "3b82", "18000000010000000100000000000000" + "0000010000000000",
          memory("0010000000000000ff1f000000000000"))
      ),
    ])
  func `arguments of commands are laid out as the ABI has them`(
    script: String, request: String
  ) throws {
    try expect(script, sends: request)
  }

  @Test func `hardware is asked for with its input type when there is one`() throws {
    try expect(
      "hw_info dev=dev0 in_type=0x1234",
      sends: TranslationTests.ioctl(
        "3b8a",
        "28000000010000000200000008000000" + "0000010000000000" + "3412000000000000"
          + "0000000000000000", TranslationTests.memory("0000000000000000")))
  }

  @Test func `a vdev whose device is gone goes by its real number`() throws {
    let server = FakeServer()
    server.errnos["GET /vdevs/vd0"] = "ENOENT"
    let stage = Stage(HostClient(id: "h1", server))
    for script in TranslationTests.setup {
      let operation = TraceOperation(script: script)
      _ = try OperationRegistry.definition(of: operation).play(stage, Arguments(operation))
    }
    let vdev = try #require(stage.table.object("vd0"))
    stage.table.bury(vdev, as: .tombstone)
    #expect(try stage.table.number("vd0") == 6)
    stage.table.bury(try #require(stage.table.object("v0")))
    #expect(try stage.table.number("v0") == Reference.neverAllocated)
    #expect(try stage.table.number("@v0") == 4)
  }
}
