// SPDX-License-Identifier: Apache-2.0

/// A feature of a physical IOMMU that can be chosen. As a rule it is a field of an ID register.
public struct SMMUFeature: Sendable, Equatable {
  /// Which values a feature can have.
  public enum Kind: Sendable, Equatable {
    /// The values 0 and 1.
    case flag
    /// The numbers of a range.
    case number(ClosedRange<Int>)
    /// Some numbers that are listed.
    case oneOf([Int])
  }

  /// The name of the feature. That of a register's field is in lower case.
  public let name: String
  /// Which values the feature can have.
  public let kind: Kind
  /// The value that is used if the settings have none; 0 or 1 for a flag.
  public let usual: Int

  /// A feature by its parts.
  public init(_ name: String, _ kind: Kind, usual: Int) {
    self.name = name
    self.kind = kind
    self.usual = usual
  }
}

/// What a physical IOMMU is made from.
public struct SMMUSettings: Sendable, Equatable, Codable {
  /// The size of the extension for guest-owned command queues. Each number is a power of two.
  public struct CMDQV: Sendable, Equatable, Codable {
    /// The number of virtual interfaces. One of them is the hypervisor's own.
    public var vintfs: Int
    /// The number of command queues, which the interfaces share evenly.
    public var vcmdqs: Int
    /// The number of SID slots of each interface, which is how many stream IDs it can translate.
    public var sidsPerVINTF: Int

    /// A size by its three numbers. They are not checked here, but when the IOMMU is made.
    public init(vintfs: Int, vcmdqs: Int, sidsPerVINTF: Int) {
      self.vintfs = vintfs
      self.vcmdqs = vcmdqs
      self.sidsPerVINTF = sidsPerVINTF
    }
  }

  /// The name of the model.
  public var driver: String
  /// The number of bits of a stream ID.
  public var streamIDBits: Int
  /// The size of the extension for guest-owned command queues; nil without the extension.
  public var cmdqv: CMDQV?
  /// The values of features by their names. A feature that is left out has its usual value.
  public var features: [String: Int]

  /// Settings by their parts. They are not checked here, but when the IOMMU is made.
  public init(driver: String, streamIDBits: Int, cmdqv: CMDQV?, features: [String: Int] = [:]) {
    self.driver = driver
    self.streamIDBits = streamIDBits
    self.cmdqv = cmdqv
    self.features = features
  }
}

/// A kind of physical IOMMU that hosts can have, with its driver.
public protocol SMMUModel: Sendable {
  /// The name by which hosts ask for an IOMMU of this kind.
  var name: String { get }
  /// The features that can be chosen.
  var features: [SMMUFeature] { get }

  /// The settings that are used where a request leaves them out.
  var usualSettings: SMMUSettings { get }

  /// Makes an IOMMU of this kind, with its driver.
  ///
  /// - Parameters:
  ///   - settings: what is to be made. Each feature in them is known and has a value that it can
  ///     have.
  ///   - smmu: the name of the IOMMU.
  ///   - machine: what the driver has of the host around it.
  ///   - transaction: gets what has to be done at commit and at rollback.
  /// - Throws: `EINVAL` for settings that no such hardware has, `ENOMEM` when there is no memory
  ///   for what the driver needs.
  func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver
}

/// What a driver has of the host around it: memory, and a log.
public protocol Machine: AnyObject, Sendable {
  /// Takes physical memory; nil when none is left.
  ///
  /// - Parameters:
  ///   - length: in bytes.
  ///   - alignment: in bytes, a power of two.
  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64?
  /// Counts one more user of memory at a given address, so that the memory is not handed out until
  /// all its users have freed it.
  func retainMemory(_ address: UInt64, _ length: UInt64)
  /// Counts one user less of memory that `allocateMemory` has handed out or `retainMemory` has
  /// counted.
  func freeMemory(_ address: UInt64, _ length: UInt64)
  /// Zeroes memory, so that it reads as if it had never been used.
  func clearMemory(_ address: UInt64, _ length: UInt64)

  /// Takes memory for a driver's own tables and queues; nil when none is left. It is apart from the
  /// memory that `allocateMemory` hands out, so that neither can use up the other. It is allocated
  /// at once, so that no write to it fails.
  ///
  /// - Parameters:
  ///   - length: in bytes.
  ///   - alignment: in bytes, a power of two.
  ///   - limit: the first address that the hardware cannot reach. If not all memory is below it,
  ///     the tables are taken from what `allocateMemory` hands out.
  func allocateTables(_ length: UInt64, alignment: UInt64, below limit: UInt64) -> UInt64?
  /// Frees memory that `allocateTables` has handed out.
  func freeTables(_ address: UInt64, _ length: UInt64)

  /// Logs what the hardware was told or did.
  func logHardware(_ trace: HardwareTrace)

  /// Logs that the hardware has reported something that no VM is told of, as a driver does in the
  /// kernel's log. It may be called on any thread.
  func logHardwareEvent(_ event: UnclaimedEvent)
}

/// An event record that no VM was told of.
public struct UnclaimedEvent: Sendable, Equatable {
  /// The name of the SMMU whose hardware reported it.
  public let smmu: String
  /// The record as the hardware wrote it.
  public let words: [UInt64]
  /// The error that the kernel's handler returns for it.
  public let errno: Errno

  /// A report by its parts.
  public init(smmu: String, words: [UInt64], errno: Errno) {
    self.smmu = smmu
    self.words = words
    self.errno = errno
  }
}

/// A fact that a driver knows of an object, for people to see.
public struct DriverFact: Sendable {
  /// The value of a fact, with the form in which people read it.
  public enum Value: Sendable {
    /// There is no value at present.
    case none
    /// Yes or no.
    case bool(Bool)
    /// A number, in decimal.
    case int(Int)
    /// A text.
    case text(String)
    /// A number, in hexadecimal.
    case hex(UInt64)
    /// Several numbers, in hexadecimal.
    case hexes([UInt64])
    /// A list of things that have facts themselves.
    case list([[DriverFact]])
  }

  /// The name of the fact, as the API writes it.
  public let name: String
  /// The value at this moment.
  public let value: Value

  /// A fact by its name and value.
  public init(_ name: String, _ value: Value) {
    self.name = name
    self.value = value
  }
}

/// Something that a driver told its hardware, or that the hardware did by itself, for the log.
public struct HardwareTrace: Sendable, Equatable {
  /// What the hardware was told or did.
  public enum Kind: Sendable, Equatable {
    /// A command was put into a command queue. It has two words, and `queue` is the name of the
    /// queue.
    case command([UInt64], queue: String)
    /// A stream table entry was written. These are its stream ID and its words as they are now.
    case streamTableEntry(stream: UInt32, [UInt64])
    /// A device was given the answer to a group of page faults.
    case pageResponse(stream: UInt32, group: UInt32, String)
    /// A stalled transaction was answered, or made again; the text says how that ended.
    case stallAnswered(stream: UInt32, stag: UInt32, String)
    /// A device used a translation that the tables no longer give.
    case staleTranslation(device: String, iova: UInt64, DMAResult.Stale)
    /// A global error has become active. The value has the bits in which GERROR and GERRORN differ.
    case globalError(UInt64)
    /// The event queue was full, and records were lost.
    case eventQueueOverflow
    /// The hardware of an SMMU that no driver runs has raised an interrupt.
    case interrupt(String)
    /// Queues of an interface of the CMDQV have stopped at an error. These are the vIOMMU that has
    /// the interface, the error map of the interface's queues, in two words, and whether the vIOMMU
    /// got an event.
    case cmdqvError(interface: Int, viommu: String?, map: [UInt64], isForwarded: Bool)
    /// A guest's queue has no more commands, or has stopped at an error. These are how many
    /// commands it has carried out since the last report, its indices, and the error.
    case queueRan(queue: String, commands: UInt64, prod: UInt32, cons: UInt32, error: String?)
  }

  /// The name of the SMMU that it happened to.
  public let smmu: String
  /// What happened.
  public let kind: Kind

  /// A trace by its parts.
  public init(smmu: String, _ kind: Kind) {
    self.smmu = smmu
    self.kind = kind
  }
}
