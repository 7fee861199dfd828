// SPDX-License-Identifier: Apache-2.0

/// One thing about a physical IOMMU that its ID registers say, by the register field's name.
public struct SMMUFeature: Sendable, Equatable {
  /// Which values a feature can have: 0 and 1, a range, or some numbers.
  public enum Kind: Sendable, Equatable {
    case flag
    case number(ClosedRange<Int>)
    case oneOf([Int])
  }

  /// The name of the field, in lower case.
  public let name: String
  /// Which values it can have.
  public let kind: Kind
  /// The value where nothing else is said; 0 or 1 for a flag.
  public let usual: Int

  /// Describes a feature.
  public init(_ name: String, _ kind: Kind, usual: Int) {
    self.name = name
    self.kind = kind
    self.usual = usual
  }
}

/// How a physical IOMMU is to be made.
public struct SMMUSettings: Sendable, Equatable, Codable {
  /// The size of the extension for guest-owned command queues; powers of two.
  public struct CMDQV: Sendable, Equatable, Codable {
    /// Virtual interfaces, the hypervisor's own among them.
    public var vintfs: Int
    /// Command queues, shared evenly by the interfaces.
    public var vcmdqs: Int
    /// Stream IDs that an interface can translate.
    public var sidsPerVINTF: Int

    /// Puts the three sizes together; whether such hardware exists, the model judges.
    public init(vintfs: Int, vcmdqs: Int, sidsPerVINTF: Int) {
      self.vintfs = vintfs
      self.vcmdqs = vcmdqs
      self.sidsPerVINTF = sidsPerVINTF
    }
  }

  /// The name of the model.
  public var driver: String
  /// The width of stream IDs in bits.
  public var streamIDBits: Int
  /// The extension for guest-owned queues; nil without it.
  public var cmdqv: CMDQV?
  /// Values of features by name; those left out have their usual ones.
  public var features: [String: Int]

  /// Puts settings together; whether such hardware exists, the model judges.
  public init(driver: String, streamIDBits: Int, cmdqv: CMDQV?, features: [String: Int] = [:]) {
    self.driver = driver
    self.streamIDBits = streamIDBits
    self.cmdqv = cmdqv
    self.features = features
  }
}

/// A kind of physical IOMMU that hosts can have, and the driver that goes with it.
public protocol SMMUModel: Sendable {
  var name: String { get }
  var features: [SMMUFeature] { get }

  /// The settings of an SMMU of which nothing else is said.
  var usualSettings: SMMUSettings { get }

  /// - Throws: `EINVAL` for settings that no such hardware has.
  func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver
}

/// What a driver finds on the machine it runs on.
public protocol Machine: AnyObject, Sendable {
  /// Takes physical memory; nil when none is left.
  ///
  /// - Parameters:
  ///   - length: in bytes.
  ///   - alignment: in bytes, a power of two.
  func allocateMemory(_ length: UInt64, alignment: UInt64) -> UInt64?
  /// Uses memory that has been named, so that it is handed to nobody until it is freed as often.
  func retainMemory(_ address: UInt64, _ length: UInt64)
  func freeMemory(_ address: UInt64, _ length: UInt64)
  /// Has memory read as zero, as what nobody has used does.
  func clearMemory(_ address: UInt64, _ length: UInt64)

  /// Takes memory for a driver's own tables and queues, apart from what the above hands out, so
  /// that neither can use up the other's; nil when none is left. They are there to be written:
  /// no write to them fails.
  ///
  /// - Parameter limit: the first address that the hardware cannot reach. Where it is within the
  ///   memory for all, the tables are taken from that.
  func allocateTables(_ length: UInt64, alignment: UInt64, below limit: UInt64) -> UInt64?
  func freeTables(_ address: UInt64, _ length: UInt64)

  /// Notes what the hardware was told or did, for those who want to see it.
  func logHardware(_ trace: HardwareTrace)

  /// Notes that the hardware reported something that no VM was told of, as a driver's line in the
  /// kernel's log does. From any thread.
  func logHardwareEvent(_ event: UnclaimedEvent)
}

/// A record of the hardware that was not forwarded.
public struct UnclaimedEvent: Sendable, Equatable {
  /// The SMMU whose hardware reported it.
  public let smmu: String
  /// The record as the hardware wrote it.
  public let words: [UInt64]
  /// What the driver's handler returned.
  public let errno: Errno

  /// Says what was reported, and why nobody was told.
  public init(smmu: String, words: [UInt64], errno: Errno) {
    self.smmu = smmu
    self.words = words
    self.errno = errno
  }
}

/// A fact that a driver tells about an object of its own, for people to see.
public struct DriverFact: Sendable {
  /// A fact's value, in the form in which people read it.
  public enum Value: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case text(String)
    case hex(UInt64)
    case hexes([UInt64])
    case list([[DriverFact]])
  }

  /// The name of the fact, as the API writes it.
  public let name: String
  /// What the fact is at this moment.
  public let value: Value

  /// Names a fact.
  public init(_ name: String, _ value: Value) {
    self.name = name
    self.value = value
  }
}

/// Something that a driver told its hardware, or that the hardware did by itself.
public struct HardwareTrace: Sendable, Equatable {
  /// What the hardware was told or did.
  public enum Kind: Sendable, Equatable {
    /// A command of a command queue: two words, and which queue.
    case command([UInt64], queue: String)
    /// A stream table entry was written: its stream and its words as they are now.
    case streamTableEntry(stream: UInt32, [UInt64])
    /// The answer to a page fault went to the device.
    case pageResponse(stream: UInt32, group: UInt32, String)
    /// A stalled transaction went on.
    case stallAnswered(stream: UInt32, stag: UInt32, String)
    /// A device used a translation that no longer agrees with the tables.
    case staleTranslation(device: String, iova: UInt64, DMAResult.Stale)
    /// A global error became active: the bits of GERROR that differ from GERRORN.
    case globalError(UInt64)
    /// The event queue was full, and records were lost.
    case eventQueueOverflow
    /// An interrupt of an SMMU that no driver runs.
    case interrupt(String)
    /// Queues of an interface of the CMDQV stand still: its error map, in two words.
    case cmdqvError(interface: Int, viommu: String?, map: [UInt64], isForwarded: Bool)
    /// A guest's queue has come to a stand after so many commands; with the error, if it stands
    /// at one.
    case queueRan(queue: String, commands: UInt64, prod: UInt32, cons: UInt32, error: String?)
  }

  /// The SMMU that it happened to.
  public let smmu: String
  /// What happened.
  public let kind: Kind

  /// Says what happened, and to which SMMU.
  public init(smmu: String, _ kind: Kind) {
    self.smmu = smmu
    self.kind = kind
  }
}
