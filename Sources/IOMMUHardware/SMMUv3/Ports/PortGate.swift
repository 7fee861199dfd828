// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The lock of one stream's port. A transaction holds it while it is translated, and a command
/// while it drops what the port keeps.
///
/// It is a word that is odd while somebody is inside, and that only grows. So a CMD_SYNC can wait
/// for the transaction that is under way without waiting for a later one. A command goes before the
/// transactions that come while it waits. A thread must not enter twice. Transactions are short and
/// rarely meet, so a thread that waits looks again, and after a while gives the processor to others
/// between two looks.
struct PortGate: ~Copyable {
  /// Counts up with each entry and each exit.
  private let word = Atomic<UInt64>(0)
  /// How many commands wait to get in.
  private let commands = Atomic<Int>(0)

  /// Enters for a transaction. Commands that wait go first, if they do not take long. It returns
  /// when nobody else is inside.
  @inline(__always)
  func enter() {
    if commands.load(ordering: .relaxed) != 0 { stepAside() }
    if !tryToEnter() { enterSlowly() }
  }

  /// Enters for a command, before the transactions that wait. It returns when nobody else is
  /// inside.
  @inline(__always)
  func enterFirst() {
    if !tryToEnter() { waitFirst() }
  }

  /// Waits to get in for a command, and has transactions that come meanwhile step aside.
  @inline(never)
  private func waitFirst() {
    commands.wrappingAdd(1, ordering: .relaxed)
    enterSlowly()
    commands.wrappingSubtract(1, ordering: .relaxed)
  }

  /// Lets commands that wait go first. It gives up after two tries, so that a stream of commands
  /// cannot keep a transaction out for ever.
  @inline(never)
  private func stepAside() {
    var tries = 0
    while commands.load(ordering: .relaxed) != 0, tries < 2 {
      sched_yield()
      tries += 1
    }
  }

  /// Enters if nobody is inside.
  @inline(__always)
  private func tryToEnter() -> Bool {
    let current = word.load(ordering: .relaxed) & ~1
    return word.compareExchange(
      expected: current, desired: current | 1, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Leaves. The word becomes even again, with a value that it has not had before.
  @inline(__always)
  func leave() {
    let current = word.load(ordering: .relaxed)
    word.store(current &+ 1, ordering: .releasing)
  }

  /// Waits until nobody is inside, and enters.
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

  /// Returns when whoever was inside at the time of the call has left; at once if nobody was.
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
