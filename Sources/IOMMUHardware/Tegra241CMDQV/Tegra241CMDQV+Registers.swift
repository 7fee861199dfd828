// SPDX-License-Identifier: Apache-2.0
import Locking

extension Tegra241CMDQV {
  // MARK: All registers

  /// Reads a register.
  ///
  /// - Parameters:
  ///   - offset: from the beginning of the configuration page. What is reserved, and a logical
  ///     queue that is not mapped, reads as zero.
  ///   - width: 4 bytes, or 8 of LVCMDQ_ERR_MAP and in the pages of base addresses.
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

  /// Writes a register, and does what the write asks for: queues that it gives work carry it out.
  ///
  /// - Parameters:
  ///   - offset: as for `readRegister`. What is reserved, read-only, or of a logical queue that is
  ///     not mapped, is not written.
  ///   - width: as for `readRegister`.
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

  /// Reads a register in page 0 of an interface: what a guest has mapped.
  ///
  /// - Parameters:
  ///   - offset: from the beginning of the page, below 0x10000.
  ///   - width: 4 bytes.
  public func readWindow(
    _ vintf: Int, _ offset: UInt32, width: Int
  ) throws(RegisterError) -> UInt64 {
    guard case .queue(let place, let register)? = try CMDQVRegister(window: vintf, offset, width)
    else { return 0 }
    return read(register, at: place, width: width)
  }

  /// Writes a register in page 0 of an interface.
  public func writeWindow(
    _ vintf: Int, _ offset: UInt32, _ value: UInt64, width: Int
  ) throws(RegisterError) {
    guard case .queue(let place, let register)? = try CMDQVRegister(window: vintf, offset, width)
    else { return }
    write(value, to: register, at: place, width: width)
  }

  /// Writes PROD through the window, and says what became of each command that this made the
  /// queue carry out. It is carried out here even if the queue is deferred.
  ///
  /// - Parameters:
  ///   - vintf: the interface.
  ///   - logical: the queue's number there. Of one that is not mapped nothing is carried out.
  /// - Returns: a value for each command, at most twice as many as the ring has entries.
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

  private func queue(at place: VCMDQPlace) -> VCMDQ? {
    switch place {
    case .global(let number): queues.indices.contains(number) ? queues[number] : nil
    case .logical(let vintf, let logical): route(vintf, logical)
    }
  }

  /// Whether the queue is still mapped where it was found: it may have been given to another
  /// interface before its lock was taken.
  private func isHere(_ state: VCMDQState, _ place: VCMDQPlace) -> Bool {
    switch place {
    case .global: true
    case .logical(let vintf, let logical):
      state.binding?.vintf == vintf && state.binding?.logical == logical
    }
  }

  private func read(_ register: VCMDQRegister, at place: VCMDQPlace, width: Int) -> UInt64 {
    guard let queue = queue(at: place) else { return 0 }
    let value = queue.lock.withLock { isHere($0, place) ? $0.value(register) : 0 }
    if width == 8 { return value }
    return (register.isUpperHalf ? value >> 32 : value) & 0xffff_ffff
  }

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

  /// VINTF_STATUS: ENABLE_OK, STATUS 3:1 (1 while a queue has an error), NUM_LVCMDQ 23:16.
  func status(_ vintf: Int, _ configuration: CMDQVConfiguration) -> UInt32 {
    let mapped = configuration.mappedQueues()[vintf]
    let hasError = mapped.contains { errors.hasError($0) }
    return (configuration.interfaces[vintf].isEnabled ? 1 : 0) | (hasError ? 1 << 1 : 0)
      | UInt32(mapped.count) << 16
  }

  /// LVCMDQ_ERR_MAP: a bit for each of an interface's queues, in two words.
  func errorMap(_ mapped: [Int]) -> [UInt64] {
    var map: [UInt64] = [0, 0]
    for (logical, queue) in mapped.enumerated() where errors.hasError(queue) {
      map[logical / 64] |= 1 << UInt64(logical % 64)
    }
    return map
  }

  private func interfaceErrorMap(_ configuration: CMDQVConfiguration) -> UInt64 {
    var map: UInt64 = 0
    for (vintf, mapped) in configuration.mappedQueues().enumerated()
    where mapped.contains(where: { errors.hasError($0) }) {
      map |= 1 << UInt64(vintf)
    }
    return map
  }

  /// Writes the configuration, and tells the queues.
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

  /// Has every queue know what it is bound to now.
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

  private func place(_ binding: VCMDQBinding) -> Int {
    binding.vintf * Tegra241CMDQV.logicalQueueLimit + binding.logical
  }
}

extension VCMDQRegister {
  var isUpperHalf: Bool {
    switch self {
    case .base(let isUpper), .consBase(let isUpper): isUpper
    default: false
    }
  }

  /// The register's new value, of which a write of 4 bytes gives one half.
  func merge(_ value: UInt64, into old: UInt64) -> UInt64 {
    let half = value & 0xffff_ffff
    switch self {
    case .base(true), .consBase(true): return old & 0xffff_ffff | half << 32
    case .base(false), .consBase(false): return old & ~0xffff_ffff | half
    default: return half
    }
  }
}
