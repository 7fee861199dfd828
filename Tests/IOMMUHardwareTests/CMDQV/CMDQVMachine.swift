// SPDX-License-Identifier: Apache-2.0
import Locking

@testable import IOMMUHardware

/// Remembers what a CMDQV has told.
final class CMDQVRecorder: CMDQVSink {
  private let state = Locked<(interrupts: Int, doorbells: [Int])>((0, []))

  func interrupt() { state.withLock { $0.interrupts += 1 } }
  func doorbell(_ queue: Int) { state.withLock { $0.doorbells.append(queue) } }

  /// Interrupts since the last call.
  func takeInterrupts() -> Int {
    state.withLock { state in
      defer { state.interrupts = 0 }
      return state.interrupts
    }
  }

  func takeDoorbells() -> [Int] {
    state.withLock { state in
      defer { state.doorbells = [] }
      return state.doorbells
    }
  }
}

/// Offsets of a queue's registers: of page 0, and of page 1.
enum LVCMDQ {
  static let cons: UInt32 = 0x00
  static let prod: UInt32 = 0x04
  static let config: UInt32 = 0x08
  static let status: UInt32 = 0x0c
  static let gerror: UInt32 = 0x10
  static let gerrorn: UInt32 = 0x14
  static let base: UInt32 = 0x00
  static let consBase: UInt32 = 0x08
}

/// An SMMU with a CMDQV, brought up as a driver does.
///
/// Interface 0 is the hypervisor's. Interfaces 1 and 2 are two guests', with VMID 5 and 6. Queue
/// `2 v + l` is interface v's logical queue l. A guest knows two streams: 0x10 is stream v, whose
/// device has ATS, and 0x11 is stream 10 + v, whose device has none. All streams have the same
/// stage 1 and ASID 7, so that only VMIDs tell them apart.
struct CMDQVMachine {
  static let log2Size: UInt64 = 4

  var smmu: Machine
  let cmdqv: Tegra241CMDQV
  let recorder = CMDQVRecorder()

  init(
    _ behaviour: Tegra241CMDQV.Behaviour = Tegra241CMDQV.Behaviour(),
    size: Tegra241CMDQV.Size = .init(vintfs: 4, vcmdqs: 8, sidsPerVINTF: 4),
    features: SMMUv3Features = SMMUv3Features(), isUp: Bool = true
  ) {
    var world = World()
    world.features = features
    world.useStage1()
    for page in UInt64(1)...8 { world.map1(page << 12, 0x9000_0000 + (page - 1) << 12) }
    smmu = Machine(world)
    cmdqv = Tegra241CMDQV(smmu: smmu.smmu, size: size, behaviour: behaviour, sink: recorder)
    guard isUp else { return }
    installStreams()
    write(0x000, 1)
    bringUp(0, 1 << 17)
    for vintf in 1...2 {
      bringUp(vintf, UInt64(4 + vintf) << 1)
      for slot in 0...1 {
        write(replace(vintf, slot), UInt64(slot * 10 + vintf))
        write(match(vintf, slot), UInt64(0x10 + slot) << 1 | 1)
      }
    }
  }

  private func installStreams() {
    var world = smmu.world
    for guest in UInt64(1)...2 {
      for device in UInt64(0)...1 {
        let stream = device * 10 + guest
        world.ste.s2VMID = 4 + guest
        world.ste.eats = device == 0 ? 1 : 0
        world.install(stream: stream)
        smmu.smmu.port(UInt32(stream)).setATS(enabled: device == 0)
      }
    }
  }

  /// What a driver does to have an interface with two queues.
  func bringUp(_ vintf: Int, _ config: UInt64) {
    write(interface(vintf), config)
    write(interface(vintf), config | 1)
    for logical in 0...1 {
      let queue = 2 * vintf + logical
      write(allocation(queue), UInt64(vintf << 15 | logical << 1 | 1))
      write(page1(vintf, logical, LVCMDQ.base), ring(queue) | CMDQVMachine.log2Size, width: 8)
      window(vintf, logical, LVCMDQ.config, 1)
    }
  }

  // MARK: Registers

  func interface(_ vintf: Int) -> Int { 0x1000 + 0x100 * vintf }
  func match(_ vintf: Int, _ slot: Int) -> Int { interface(vintf) + 0x40 + 4 * slot }
  func replace(_ vintf: Int, _ slot: Int) -> Int { interface(vintf) + 0x80 + 4 * slot }
  func allocation(_ queue: Int) -> Int { 0x200 + 4 * queue }
  func page0(_ vintf: Int, _ logical: Int, _ register: UInt32) -> Int {
    0x3_0000 + 0x2_0000 * vintf + 0x80 * logical + Int(register)
  }
  func page1(_ vintf: Int, _ logical: Int, _ register: UInt32) -> Int {
    page0(vintf, logical, register) + 0x1_0000
  }
  func global0(_ queue: Int, _ register: UInt32) -> Int { 0x1_0000 + 0x80 * queue + Int(register) }
  func global1(_ queue: Int, _ register: UInt32) -> Int { 0x2_0000 + 0x80 * queue + Int(register) }

  func write(_ offset: Int, _ value: UInt64, width: Int = 4) {
    do { try cmdqv.writeRegister(UInt32(offset), value, width: width) } catch {
      fatalError("\(error)")
    }
  }

  func read(_ offset: Int, width: Int = 4) -> UInt64 {
    (try? cmdqv.readRegister(UInt32(offset), width: width)) ?? .max
  }

  /// Writes through a guest's window.
  func window(_ vintf: Int, _ logical: Int, _ register: UInt32, _ value: UInt64) {
    do {
      try cmdqv.writeWindow(vintf, UInt32(0x80 * logical) + register, value, width: 4)
    } catch { fatalError("\(error)") }
  }

  func window(_ vintf: Int, _ logical: Int, _ register: UInt32) -> UInt64 {
    (try? cmdqv.readWindow(vintf, UInt32(0x80 * logical) + register, width: 4)) ?? .max
  }

  // MARK: Rings

  /// Where a queue's ring is.
  func ring(_ queue: Int) -> UInt64 { 0xa000_0000 + UInt64(queue) << 24 }

  func put(_ command: Command, _ queue: Int, at index: UInt64) {
    smmu.world.write(command.words, at: ring(queue) + (index & 15) * 16)
  }

  /// Puts commands into a guest's queue and lets them run, as a guest does.
  func submit(_ vintf: Int, _ logical: Int, _ commands: Command...) {
    var prod = window(vintf, logical, LVCMDQ.prod)
    for command in commands {
      put(command, 2 * vintf + logical, at: prod)
      prod = (prod + 1) & 31
    }
    window(vintf, logical, LVCMDQ.prod, prod)
  }

  func cons(_ vintf: Int, _ logical: Int) -> UInt64 {
    window(vintf, logical, LVCMDQ.cons) & 0xf_ffff
  }

  /// CONS_INDX.ERR.
  func error(_ vintf: Int, _ logical: Int) -> UInt64 {
    window(vintf, logical, LVCMDQ.cons) >> 24
  }

  /// What a driver does for an error: a SYNC in the place of what is refused, and the
  /// acknowledgement.
  func recover(_ vintf: Int, _ logical: Int) {
    let gerror = window(vintf, logical, LVCMDQ.gerror)
    if [1, 4].contains(error(vintf, logical)) {
      put(Command(dw0: 0x0fc0_0046, dw1: 0), 2 * vintf + logical, at: cons(vintf, logical))
    }
    window(vintf, logical, LVCMDQ.gerrorn, gerror)
  }

  // MARK: Devices

  func port(_ stream: UInt32) -> StreamPort { smmu.smmu.port(stream) }

  /// The page that a stream's device reaches, as the SMMU's caches have it.
  func page(_ stream: UInt32, _ address: UInt64) -> UInt64? {
    port(stream).translate(DeviceTransaction(streamID: stream, address: address))
      .translation?.physicalAddress
  }

  /// Has a device with ATS keep a translation.
  func touch(_ stream: UInt32, _ address: UInt64) {
    var bytes: [UInt8] = [0]
    _ = port(stream).read(DeviceTransaction(streamID: stream, address: address), into: &bytes)
  }
}
