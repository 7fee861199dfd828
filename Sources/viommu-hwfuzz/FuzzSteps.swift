// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// Reads the bytes of a fuzzer's input as steps, and takes them on a machine: writes to its tables,
/// commands, accesses to its registers, and transactions of its devices.
struct FuzzSteps {
  private var reader: ByteReader
  private let machine: FuzzMachine
  private(set) var count = 0

  init(_ bytes: [UInt8]) {
    reader = ByteReader(bytes)
    machine = FuzzMachine(variant: reader.byte())
  }

  mutating func run() {
    while !reader.isAtEnd {
      step()
      count += 1
    }
  }

  private mutating func step() {
    switch reader.byte() % 16 {
    case 0, 1, 2: writeTable()
    case 3: command()
    case 4: register()
    case 5: restore()
    case 6: requestTranslation()
    case 7: requestPage()
    case 8: record()
    case 9, 10: guestCommand()
    case 11: queueRegister()
    case 12: window()
    default: access()
    }
  }

  /// A word for a table or a command: a pointer to one of the machine's pages with random low bits,
  /// a single bit, something like a descriptor of a page of data, or random bits.
  private mutating func word() -> UInt64 {
    let form = reader.byte()
    switch form & 3 {
    case 0: return reader.doubleword()
    case 1:
      return FuzzMachine.pages[Int(form >> 2) % FuzzMachine.pages.count] | UInt64(reader.half())
    case 2: return 1 << UInt64(form >> 2)
    default: return UInt64(reader.half()) << 48 | FuzzMachine.data | UInt64(reader.half())
    }
  }

  private mutating func writeTable() {
    let page = FuzzMachine.pages[Int(reader.byte()) % FuzzMachine.pages.count]
    let address = page + UInt64(reader.half() & 511) * 8
    let isChange = reader.byte() & 1 != 0
    let old = (try? machine.memory.read64(address)) ?? 0
    machine.write(isChange ? old ^ word() : word(), at: address)
  }

  private mutating func command() {
    let layouts = CommandLayout.all
    let choice = reader.byte()
    var command = Command(dw0: word(), dw1: word())
    if choice < 240 {
      let opcode = layouts[Int(choice) % layouts.count].opcode.rawValue
      command.dw0 = command.dw0 & ~0x4ff | UInt64(opcode)
    }
    machine.post(command)
    if let text = try? Command(command.description) { precondition(text == command) }
    if choice & 1 == 0 { _ = machine.smmu.execute(command) }
  }

  private mutating func register() {
    let widths = [4, 8, 4, 3]
    let form = reader.byte()
    let registers = SMMURegister.allCases
    let offset =
      form & 0x80 == 0
      ? registers[Int(reader.byte()) % registers.count].rawValue + UInt32(form & 4) : reader.word()
    try? machine.smmu.writeRegister(offset, word(), width: widths[Int(form & 3)])
    _ = try? machine.smmu.readRegister(offset, width: widths[Int(form & 3)])
  }

  /// Repairs some of what was spoilt, so that later steps reach more than error paths.
  private mutating func restore() {
    let form = reader.byte()
    if form & 1 != 0 { machine.makeTables() }
    if form & 2 != 0 { machine.bringUp() }
    if form & 4 != 0 { machine.post(.cfgiAll) }
    if form & 8 != 0 { machine.post(.tlbiNSNHAll) }
    machine.write(.gerrorn, machine.read(.gerror))
    if form & 32 != 0 { machine.bringUpQueues() }
    if form & 16 != 0 { machine.write(.eventqCons, machine.read(.eventqProd)) }
  }

  private mutating func transaction() -> DeviceTransaction {
    let form = reader.byte()
    let address =
      form & 0x80 == 0 ? UInt64(reader.half()) << 4 : reader.doubleword() >> UInt64(form & 63)
    let kinds: [DeviceTransaction.Kind] = [.untranslated, .untranslated, .translated]
    let flags = reader.byte()
    return DeviceTransaction(
      streamID: UInt32(form & 3), substreamID: flags & 0x30 == 0 ? UInt32(reader.half()) : nil,
      address: address, isWrite: flags & 1 != 0, isPrivileged: flags & 2 != 0,
      isInstruction: flags & 4 != 0, kind: kinds[Int(flags >> 6) % kinds.count])
  }

  private mutating func access() {
    let transaction = transaction()
    let port = machine.smmu.port(transaction.streamID)
    var bytes = [UInt8](repeating: 0x5a, count: Int(reader.half() & 0x1fff))
    if transaction.isWrite {
      _ = port.write(transaction, bytes)
    } else {
      _ = port.read(transaction, into: &bytes)
    }
  }

  private mutating func requestTranslation() {
    let transaction = transaction()
    let port = machine.smmu.port(transaction.streamID)
    port.setATS(enabled: reader.byte() & 3 != 0)
    port.setAnswersInvalidations(reader.byte() & 7 != 0)
    _ = port.requestTranslation(transaction)
  }

  private mutating func requestPage() {
    let transaction = transaction()
    machine.smmu.port(transaction.streamID).requestPage(
      PRIRequest(
        streamID: transaction.streamID, substreamID: transaction.substreamID,
        address: transaction.address, group: UInt16(truncatingIfNeeded: reader.half())))
  }

  // MARK: Guests' queues

  /// Writes a command behind the last one in a guest's ring, and has it executed. Now and then it
  /// also acknowledges the queue's error.
  private mutating func guestCommand() {
    let form = reader.byte()
    let vintf = 1 + Int(form & 1)
    let prod = (try? machine.cmdqv.readWindow(vintf, 4, width: 4)) ?? 0
    let opcodes: [UInt64] = [0x11, 0x12, 0x40, 0x46]
    var command = Command(dw0: word(), dw1: word())
    if form & 0x80 == 0 { command.dw0 = command.dw0 & ~0xff | opcodes[Int(form >> 1 & 3)] }
    if form & 0x40 == 0 { command.dw0 &= 0x1f_0000_00ff }
    let slot = FuzzMachine.rings + UInt64(form & 1) << 12 + (prod & 255) * Command.byteCount
    machine.write(command.dw0, at: slot)
    machine.write(command.dw1, at: slot + 8)
    if form & 0x20 != 0 {
      _ = machine.cmdqv.submit(vintf, 0, prod: UInt32(truncatingIfNeeded: prod + 1))
    } else {
      try? machine.cmdqv.writeWindow(vintf, 4, (prod + 1) & 511, width: 4)
    }
    if form & 0x10 != 0 {
      let error = (try? machine.cmdqv.readWindow(vintf, 0x10, width: 4)) ?? 0
      try? machine.cmdqv.writeWindow(vintf, 0x14, error, width: 4)
    }
  }

  /// Writes and reads a register of the CMDQV, most often at an offset where there is one.
  private mutating func queueRegister() {
    let form = reader.byte()
    let value = word()
    let choices: [UInt32] = [
      UInt32(form & 3) * 4, 0x200 + UInt32(form & 7) * 4, 0x1000 + UInt32(form & 3) << 8,
      0x1040 + UInt32(form & 3) << 8 + UInt32(form >> 2 & 31) * 4,
      0x1_0000 + UInt32(form & 7) * 0x80 + UInt32(form >> 3 & 7) * 4,
      0x3_0000 + UInt32(form & 7) << 16 + UInt32(form >> 3 & 7) * 4,
      0x2_0000 + UInt32(form & 7) * 0x80, reader.word(),
    ]
    let offset = choices[Int(form >> 5)]
    let width = [4, 8, 4, 3][Int(reader.byte() & 3)]
    try? machine.cmdqv.writeRegister(offset, value, width: width)
    _ = try? machine.cmdqv.readRegister(offset, width: width)
    let queue = machine.cmdqv.queue(Int(form & 7))
    let interface = machine.cmdqv.interface(Int(form & 3))
    precondition(queue.cons < 1 << 20 && interface.slots.count == 4)
  }

  /// Writes and reads a register in the window that a guest has mapped.
  private mutating func window() {
    let form = reader.byte()
    let offset = form & 0x80 == 0 ? UInt32(form & 0x1c) : reader.half()
    let value = word()
    try? machine.cmdqv.writeWindow(Int(form & 3), offset, value, width: 4)
    _ = try? machine.cmdqv.readWindow(Int(form & 3), offset, width: 4)
  }

  private mutating func record() {
    machine.smmu.record(EventRecord(words: [word(), word(), word(), word()]))
  }
}
