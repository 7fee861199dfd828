// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Testing

@testable import IOMMUHardware

/// What the TLB knows of itself, by which invalidations find that there is nothing to do.
@Suite struct TLBOccupancyTests {
  private func entry(_ page: UInt64, vmid: UInt16, asid: UInt16 = 1) -> TLBEntry {
    let mapping = Mapping(
      output: page << 12, intermediate: page << 12, sizeLog2: 12, stage1SizeLog2: 12,
      permissions: .read, stage1Permissions: .read, level: 3, granule: .size4K)
    return TLBEntry(
      mapping, at: page << 12, .el1, vmid: vmid, asid: asid, agreedAt: 1, TablePages())
  }

  @Test(arguments: UInt64(1)...4)
  func `a VMID has nothing exactly when no entry is its`(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let tlb = TLB(dropsWholeBlocks: false)
    let pages = UInt64(1) << (2 + 4 * seed)
    var greatest = 0
    for _ in 0..<6000 {
      let vmid = UInt16(random.next() & 1)
      let page = random.next() % pages
      // Few invalidations have sets overflow.
      switch random.next() % (seed < 3 ? 64 : 2048) {
      case 0: tlb.drop(TLBInvalidation(.el1, vmid: vmid))
      case 1: tlb.drop(TLBInvalidation(.el1, vmid: vmid, asid: 1))
      case 2 where random.next() & 3 == 0: tlb.drop(TLBInvalidation(.el1))
      case 3..<8:
        var one = TLBInvalidation(.el1, vmid: vmid)
        (one.first, one.last) = (page << 12, page << 12 | 0xfff)
        tlb.drop(one)
      case 8:
        // A walk from before an invalidation.
        tlb.insert(entry(page, vmid: vmid), epoch: tlb.epoch(vmid) &- 1)
      default:
        let asid = UInt16(random.next() & 1)
        tlb.insert(entry(page, vmid: vmid, asid: asid), epoch: tlb.epoch(vmid))
      }
      if random.next() & 7 != 0 { continue }
      let counts = [UInt16(0), 1].map { tlb.entries(ofVMID: $0) }
      #expect(tlb.isEmpty(0) == (counts[0] == 0))
      #expect(tlb.isEmpty(1) == (counts[1] == 0))
      greatest = max(greatest, tlb.count)
      #expect(tlb.count == counts[0] + counts[1])
    }
    #expect(greatest > (seed < 3 ? 4 : 500))
  }

  @Test func `a note of an entry that was dropped does not bring it back`() {
    let tlb = TLB(dropsWholeBlocks: false)
    let old = entry(1, vmid: 3)
    var new = old
    new.agreedAt = 9
    tlb.insert(old, epoch: tlb.epoch(3))
    tlb.replace(old, with: new)
    #expect(tlb.entry(0x1000, .el1, vmid: 3, asid: 1) == new)
    // Nor does a note of what it no longer is.
    tlb.replace(old, with: entry(1, vmid: 3, asid: 2))
    #expect(tlb.entry(0x1000, .el1, vmid: 3, asid: 1) == new)
    tlb.drop(TLBInvalidation(.el1, vmid: 3))
    tlb.replace(new, with: old)
    #expect(tlb.count == 0 && tlb.isEmpty(3))
  }
}
