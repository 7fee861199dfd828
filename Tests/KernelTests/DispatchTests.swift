// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("System calls, before a command is carried out")
struct DispatchTests {
  @Test("1, K3. One byte less than a command's first version is EINVAL", arguments: Command.all)
  func tooShort(_ command: Command) throws {
    let argument = Field.empty(size: command.minimum - 1)
    #expect(try Kernel().ioctl(number: command.number, argument).errno == "EINVAL")
  }

  @Test("2, K3. What is behind a command's last field must be 0", arguments: Command.all)
  func tooLong(_ command: Command) throws {
    var argument = Field.empty(size: command.full + 1)
    argument[command.full] = 0xff
    #expect(try Kernel().ioctl(number: command.number, argument).errno == "E2BIG")
    argument[command.full] = 0
    let longer = try Kernel().ioctl(number: command.number, argument)
    let exact = try Kernel().ioctl(number: command.number, Field.empty(size: command.full))
    #expect(longer.errno == exact.errno)
    #expect(longer.created == exact.created)
    // Only the size differs in what is written back.
    #expect(longer.argument.dropFirst(4).prefix(command.full - 4) == exact.argument.dropFirst(4))
  }

  @Test(
    "2. To a caller of the first version what it does not know is 0",
    arguments: Command.all.filter { $0.minimum < $0.full })
  func olderCaller(_ command: Command) throws {
    for size in command.minimum..<command.full {
      let older = try Kernel().ioctl(number: command.number, Field.empty(size: size))
      let exact = try Kernel().ioctl(number: command.number, Field.empty(size: command.full))
      #expect(older.errno == exact.errno, "\(size) bytes")
    }
  }

  @Test("2. No more is written back than the caller has room for")
  func writtenBack() throws {
    let kernel = try Kernel()
    try kernel.plug()
    try kernel.make("ioas/i")
    let fields: [Field] = [
      .u32(0), .u32(try kernel.id("devices/d")), .u32(try kernel.id("ioas/i")), .u32(0), .u32(0),
    ]
    let reply = try kernel.ioctl(.hwptAlloc, fields)
    #expect(reply.errno == nil)
    #expect(reply.argument.count == 24)
    #expect(reply.u32(16) == (try kernel.id(try #require(reply.created))))
  }

  @Test(
    "3. A number that is no command's is ENOTTY",
    arguments: [0, 0x80, 0x3a80, 0x3b7f, 0x3b96, 0x3b9f, 0x3ba0, 0x3ba1, 0xc008_3b80])
  func unknown(_ number: UInt32) throws {
    #expect(try Kernel().ioctl(number: number, Field.empty(size: 64)).errno == "ENOTTY")
  }

  @Test("3, 120. Where no device is without an IOMMU, asking for its addresses is EOPNOTSUPP")
  func noIOMMU() throws {
    #expect(
      try Kernel().ioctl(number: 0x3b95, Field.empty(size: 40)).errno == "EOPNOTSUPP")
  }

  @Test("K1. A file that is opened and closed leaves nothing", arguments: Driver.allCases)
  func openAndClose(_ driver: Driver) throws {
    try Kernel(driver).close()
  }

  @Test("K2. ID 0 is ENOENT, an argument that is not there EFAULT, number 0x7f ENOTTY")
  func failures() throws {
    let kernel = try Kernel()
    #expect(try kernel.destroy(0) == "ENOENT")
    #expect(try kernel.ioctl(number: Command.destroy.number, nil).errno == "EFAULT")
    #expect(try kernel.ioctl(number: 0x3b7f, Field.empty(size: 8)).errno == "ENOTTY")
    try kernel.close()
  }

  @Test("K4. Extra bytes of a DESTROY are looked at before its ID")
  func extraBytes() throws {
    let kernel = try Kernel()
    let number = Command.destroy.number
    let zeros = Field.empty(size: 16)
    #expect(try kernel.ioctl(number: number, zeros).errno == "ENOENT")
    #expect(try kernel.ioctl(number: number, zeros.dropLast() + [1]).errno == "E2BIG")
    #expect(try kernel.ioctl(number: number, Field.empty(size: 8)).errno == "ENOENT")
    #expect(try kernel.ioctl(number: number, Field.empty(size: 7)).errno == "EINVAL")
  }

  @Test("K4. An argument that ends before its size says is EFAULT")
  func truncated() throws {
    let kernel = try Kernel()
    let number = Command.destroy.number
    #expect(try kernel.ioctl(number: number, [8, 0, 0]).errno == "EFAULT")
    #expect(try kernel.ioctl(number: number, [8, 0, 0, 0, 0, 0, 0]).errno == "EFAULT")
    #expect(try kernel.ioctl(number: number, [0xff, 0xff, 0xff, 0xff]).errno == "EFAULT")
  }

  @Test("K5. The address space that stands for a VFIO container is set, got and cleared")
  func compatibleIOAS() throws {
    let kernel = try Kernel()
    func call(_ operation: UInt16, _ id: UInt32 = 0) throws -> IoctlReply {
      try kernel.ioctl(.vfioIOAS, [.u32(id), .u16(operation), .u16(0)])
    }
    let (get, set, clear): (UInt16, UInt16, UInt16) = (0, 1, 2)
    #expect(try call(get).errno == "ENODEV")
    #expect(try call(set, 0x7fff_fff0).errno == "ENOENT")
    try kernel.make("ioas/i")
    let id = try kernel.id("ioas/i")
    #expect(try call(set, id).errno == nil)
    #expect(try call(get).u32(4) == id)
    #expect(try call(clear).errno == nil)
    #expect(try call(get).errno == "ENODEV")
    #expect(try call(3).errno == "EOPNOTSUPP")
    // It is not pinned by that, and nothing stands for the container when it is gone.
    #expect(try call(set, id).errno == nil)
    #expect(try kernel.destroy(id) == nil)
    #expect(try call(get).errno == "ENODEV")
    try kernel.close()
  }
}
