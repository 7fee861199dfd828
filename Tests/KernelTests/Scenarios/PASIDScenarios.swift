// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Scenarios of the kernel's self-test: PASIDs")
struct PASIDScenarios {
  /// What K48 makes: a parent `p`, a plain domain `s` with the flag, nested domains `n0`, `n1` and,
  /// with faults, `nf` on the parent, all with it; and a vIOMMU `v`. The device `d` has PASIDs,
  /// `narrow` has none; both are attached to the address space.
  private func world() throws -> Kernel {
    let kernel = try Kernel(.mock)
    try kernel.make("ioas/i")
    #expect(try kernel.makeDevice("d", pasidBits: 20, on: .ioas("i")) == nil)
    #expect(try kernel.makeDevice("narrow", stream: 2, on: .ioas("i")) == nil)
    try kernel.makeParent()
    try kernel.makePaging("s", #","pasid":true"#)
    try kernel.make("fault-queues/f", #""file":"open""#)
    try kernel.makeVIOMMU()
    let nested = #""type":"nested","device":"d","domain":"p","pasid":true,"iotlb":"0x1""#
    for name in ["n0", "n1"] { try kernel.make("domains/\(name)", nested) }
    try kernel.make("domains/nf", nested + #","fault_queue":"f""#)
    try kernel.makeNested("nv", #","pasid":true"#)
    return kernel
  }

  @Test("K47. Detaching a PASID that was never attached does nothing")
  func detach() throws {
    let kernel = try world()
    let before = kernel.digest
    #expect(try kernel.detach(pasid: 100) == nil)
    #expect(kernel.digest == before)
    try kernel.close()
  }

  @Test("K48, K49. A PASID wants domains with the flag, its own and the RID's")
  func flags() throws {
    let kernel = try world()
    #expect(try kernel.replace(by: .domain("p")) == nil)
    #expect(try kernel.attach(pasid: 100, to: .domain("s")) == "EINVAL")
    #expect(try kernel.replace(by: .domain("s")) == nil)
    #expect(try kernel.attach(pasid: 100, to: .domain("n0")) == nil)
    #expect(try kernel.replace(by: .domain("p")) == "EINVAL")
    #expect(try kernel.domain() == "s")
    #expect(try kernel.detach(pasid: 100) == nil)
    #expect(try kernel.domain(pasid: 100) == nil)
    #expect(try kernel.replace(by: .domain("p")) == nil)
    try kernel.close()
  }

  @Test("K50. A device without PASIDs is attached to such domains, and has no PASID attached")
  func narrow() throws {
    let kernel = try world()
    let auto = try #require(try kernel.domain(of: "narrow"))
    #expect(try kernel.replace("narrow", by: .domain("n0")) == nil)
    #expect(try kernel.replace("narrow", by: .ioas("i")) == nil)
    #expect(try kernel.domain(of: "narrow") == auto)
    for domain in ["p", "s"] {
      #expect(try kernel.attach("narrow", pasid: 100, to: .domain(domain)) == "EINVAL")
    }
    try kernel.close()
  }

  @Test("K51. A PASID is attached to one domain at a time, and to no automatic one")
  func attach() throws {
    let kernel = try world()
    #expect(try kernel.replace(by: .domain("s")) == nil)
    for target in [AttachTarget.domain("p"), .ioas("i")] {
      #expect(try kernel.attach(pasid: 100, to: target) == "EINVAL")
      #expect(try kernel.domain(pasid: 100) == nil)
    }
    #expect(try kernel.attach(pasid: 100, to: .domain("s")) == nil)
    #expect(try kernel.attach(pasid: 100, to: .domain("n0")) == "EBUSY")
    #expect(try kernel.detach(pasid: 100) == nil)
    #expect(try kernel.attach(pasid: 100, to: .domain("n0")) == nil)
    #expect(try kernel.attach(pasid: 100, to: .domain("n0")) == "EBUSY")
    #expect(try kernel.detach(pasid: 100) == nil)
    try kernel.close()
  }

  @Test("K52. A PASID is replaced after it was attached, and a refused replace leaves it")
  func replace() throws {
    let kernel = try world()
    #expect(try kernel.replace(by: .domain("s")) == nil)
    #expect(try kernel.replace(pasid: 200, by: .domain("n0")) == "EINVAL")
    #expect(try kernel.attach(pasid: 200, to: .domain("s")) == nil)
    #expect(try kernel.replace(pasid: 200, by: .ioas("i")) == "EINVAL")
    #expect(try kernel.domain(pasid: 200) == "s")
    for domain in ["n0", "n1"] {
      #expect(try kernel.replace(pasid: 200, by: .domain(domain)) == nil)
      #expect(try kernel.domain(pasid: 200) == domain)
    }
    #expect(try kernel.detach(pasid: 200) == nil)
    try kernel.close()
  }

  @Test("K53. When the driver fails a replace the old domain stays")
  func driverFailure() throws {
    let kernel = try world()
    #expect(try kernel.replace(by: .domain("s")) == nil)
    // A detach makes the driver forget: each round goes as the first one.
    for _ in 0..<3 {
      #expect(try kernel.attach(pasid: 1024, to: .domain("s")) == nil)
      #expect(try kernel.replace(pasid: 1024, by: .domain("n0")) == "ENOMEM")
      #expect(try kernel.domain(pasid: 1024) == "s")
      #expect(try kernel.detach(pasid: 1024) == nil)
    }
    #expect(try kernel.attach(pasid: 1024, to: .domain("s")) == nil)
    #expect(try kernel.replace(pasid: 1024, by: .domain("n0")) == "ENOMEM")
    #expect(try kernel.replace(pasid: 1024, by: .domain("n0")) == nil)
    try kernel.close()
  }

  @Test("K53. Trying an attach out does not count as one of the driver's calls")
  func dryRun() throws {
    let kernel = try world()
    #expect(try kernel.replace(by: .domain("s")) == nil)
    let path = "devices/d/attachments/1024?dry_run="
    for isDry in ["true", "true", "false"] {
      #expect(try kernel.put(path + isDry, #""domain":"s""#).errno == nil)
    }
    #expect(try kernel.delete(path + "true").errno == nil)
    #expect(try kernel.put(path + "false", #""domain":"n0""#).errno == "ENOMEM")
    try kernel.close()
  }

  @Test("K54. The faults of a PASID go to its own domain's queue")
  func faults() throws {
    let kernel = try world()
    #expect(try kernel.replace(by: .domain("s")) == nil)
    #expect(try kernel.attach(pasid: 2048, to: .domain("nf")) == nil)
    try PageFaultRound(queue: "f", pasid: 2048).play(on: kernel)
    #expect(try kernel.replace(pasid: 2048, by: .domain("s")) == nil)
    #expect(try kernel.detach(pasid: 2048) == nil)
    let queue = try kernel.id("fault-queues/f")
    #expect(try kernel.destroy("domains/nf") == nil)
    #expect(try kernel.delete("fault-queues/f/file").errno == nil)
    #expect(try kernel.destroy(queue) == nil)
    #expect(try kernel.replace(by: .ioas("i")) == nil)
    try kernel.close()
  }
}
