// SPDX-License-Identifier: Apache-2.0
import Locking

extension Tegra241CMDQV {
  // MARK: All registers

  /// Reads a register.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the configuration page. Reserved registers, and
  ///     those of a logical queue that is not mapped, read as zero.
  ///   - width: 4 bytes; 8 are allowed for LVCMDQ_ERR_MAP and in the pages of base addresses.
  /// - Throws: `RegisterError` for a width that is not allowed there, for an offset that is not a
  ///   multiple of it, and for an offset behind the last page.
  public func readRegister(_ offset: UInt32, width: Int) throws(RegisterError) -> UInt64 {
    guard let register = try CMDQVRegister(offset, width, size) else { return 0 }
    switch register {
    case .queue(let place, let register): return read(register, at: place, width: width)
    case .logicalQueueErrorMap(let vintf, let word):
      let map = configuration.withLock { errorMap($0.mappedQueues()[vintf]) }
      let shifted = map[word / 2] >> UInt64(word % 2 * 32)
      return width == 8 ? shifted : shifted & 0xffff_ffff
    case .queueErrorMap(let word):
      return errors.queueMap(word / 2) >> UInt64(word % 2 * 32) & 0xffff_ffff
    case .interfaceInterruptMask(let word): return errors.mask >> UInt64(word * 32) & 0xffff_ffff
    case .interfaceErrorMap(let word):
      return configuration.withLock { interfaceErrorMap($0) } >> UInt64(word * 32) & 0xffff_ffff
    default: return configuration.withLock { value(register, $0) }
    }
  }

  /// Writes a register, and does what the write asks for. Queues that have work then carry it out
  /// before this returns, unless they are deferred.
  ///
  /// - Parameters:
  ///   - offset: as for `readRegister`. Nothing is written to registers that are reserved or
  ///     read-only, or that belong to a logical queue that is not mapped.
  ///   - value: what is written; a write of 4 bytes takes its lower half.
  ///   - width: as for `readRegister`.
  /// - Throws: what `readRegister` throws.
  public func writeRegister(
    _ offset: UInt32, _ value: UInt64, width: Int
  ) throws(RegisterError) {
    guard let register = try CMDQVRegister(offset, width, size) else { return }
    switch register {
    case .queue(let place, let register): write(value, to: register, at: place, width: width)
    case .interfaceInterruptMask(let word):
      for _ in 0..<errors.writeMask(word, UInt32(truncatingIfNeeded: value)) { sink?.interrupt() }
    default: configure(UInt32(truncatingIfNeeded: value), register)
    }
  }

  // MARK: A guest's window

  /// Reads a register in page 0 of an interface, the page that a guest has mapped.
  ///
  /// - Parameters:
  ///   - vintf: the interface. One that does not exist has no queues.
  ///   - offset: in bytes from the beginning of the page, below 0x10000.
  ///   - width: must be 4 bytes.
  /// - Throws: `RegisterError` for any other width, for an offset that is not a multiple of 4, and
  ///   for one outside the page.
  public func readWindow(
    _ vintf: Int, _ offset: UInt32, width: Int
  ) throws(RegisterError) -> UInt64 {
    guard case .queue(let place, let register)? = try CMDQVRegister(window: vintf, offset, width)
    else { return 0 }
    return read(register, at: place, width: width)
  }

  /// Writes a register in page 0 of an interface, the page that a guest has mapped. A queue that
  /// has work then carries it out before this returns, unless it is deferred.
  ///
  /// - Parameters:
  ///   - vintf: the interface.
  ///   - offset: as for `readWindow`.
  ///   - value: what is written; only its lower 4 bytes are.
  ///   - width: must be 4 bytes.
  /// - Throws: what `readWindow` throws.
  public func writeWindow(
    _ vintf: Int, _ offset: UInt32, _ value: UInt64, width: Int
  ) throws(RegisterError) {
    guard case .queue(let place, let register)? = try CMDQVRegister(window: vintf, offset, width)
    else { return }
    write(value, to: register, at: place, width: width)
  }

  /// Writes PROD as a guest does, and reports each command that the queue carries out then. The
  /// commands are carried out here even if the queue is deferred.
  ///
  /// - Parameters:
  ///   - vintf: the interface.
  ///   - logical: the queue's number there. If no queue is mapped under it, nothing is done.
  ///   - prod: the new value of PROD_INDX.
  /// - Returns: an element for each command, in order; at most twice as many as the greatest ring
  ///   has entries.
  public func submit(_ vintf: Int, _ logical: Int, prod: UInt32) -> [ExecutedCommand] {
    let place = VCMDQPlace.logical(vintf: vintf, logical)
    guard let queue = queue(at: place) else { return [] }
    var record: [ExecutedCommand] = []
    var isFirst = true
    var rest = VCMDQ.greatestRun
    while rest > 0 {
      let effects = queue.lock.withLock { state -> VCMDQEffects? in
        guard isHere(state, place) else { return nil }
        return queue.change(&state, errors) { state in
          if isFirst { state.write(UInt64(prod), to: .prod) }
          queue.carryOut(VCMDQ.batch, &state, isRecording: true, &record)
        }
      }
      guard let effects else { break }
      tell(effects)
      if !effects.hasWork { break }
      isFirst = false
      rest -= VCMDQ.batch
    }
    return record
  }

  // MARK: Registers of queues

  /// The queue at a place; nil if there is none.
  private func queue(at place: VCMDQPlace) -> VCMDQ? {
    switch place {
    case .global(let number): queues.indices.contains(number) ? queues[number] : nil
    case .logical(let vintf, let logical): route(vintf, logical)
    }
  }

  /// Whether the queue is still mapped where it was found. It may have been given to another
  /// interface before its lock was taken, and a guest must not reach it there.
  private func isHere(_ state: VCMDQState, _ place: VCMDQPlace) -> Bool {
    switch place {
    case .global: true
    case .logical(let vintf, let logical):
      state.binding?.vintf == vintf && state.binding?.logical == logical
    }
  }

  /// Reads a register of a queue; a queue that is not there reads as zero.
  private func read(_ register: VCMDQRegister, at place: VCMDQPlace, width: Int) -> UInt64 {
    guard let queue = queue(at: place) else { return 0 }
    let value = queue.lock.withLock { isHere($0, place) ? $0.value(register) : 0 }
    if width == 8 { return value }
    return (register.isUpperHalf ? value >> 32 : value) & 0xffff_ffff
  }

  /// Writes a register of a queue, if it is there, and does what the write asks for.
  private func write(
    _ value: UInt64, to register: VCMDQRegister, at place: VCMDQPlace, width: Int
  ) {
    guard let queue = queue(at: place) else { return }
    let effects = queue.lock.withLock { state -> VCMDQEffects? in
      guard isHere(state, place) else { return nil }
      return queue.change(&state, errors) { state in
        let whole = width == 8 ? value : register.merge(value, into: state.value(register))
        state.write(whole, to: register)
        state.settle(queue.core)
      }
    }
    if let effects { finish(effects, queue) }
  }

  // MARK: The configuration

  /// The value of a register of the configuration page, except those of errors and interrupts.
  private func value(_ register: CMDQVRegister, _ configuration: CMDQVConfiguration) -> UInt64 {
    switch register {
    case .config: UInt64(configuration.config)
    case .parameters: UInt64(configuration.parameters)
    case .status: configuration.isEnabled ? 1 : 0
    case .allocation(let queue): UInt64(configuration.allocations[queue])
    case .interfaceConfig(let vintf): UInt64(configuration.interfaces[vintf].config)
    case .interfaceStatus(let vintf): UInt64(status(vintf, configuration))
    case .sidMatch(let vintf, let slot): UInt64(configuration.interfaces[vintf].match[slot])
    case .sidReplace(let vintf, let slot): UInt64(configuration.interfaces[vintf].replace[slot])
    default: 0
    }
  }

  /// VINTF_STATUS of an interface: ENABLE_OK 0, STATUS 3:1 (nothing public says its values; here it
  /// is 1 while one of the interface's queues has an error), NUM_LVCMDQ 23:16.
  func status(_ vintf: Int, _ configuration: CMDQVConfiguration) -> UInt32 {
    let mapped = configuration.mappedQueues()[vintf]
    let hasError = mapped.contains { errors.hasError($0) }
    return (configuration.interfaces[vintf].isEnabled ? 1 : 0) | (hasError ? 1 << 1 : 0)
      | UInt32(mapped.count) << 16
  }

  /// LVCMDQ_ERR_MAP of an interface: a bit for each of its logical queues, in two words of 64.
  ///
  /// - Parameter mapped: the interface's queues, by their logical numbers.
  func errorMap(_ mapped: [Int]) -> [UInt64] {
    var map: [UInt64] = [0, 0]
    for (logical, queue) in mapped.enumerated() where errors.hasError(queue) {
      map[logical / 64] |= 1 << UInt64(logical % 64)
    }
    return map
  }

  /// VI_ERR_MAP: a bit for each interface, which is set while one of its queues has an error.
  private func interfaceErrorMap(_ configuration: CMDQVConfiguration) -> UInt64 {
    var map: UInt64 = 0
    for (vintf, mapped) in configuration.mappedQueues().enumerated()
    where mapped.contains(where: { errors.hasError($0) }) {
      map |= 1 << UInt64(vintf)
    }
    return map
  }

  /// Writes a register of the configuration, and gives the queues the bindings that follow from it.
  private func configure(_ value: UInt32, _ register: CMDQVRegister) {
    let changed = configuration.withLock { configuration in
      configuration.write(value, to: register)
      if case .interfaceConfig(let vintf) = register,
        !configuration.interfaces[vintf].isEnabled
      {
        errors.forget(vintf)
      }
      return rebind(&configuration)
    }
    for (queue, effects) in changed { finish(effects, queue) }
  }

  /// Gives each queue whose binding has changed its new one.
  ///
  /// - Returns: these queues, and what is to be done for each when the configuration's lock is
  ///   released.
  private func rebind(
    _ configuration: inout CMDQVConfiguration
  ) -> [(VCMDQ, VCMDQEffects)] {
    let wanted = configuration.wantedBindings()
    var changed: [(VCMDQ, VCMDQEffects)] = []
    for queue in queues {
      let old = configuration.bindings[queue.number]
      let new = wanted[queue.number]
      if old == new { continue }
      let effects = queue.lock.withLock { state in
        queue.change(&state, errors) { state in queue.bind(new, &state) }
      }
      changed.append((queue, effects))
      if let old { routes[place(old)] = 0 }
    }
    for (queue, _) in changed {
      guard let new = wanted[queue.number] else { continue }
      routes[place(new)] = UInt16(queue.number + 1)
    }
    configuration.bindings = wanted
    return changed
  }

  /// The index in `routes` of a binding's interface and logical number.
  private func place(_ binding: VCMDQBinding) -> Int {
    binding.vintf * Tegra241CMDQV.logicalQueueLimit + binding.logical
  }
}

extension VCMDQRegister {
  /// Whether the offset was that of the upper 4 of the register's 8 bytes.
  var isUpperHalf: Bool {
    switch self {
    case .base(let isUpper), .consBase(let isUpper): isUpper
    default: false
    }
  }

  /// The new value of a register after a write of 4 bytes, which replaces one half of a register of
  /// 8.
  func merge(_ value: UInt64, into old: UInt64) -> UInt64 {
    let half = value & 0xffff_ffff
    switch self {
    case .base(true), .consBase(true): return old & 0xffff_ffff | half << 32
    case .base(false), .consBase(false): return old & ~0xffff_ffff | half
    default: return half
    }
  }
}
