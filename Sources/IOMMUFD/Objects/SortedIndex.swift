// SPDX-License-Identifier: Apache-2.0

/// The objects of a kind in the order of their names, as listings show them.
///
/// It is a list of short sorted arrays, called runs. Two binary searches find a place, and
/// inserting or removing moves the elements of one run at most, so that even with millions of
/// objects neither takes noticeably longer.
struct SortedIndex {
  private static let runLimit = 256
  private var runs: [[Object]] = []

  mutating func insert(_ object: Object) {
    guard !runs.isEmpty else {
      runs.append([object])
      return
    }
    let run = min(firstRun(reaching: object.name), runs.count - 1)
    runs[run].insert(object, at: position(of: object.name, in: runs[run]))
    if runs[run].count > SortedIndex.runLimit {
      let half = SortedIndex.runLimit / 2
      let upper = Array(runs[run][half...])
      runs[run].removeSubrange(half...)
      runs.insert(upper, at: run + 1)
    }
  }

  mutating func remove(_ object: Object) {
    let run = firstRun(reaching: object.name)
    runs[run].remove(at: position(of: object.name, in: runs[run]))
    if runs[run].isEmpty { runs.remove(at: run) }
  }

  /// Visits the objects whose names come after `name` (all of them for nil) in order, until `body`
  /// returns false.
  func visit(after name: String?, _ body: (Object) -> Bool) {
    var run = name.map { firstRun(reaching: $0) } ?? 0
    guard run < runs.count else { return }
    var index = 0
    if let name {
      index = position(of: name, in: runs[run])
      if index < runs[run].count, runs[run][index].name == name { index += 1 }
    }
    while run < runs.count {
      while index < runs[run].count {
        if !body(runs[run][index]) { return }
        index += 1
      }
      run += 1
      index = 0
    }
  }

  /// The first run whose last name is not below `name`; the number of runs if there is none.
  private func firstRun(reaching name: String) -> Int {
    firstIndex(below: runs.count) { runs[$0][runs[$0].count - 1].name >= name }
  }

  private func position(of name: String, in run: [Object]) -> Int {
    firstIndex(below: run.count) { run[$0].name >= name }
  }

  private func firstIndex(below count: Int, where isAtOrBehind: (Int) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isAtOrBehind(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
