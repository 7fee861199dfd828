// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The lock of one stream's port. A transaction holds it while it is translated, and a command
/// holds it while it drops what the port keeps. A thread must not enter twice.
///
/// The lock is a word that counts up at each entry and at each exit, so it is odd while somebody is
/// inside. A CMD_SYNC only has to wait until an odd word changes, and need not wait for later
/// transactions. A command that waits goes before transactions that come after it. Transactions are
/// short and seldom meet, so whoever waits looks at the word again and again, and after a while
/// lets other threads run between two looks.
struct PortGate: ~Copyable {
  /// Counts up with each entry and each exit.
  private let word = Atomic<UInt64>(0)
  /// How many commands wait to get in.
  private let commands = Atomic<Int>(0)

  /// Enters for a transaction, and returns when nobody else is inside. Commands that wait go first,
  /// unless that takes long.
  @inline(__always)
  func enter() {
    if commands.load(ordering: .relaxed) != 0 { stepAside() }
    if !tryToEnter() { enterSlowly() }
  }

  /// Enters for a command, and returns when nobody else is inside. Transactions that come meanwhile
  /// let it go first.
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
