// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI

extension ObjectCore {
  /// Makes a system call on a context's file (`iommufd_fops_ioctl`): the argument is checked as
  /// every command's is, and the command carried out.
  ///
  /// - Throws: `ENOTTY` for a number that is no command, `EFAULT` for an argument that is not
  ///   there as far as its size says, `EINVAL` for one that is shorter than the command's first
  ///   version, `E2BIG` for a longer one with something in what is unknown.
  public func ioctl(_ context: String, _ request: IoctlRequest) throws(Refusal) -> IoctlResult {
    let context: Context = try find(.context, context)
    guard context.isFileOpen else {
      throw Refusal(.EBADF, .busy, "the file of context \(context.name) is closed")
    }
    guard let command = IoctlCommand(rawValue: request.number) else {
      throw Refusal(.ENOTTY, field: "number", "there is no such command")
    }
    let given = request.argument ?? []
    guard given.count >= 4 else {
      throw Refusal(.EFAULT, field: "argument", "the argument is not there")
    }
    let size = Int(LittleEndian(given, size: 4).u32(0))
    guard size >= command.minimumSize else {
      throw Refusal(
        .EINVAL, field: "argument", "the command's size is \(command.minimumSize) at least")
    }
    guard size <= given.count else {
      throw Refusal(.EFAULT, field: "argument", "the argument is shorter than its size says")
    }
    guard given[min(size, command.size)..<size].allSatisfy({ $0 == 0 }) else {
      throw Refusal(.E2BIG, field: "argument", "something is behind the command's last field")
    }
    // A shorter argument is an older caller's: what it does not know is 0.
    var call = IoctlCall(
      core: self, context: context, memory: request.memory, name: request.name,
      argument: LittleEndian(Array(given.prefix(size)), size: command.size))
    try call.perform(command)
    var written = given
    let answered = min(size, command.size)
    written.replaceSubrange(0..<answered, with: call.argument.bytes[0..<answered])
    return IoctlResult(
      argument: written, memory: call.memory, created: call.created, refusal: call.refusal)
  }
}

/// A command under way. Its parts are in extensions, by what they are about.
struct IoctlCall {
  let core: ObjectCore
  let context: Context
  var memory: UserMemory
  let name: String?
  var argument: LittleEndian
  var created: ObjectKey?
  var refusal: Refusal?

  init(
    core: ObjectCore, context: Context, memory: UserMemory, name: String?, argument: LittleEndian
  ) {
    self.core = core
    self.context = context
    self.memory = memory
    self.name = name
    self.argument = argument
  }

  mutating func perform(_ command: IoctlCommand) throws(Refusal) {
    switch command {
    case .destroy: try destroy()
    case .ioasAlloc: try allocateIOAS()
    case .ioasAllowIOVAs: try allowIOVAs()
    case .ioasCopy: try copy()
    case .ioasIOVARanges: try listRanges()
    case .ioasMap: try map()
    case .ioasUnmap: try unmap()
    case .option: try setOption()
    case .vfioIOAS: try setCompatibleIOAS()
    case .hwptAlloc: try allocateDomain()
    case .getHWInfo: try getHardwareInfo()
    case .hwptSetDirtyTracking: try setDirtyTracking()
    case .hwptGetDirtyBitmap: try getDirtyBitmap()
    case .hwptInvalidate: try invalidate()
    case .faultQueueAlloc: try allocateFaultQueue()
    case .ioasMapFile: try mapFile()
    case .viommuAlloc: try allocateVIOMMU()
    case .vdeviceAlloc: try allocateVDevice()
    case .ioasChangeProcess: try changeProcess()
    case .veventqAlloc: try allocateVEventQueue()
    case .hwQueueAlloc: try allocateHWQueue()
    case .ioasNoIOMMUGetPA:
      throw Refusal(.EOPNOTSUPP, field: "number", "every device here is behind an IOMMU")
    }
  }

  // MARK: Fields

  /// The name of the object of a kind that has an ID; for an ID that is no such object's, a name
  /// that nothing can have, so that it is looked up, and not found, when its turn comes.
  func object(_ kind: ObjectKind, _ offset: Int) -> String {
    let id = argument.u32(offset)
    guard let object = context.byID[id], object.kind == kind, object.objectID == id else {
      return "#\(id)"
    }
    return object.name
  }

  func find<Wanted: Object>(
    _ kind: ObjectKind, _ offset: Int, field: String, as type: Wanted.Type = Wanted.self
  ) throws(Refusal) -> Wanted {
    try core.resolve(kind, object(kind, offset), in: context, field: field)
  }

  /// - Throws: `EOPNOTSUPP` for bits of a field that nobody knows.
  func require(_ field: String, _ value: UInt32, only known: UInt32 = 0) throws(Refusal) {
    if value & ~known != 0 {
      throw Refusal(.EOPNOTSUPP, field: field, "has bits that are not known")
    }
  }

  /// Bytes that a field points to, with their type; whether they are there shows when a driver
  /// copies them.
  func userData(type: Int, length: Int, pointer: Int) -> UserData? {
    let count = Int(argument.u32(length))
    if count == 0 { return nil }
    // Nobody takes more than a page, and then it is refused for its length.
    let kept = min(count, Int(ObjectCore.pageSize))
    let bytes = try? memory.read(argument.u64(pointer), kept, field: "data_uptr")
    var data = UserData(
      type: argument.u32(type), bytes: bytes ?? Array(repeating: 0, count: kept))
    data.isUnreadable = bytes == nil
    return data
  }

  /// Notes an object that the command made, and writes its ID.
  mutating func finish(_ object: Object, idAt offset: Int) {
    created = object.key
    argument.set(offset, u32: object.objectID ?? 0)
  }
}
