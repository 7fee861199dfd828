// SPDX-License-Identifier: Apache-2.0
import SeededRandom
@testable import IOMMUHardware

/// A guest that does what it likes with what it reaches: its window, and its memory.
struct GuestActor {
  let machine: CMDQVMachine
  let vintf: Int
  /// What was carried out, by opcode, and what was refused, by error.
  private(set) var executed: [UInt8: Int] = [:]
  private(set) var errors: [UInt32: Int] = [:]
  /// Commands that were carried out though they reach beyond what is the guest's.
  private(set) var escapes: [Command] = []

  init(_ machine: CMDQVMachine, _ vintf: Int) {
    self.machine = machine
    self.vintf = vintf
  }

  private var queues: Range<Int> { 2 * vintf..<2 * vintf + 2 }

  /// One thing that a guest can do.
  mutating func act(_ random: inout SplitMix64) {
    let logical = Int(random.next() & 1)
    switch random.next() % 16 {
    case 0: writeAnything(&random)
    case 1: writeRegister(logical, &random)
    case 2: spoil(&random)
    case 3: startAnew(logical)
    case 4..<7: recover(logical)
    default:
      if random.next() & 3 != 0 { recover(logical) }
      submit(logical, append(logical, &random), &random)
    }
  }

  // MARK: The window

  private func writeAnything(_ random: inout SplitMix64) {
    let offset = UInt32(truncatingIfNeeded: random.next())
    let place = random.next() & 1 == 0 ? offset : offset & 0x1fc
    let width = random.next() & 7 == 0 ? Int(random.next() & 15) : 4
    try? machine.cmdqv.writeWindow(vintf, place, random.next(), width: width)
    _ = try? machine.cmdqv.readWindow(vintf, place, width: width)
  }

  private func writeRegister(_ logical: Int, _ random: inout SplitMix64) {
    let register = UInt32(random.next() % 6) * 4
    let value = random.next()
    machine.window(vintf, logical, register, random.next() & 1 == 0 ? value & 31 : value)
  }

  // MARK: The rings

  private func spoil(_ random: inout SplitMix64) {
    let queue = Int.random(in: queues, using: &random)
    machine.smmu.world.write(random.next(), at: machine.ring(queue) + (random.next() & 31) * 8)
  }

  /// - Returns: PROD behind the commands, or now and then something else.
  private func append(_ logical: Int, _ random: inout SplitMix64) -> UInt64 {
    let prod = machine.window(vintf, logical, LVCMDQ.prod)
    let count = random.next() & 3
    for index in 0..<count {
      machine.put(GuestActor.command(&random), 2 * vintf + logical, at: prod &+ index)
    }
    return random.next() & 31 == 0 ? random.next() : prod + count
  }

  private mutating func submit(_ logical: Int, _ prod: UInt64, _ random: inout SplitMix64) {
    if random.next() & 3 == 0 { return machine.window(vintf, logical, LVCMDQ.prod, prod & 31) }
    for done in machine.cmdqv.submit(vintf, logical, prod: UInt32(prod & 31)) {
      if let error = done.error { errors[error.rawValue, default: 0] += 1 }
      guard let command = done.executed else { continue }
      executed[command.opcode.rawValue, default: 0] += 1
      if !isAllowed(command) { escapes.append(command) }
    }
  }

  private func isAllowed(_ command: Command) -> Bool {
    switch command.opcode {
    case .tlbiNHVA, .tlbiNHASID: Int(command.vmid) == 4 + vintf
    case .atcInv: [vintf, 10 + vintf].contains(Int(command.streamID))
    case .sync: command.dw0.field(13, 12) == 0
    default: false
    }
  }

  private func recover(_ logical: Int) {
    let gerror = machine.window(vintf, logical, LVCMDQ.gerror)
    if gerror != machine.window(vintf, logical, LVCMDQ.gerrorn) {
      machine.recover(vintf, logical)
    }
  }

  /// Gives up what is in the ring, as after a reset.
  private func startAnew(_ logical: Int) {
    machine.window(vintf, logical, LVCMDQ.config, 0)
    machine.window(vintf, logical, LVCMDQ.prod, 0)
    machine.window(vintf, logical, LVCMDQ.cons, 0)
    machine.window(vintf, logical, LVCMDQ.gerrorn, machine.window(vintf, logical, LVCMDQ.gerror))
    machine.window(vintf, logical, LVCMDQ.config, 1)
  }

  // MARK: Commands

  /// A command that names what there is, or nearly does.
  static func command(_ random: inout SplitMix64) -> Command {
    let bits = random.next()
    let vmid = UInt16(bits & 7)
    let asid = UInt16(bits >> 3 & 1 + 6)
    let address = (bits >> 8 & 15) << 12
    let streams: [UInt32] = [0x10, 0x10, 0x10, 0x11, 0x11, 1, 2, 11, 12, 0, .max, 0x12]
    let stream = streams[Int(bits >> 16 & 0xff) % streams.count]
    switch bits >> 24 & 15 {
    case 0..<4: return .tlbiNHVA(vmid: vmid, asid: asid, address: address)
    case 4: return .tlbiNHASID(vmid: vmid, asid: asid)
    case 5:
      return Command.tlbiNHVA(vmid: vmid, asid: asid, address: address).overRange(
        granule: 1, num: bits >> 32 & 31, scale: bits >> 37 & 3, level: bits >> 40 & 3)
    case 6..<9:
      return .atcInv(stream, nil, address: address, sizeLog2: bits & 1 == 0 ? 52 : bits >> 32 & 63)
    case 9..<12: return .sync
    case 12: return Command(dw0: random.next(), dw1: random.next())
    case 13:
      return Command(
        dw0: random.next() & ~0xffff | [0x11, 0x12, 0x40, 0x46][Int(vmid & 3)], dw1: random.next())
    default:
      let all = CommandLayout.all
      let opcode = all[Int(bits >> 32 & 0xff) % all.count].opcode.rawValue
      return Command(dw0: random.next() & ~0x4ff | UInt64(opcode), dw1: bits >> 40)
    }
  }
}
