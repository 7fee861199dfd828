// SPDX-License-Identifier: Apache-2.0
import Locking
import Testing

@Suite struct LockedFunctionTests {
  @Test func `a function is the same after a million calls`() {
    let function = LockedFunction<Int, Int>()
    #expect(function(1) == nil)
    function.set { $0 + 1 }
    for number in 0..<1_000_000 where function(number) != number + 1 {
      Issue.record("\(number)")
      return
    }
    function.set(nil)
    #expect(function(1) == nil)
  }
}
