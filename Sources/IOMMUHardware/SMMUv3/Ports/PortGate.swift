// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The lock of one stream's port: taken for one transaction, and by commands for the moment in
/// which they drop what the port keeps.
///
/// A word that is odd while somebody is inside, and that never has a value again: so a CMD_SYNC
/// can wait for the transaction that is under way and for no later one. A command goes before the
/// transactions that come while it waits. Not recursive; transactions are short, and almost
/// always alone.
struct PortGate: ~Copyable {
  private let word = Atomic<UInt64>(0)
  /// Commands that wait to get in.
  private let commands = Atomic<Int>(0)

  /// Enters for a transaction.
  @inline(__always)
  func enter() {
    if commands.load(ordering: .relaxed) != 0 { stepAside() }
    if !tryToEnter() { enterSlowly() }
  }

  /// Enters for a command.
  @inline(__always)
  func enterFirst() {
    if !tryToEnter() { waitFirst() }
  }

  @inline(never)
  private func waitFirst() {
    commands.wrappingAdd(1, ordering: .relaxed)
    enterSlowly()
    commands.wrappingSubtract(1, ordering: .relaxed)
  }

  /// Lets commands that wait go first, for a while.
  @inline(never)
  private func stepAside() {
    var tries = 0
    while commands.load(ordering: .relaxed) != 0, tries < 2 {
      sched_yield()
      tries += 1
    }
  }

  @inline(__always)
  private func tryToEnter() -> Bool {
    let current = word.load(ordering: .relaxed) & ~1
    return word.compareExchange(
      expected: current, desired: current | 1, ordering: .sequentiallyConsistent
    ).exchanged
  }

  @inline(__always)
  func leave() {
    let current = word.load(ordering: .relaxed)
    word.store(current &+ 1, ordering: .releasing)
  }

  @inline(never)
  private func enterSlowly() {
    var tries = 0
    while true {
      let current = word.load(ordering: .relaxed)
      if current & 1 == 0 {
        let (won, _) = word.compareExchange(
          expected: current, desired: current | 1, ordering: .sequentiallyConsistent)
        if won { return }
      }
      tries += 1
      if tries > 64 { sched_yield() }
    }
  }

  /// Returns when whoever was inside at the call has left.
  func waitForPassage() {
    let seen = word.load(ordering: .sequentiallyConsistent)
    if seen & 1 == 0 { return }
    var tries = 0
    while word.load(ordering: .acquiring) == seen {
      tries += 1
      if tries > 64 { sched_yield() }
    }
  }
}
