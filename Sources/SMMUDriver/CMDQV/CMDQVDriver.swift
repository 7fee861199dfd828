// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// Programs the CMDQV as Linux's tegra241-cmdqv driver does. Most methods are one of that driver's
/// sequences of register accesses. They are used at the commit of a transaction, under the host's
/// lock.
final class CMDQVDriver: Sendable {
  /// The bits EN and HYP_OWN of VINTF_CONFIG. CMDQV's other registers have their EN at bit 0 too.
  private static let enable: UInt64 = 1
  private static let hypervisorOwned: UInt64 = 1 << 17

  let engine: Tegra241CMDQV
  let interrupts: CMDQVInterrupts
  private let hardware: Hardware
  /// The SMMU's own queue; `own` is the first of the CMDQV's queues that the kernel has for itself.
  private let main: CommandQueue
  let own: CommandQueue
  let memory: CMDQVMemory
  /// The queues that guests have, by their global numbers.
  let guests = Locked<[Int: Guest]>([:])

  struct Guest {
    let worker: QueueWorker?
    let progress: QueueProgress
  }

  /// - Throws: `ENOMEM` when no memory is left for the kernel's own queues.
  init(
    _ engine: Tegra241CMDQV, _ hardware: Hardware, _ main: CommandQueue, isTraced: Bool
  ) throws(Refusal) {
    self.engine = engine
    self.hardware = hardware
    self.main = main
    memory = try CMDQVMemory(hardware, queues: engine.size.queuesPerVINTF)
    own = CommandQueue(hardware, at: memory.base(of: 0), .cmdqv(engine), isTraced: isTraced)
    interrupts = CMDQVInterrupts(engine, hardware, memory)
  }

  /// Frees the memory of the kernel's own queues.
  func freeMemory() { memory.free() }

  // MARK: Registers

  private func read(_ offset: UInt32, width: Int = 4) -> UInt64 {
    (try? engine.readRegister(offset, width: width)) ?? 0
  }

  private func write(_ offset: UInt32, _ value: UInt64, width: Int = 4) {
    try? engine.writeRegister(offset, value, width: width)
  }

  /// STATUS.ENABLED: whether the CMDQV is enabled. While it is not, no interface can be enabled.
  var isEnabled: Bool { read(CMDQVRegisters.status) & 1 != 0 }

  // MARK: Reset

  /// Enables the CMDQV, gives each queue its place in an interface, and sets up the kernel's own
  /// interface, which is the first (`tegra241_cmdqv_hw_reset`).
  func reset() {
    write(CMDQVRegisters.config, read(CMDQVRegisters.config) & ~Self.enable)
    write(CMDQVRegisters.config, read(CMDQVRegisters.config) | Self.enable)
    let share = engine.size.queuesPerVINTF
    for queue in 0..<engine.size.vcmdqs {
      let place = UInt64(queue / share) << 15 | UInt64(queue % share) << 1
      write(CMDQVRegisters.allocation(queue), place)
    }
    enable(0, Self.hypervisorOwned)
    own.restart()
    for logical in 0..<share {
      map(0, logical)
      reset(0, logical)
      let registers = CMDQVRegisters.queue(0, logical)
      write(registers.base, memory.base(of: logical) | CMDQVMemory.log2Size, width: 8)
      write(registers.config, Self.enable)
    }
  }

  /// Stops the threads of guests' queues, and disables all interfaces, those of guests too
  /// (`tegra241_cmdqv_remove_vintf`).
  func shutDown() {
    let left = guests.withLock { guests in
      defer { guests = [:] }
      return guests.values.compactMap(\.worker)
    }
    for worker in left { worker.stop() }
    for number in 0..<engine.size.vintfs { disable(number) }
  }

  // MARK: Interfaces

  /// Enables an interface for a guest (`tegra241_vintf_hw_init`).
  func enable(_ number: Int, vmid: UInt16) { enable(number, UInt64(vmid) << 1) }

  private func enable(_ number: Int, _ config: UInt64) {
    disable(number)
    let registers = CMDQVRegisters.interface(number)
    write(registers.config, config)
    write(registers.config, config | Self.enable)
  }

  /// Disables an interface: its queues in descending order, and then its SID slots
  /// (`tegra241_vintf_hw_deinit`). The kernel's interface has all its queues mapped, that of a
  /// guest only those that the guest has made.
  func disable(_ number: Int) {
    for logical in (0..<engine.size.queuesPerVINTF).reversed()
    where number == 0 || isMapped(number, logical) {
      reset(number, logical)
      unmap(number, logical)
    }
    let registers = CMDQVRegisters.interface(number)
    write(registers.config, 0)
    for slot in 0..<engine.size.sidsPerVINTF { clearSlot(slot, of: number) }
  }

  // MARK: Slots

  /// Fills an SID slot (`tegra241_vintf_init_vsid`). SID_REPLACE is written first, because
  /// SID_MATCH enables the slot.
  func fillSlot(_ slot: Int, of number: Int, virtual: UInt32, stream: UInt32) {
    let registers = CMDQVRegisters.interface(number)
    write(registers.sidReplace(slot), UInt64(stream))
    write(registers.sidMatch(slot), UInt64(virtual) << 1 | Self.enable)
  }

  /// Empties an SID slot (`tegra241_vintf_destroy_vsid`).
  func clearSlot(_ slot: Int, of number: Int) {
    let registers = CMDQVRegisters.interface(number)
    write(registers.sidMatch(slot), 0)
    write(registers.sidReplace(slot), 0)
  }

  // MARK: Queues

  /// Maps a queue into its interface (`tegra241_vcmdq_map_lvcmdq`).
  private func map(_ number: Int, _ logical: Int) {
    let register = CMDQVRegisters.allocation(number * engine.size.queuesPerVINTF + logical)
    write(register, read(register) | Self.enable)
  }

  private func isMapped(_ number: Int, _ logical: Int) -> Bool {
    let register = CMDQVRegisters.allocation(number * engine.size.queuesPerVINTF + logical)
    return read(register) & Self.enable != 0
  }

  private func unmap(_ number: Int, _ logical: Int) {
    let register = CMDQVRegisters.allocation(number * engine.size.queuesPerVINTF + logical)
    write(register, read(register) & ~Self.enable)
  }

  /// Disables a queue and clears its registers (`tegra241_vcmdq_hw_deinit`).
  private func reset(_ number: Int, _ logical: Int) {
    let registers = CMDQVRegisters.queue(number, logical)
    write(registers.config, 0)
    // If the queue had an ATC_INV that no device has answered, this CMD_SYNC on the SMMU's own
    // queue takes the error. The next owner of the queue must not be told of it.
    main.issue([.sync])
    write(registers.prod, 0)
    write(registers.cons, 0)
    write(registers.base, 0, width: 8)
    write(registers.consBase, 0, width: 8)
    let error = read(registers.gerror)
    if read(registers.gerrorn) != error { write(registers.gerrorn, error) }
  }

  /// Gives a queue to a guest, which enables it itself (`tegra241_vintf_alloc_lvcmdq_user`).
  ///
  /// - Parameters:
  ///   - base: the physical address of the guest's ring.
  ///   - length: the length of the ring in bytes, a power of two.
  func lend(_ queue: LVCMDQ, base: UInt64, length: UInt64) {
    map(queue.interface, queue.logical)
    reset(queue.interface, queue.logical)
    let log2Size = UInt64(length.trailingZeroBitCount - 4)
    let registers = CMDQVRegisters.queue(queue.interface, queue.logical)
    write(registers.base, base | log2Size, width: 8)
  }

  /// Takes a queue back from a guest (`tegra241_vintf_free_lvcmdq`).
  func takeBack(_ queue: LVCMDQ) {
    reset(queue.interface, queue.logical)
    unmap(queue.interface, queue.logical)
  }
}

/// The memory of the queues that the kernel has for itself.
final class CMDQVMemory: Sendable {
  /// The logarithm of the number of entries of a queue, which fill one page.
  static let log2Size: UInt64 = 8
  private static let bytes: UInt64 = 4096

  let queues: Int
  private let address: UInt64
  private let hardware: Hardware

  var takenBytes: UInt64 { UInt64(queues) * CMDQVMemory.bytes }

  /// - Throws: `ENOMEM` when no memory is left for the queues.
  init(_ hardware: Hardware, queues: Int) throws(Refusal) {
    self.hardware = hardware
    self.queues = queues
    let size = UInt64(queues) * CMDQVMemory.bytes
    guard let address = hardware.allocateTables(size, alignment: CMDQVMemory.bytes) else {
      throw Refusal(.ENOMEM, "no memory is left for the queues of a CMDQV")
    }
    self.address = address
  }

  func base(of queue: Int) -> UInt64 { address + UInt64(queue) * CMDQVMemory.bytes }

  func free() { hardware.machine.freeTables(address, takenBytes) }
}
