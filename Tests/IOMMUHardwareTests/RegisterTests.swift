// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

@Suite struct RegisterTests {
  @Test func `the identification registers are the features`() throws {
    let machine = Machine(.stage1())
    #expect(machine.read(.idr0) == UInt64(machine.smmu.features.idr0))
    #expect(machine.read(.idr1) == UInt64(machine.smmu.features.idr1))
    #expect(machine.read(.idr3) == UInt64(machine.smmu.features.idr3))
    #expect(machine.read(.idr5) == UInt64(machine.smmu.features.idr5))
    machine.write(.idr0, 0)
    #expect(machine.read(.idr0) != 0)
  }

  @Test(
    arguments: [
      (0x20, 8, RegisterError.width(offset: 0x20, 8)), (0x20, 2, .width(offset: 0x20, 2)),
      (0x21, 4, .alignment(offset: 0x21)), (0x84, 8, .alignment(offset: 0x84)),
      (0x2_0000, 4, .outside(offset: 0x2_0000)), (0xffff_fffc, 4, .outside(offset: 0xffff_fffc)),
    ] as [(UInt32, Int, RegisterError)])
  func `wrong widths, alignments and offsets are refused`(
    offset: UInt32, width: Int, expected: RegisterError
  ) {
    let smmu = SMMUv3(memory: PhysicalMemory())
    #expect(throws: expected) { try smmu.readRegister(offset, width: width) }
    #expect(throws: expected) { try smmu.writeRegister(offset, 0, width: width) }
  }

  @Test func `an address register may be written in halves`() throws {
    let smmu = SMMUv3(memory: PhysicalMemory())
    try smmu.writeRegister(0x80, 0x8765_43c0)
    try smmu.writeRegister(0x84, 0x4000_0012)
    #expect(try smmu.readRegister(0x80, width: 8) == 0x4000_0012_8765_43c0)
    #expect(try smmu.readRegister(0x84) == 0x4000_0012)
  }

  @Test(arguments: SMMURegister.allCases)
  func `writes keep only bits that are there`(register: SMMURegister) throws {
    let smmu = SMMUv3(memory: PhysicalMemory())
    try smmu.writeRegister(register.rawValue, .max, width: register.width)
    let value = try smmu.readRegister(register.rawValue, width: register.width)
    let expected: [SMMURegister: UInt64] = [
      .cr0: 0x1f, .cr1: 0xfff, .cr2: 6, .gbpa: 0x1f_3f1f, .irqCtrl: 7, .gerrorn: 0x1fd,
      .gerrorIRQCfg0: 0xf_ffff_ffff_fffc, .gerrorIRQCfg1: 0xffff_ffff, .gerrorIRQCfg2: 0x3f,
      .strtabBase: 0x400f_ffff_ffff_ffc0, .strtabBaseCfg: 0x3_07ff,
      .cmdqBase: 0x400f_ffff_ffff_ffff, .cmdqProd: 0xf_ffff, .cmdqCons: 0x7f0f_ffff,
      .eventqBase: 0x400f_ffff_ffff_ffff, .eventqProd: 0x800f_ffff, .eventqCons: 0x800f_ffff,
    ]
    if let expected = expected[register] { #expect(value == expected) }
    if expected[register] == nil, "\(register)".hasPrefix("idr") == false {
      let same: [SMMURegister: SMMURegister] = [
        .eventqIRQCfg0: .gerrorIRQCfg0, .priqIRQCfg0: .gerrorIRQCfg0,
        .eventqIRQCfg1: .gerrorIRQCfg1, .priqIRQCfg1: .gerrorIRQCfg1,
        .eventqIRQCfg2: .gerrorIRQCfg2, .priqIRQCfg2: .gerrorIRQCfg2,
        .priqBase: .eventqBase, .priqProd: .eventqProd, .priqCons: .eventqCons,
      ]
      #expect(value == same[register].flatMap { expected[$0] } ?? 0)
    }
  }

  @Test func `CR0ACK and IRQ_CTRLACK follow at once`() {
    let machine = Machine(.stage1())
    #expect(machine.read(.cr0ack) == 0x1f)
    machine.write(.cr0, 0xd)
    #expect(machine.read(.cr0ack) == 0xd)
    machine.write(.irqCtrl, 5)
    #expect(machine.read(.irqCtrlAck) == 5)
  }

  @Test func `what is in use cannot be moved`() {
    let machine = Machine(.stage1())
    for register in [SMMURegister.strtabBase, .strtabBaseCfg, .cmdqBase, .eventqBase, .priqBase] {
      let before = machine.read(register)
      machine.write(register, 0)
      #expect(machine.read(register) == before)
    }
    machine.write(.cr0, 0)
    machine.write(.cmdqBase, 0x1000)
    #expect(machine.read(.cmdqBase) == 0x1000)
  }

  @Test func `the indices of the event queue answer in both pages`() throws {
    let machine = Machine(.stage1())
    _ = machine.translate(0x10_0000)
    #expect(try machine.smmu.readRegister(0x1_00a8) == 1)
    #expect(try machine.smmu.readRegister(0xa8) == 1)
    try machine.smmu.writeRegister(0xac, 1)
    #expect(try machine.smmu.readRegister(0x1_00ac) == 1)
  }

  @Test func `statement 83: GBPA counts while the SMMU is off, and is written with UPDATE only`() {
    let machine = Machine(.stage1())
    machine.write(.cr0, 0x1e)
    #expect(machine.address(0x1234) == 0x1234)
    machine.write(.gbpa, 1 << 20)
    #expect(machine.read(.gbpa) == 0x1000)
    #expect(machine.address(0x1234) == 0x1234)
    machine.write(.gbpa, 1 << 20 | 1 << 31)
    #expect(machine.read(.gbpa) == 1 << 20)
    #expect(machine.translate(0x1234).fault?.isRecorded == false)
    #expect(machine.takeEvents().isEmpty)
    machine.write(.cr0, 0x1f)
    #expect(machine.address(0x1234) == 0x9000_0234)
  }
}
