// SPDX-License-Identifier: Apache-2.0

/// The objects of one host and the rules between them: iommufd, as `drivers/iommu/iommufd`
/// implements it, for any number of open files.
///
/// A core is used under its host's lock. It holds the objects and the transaction under way; what
/// can be done with the objects of a kind is in a type of its own, which the core hands out:
/// `contexts`, `devices`, `attachments`, `addressSpaces` and so on (`ObjectVerbs.swift`).
public final class ObjectCore {
  /// Whether an attached nested domain pins the vdev whose virtual ID its events carry.
  public enum PinPolicy: String, Sendable, CaseIterable, Codable {
    /// It does: the design of the discussion that this project follows.
    case design
    /// It does not, and a bound device is never deleted: Linux.
    case linux
  }

  struct KindTable {
    var byName: [String: Object] = [:]
    var sorted = SortedIndex()
    /// The number in the last name that the server made up.
    var counter = 0
    var revision: UInt64 = 0
  }

  /// The host's page size in bytes.
  public static let pageSize: UInt64 = 4096

  /// What pins what, where the design and Linux differ.
  public let pinPolicy: PinPolicy
  let machine: any Machine
  /// What is told of events; it owns the core and so outlives it.
  public unowned var recorder: (any ObjectEventRecorder)?
  /// The transaction under way; between two of them the last one, as it was left.
  public let transaction = Transaction()
  var tables: [KindTable]
  var groups: [String: DeviceGroup] = [:]
  private var lastTransaction: UInt64 = 0
  /// How many ranges are mapped, in all address spaces together.
  public internal(set) var areaCount = 0
  /// Counts domains, so that they can be told by age.
  var serial: UInt64 = 0

  /// - Parameter machine: what the host's memory is taken from.
  public init(
    on machine: any Machine, pinPolicy: PinPolicy = .design, lastTransaction: UInt64 = 0
  ) {
    self.machine = machine
    self.pinPolicy = pinPolicy
    self.lastTransaction = lastTransaction
    tables = Array(repeating: KindTable(), count: ObjectKind.allCases.count)
  }

  // MARK: Transactions

  /// Starts a transaction and returns its number.
  @discardableResult
  public func begin() -> UInt64 {
    transaction.reset(number: lastTransaction + 1)
    return transaction.number
  }

  /// Makes the transaction's changes stand, and visible to the hardware.
  public func commit() {
    lastTransaction = transaction.number
    guard transaction.hasEffects else { return }
    for effect in transaction.takeEffects() { effect() }
  }

  /// Takes back all that the transaction has changed.
  public func rollback() {
    while let undo = transaction.undo.popLast() { revert(undo) }
    transaction.reset(number: lastTransaction)
  }

  /// Takes back what has changed since a savepoint; what was before it stays under way.
  func rollback(to savepoint: Transaction.Savepoint) {
    while transaction.undo.count > savepoint.undo, let undo = transaction.undo.popLast() {
      revert(undo)
    }
    transaction.truncate(to: savepoint)
  }

  /// The last transaction that stands.
  public var committed: UInt64 { lastTransaction }

  // MARK: Test hooks

  /// Has the n-th step from now fail, so that tests see that a failure leaves nothing behind.
  ///
  /// - Parameter step: how many steps pass before the one that fails; nil has none fail.
  package func injectFault(atStep step: Int?) { transaction.testHooks.stepsUntilFault = step }

  // MARK: Looking things up

  /// The object of a kind that has a name; nil when there is none.
  public func object(_ kind: ObjectKind, _ name: String) -> Object? {
    tables[kind.index].byName[name]
  }

  /// The object that a key names; nil when there is none.
  public func object(_ key: ObjectKey) -> Object? { object(key.kind, key.id) }

  /// How many objects of a kind there are.
  public func count(_ kind: ObjectKind) -> Int { tables[kind.index].byName.count }

  /// The transaction that last changed any object of a kind.
  public func revision(of kind: ObjectKind) -> UInt64 { tables[kind.index].revision }

  /// Visits the objects of a kind behind `name`, in the order of their names.
  public func visit(_ kind: ObjectKind, after name: String?, _ body: (Object) -> Bool) {
    tables[kind.index].sorted.visit(after: name, body)
  }

  /// The object that an operation is about.
  ///
  /// - Throws: `ENOENT` with the reason `notFound`.
  public func find<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, as type: Wanted.Type = Wanted.self
  ) throws(Refusal) -> Wanted {
    guard let object = object(kind, name) as? Wanted else {
      throw Refusal(.ENOENT, .notFound, "there is no \(kind.rawValue) \(name)")
    }
    return object
  }

  /// The object that a field names, which must be in the same open file as the others.
  ///
  /// - Throws: `ENOENT`, as for the ID of an object of another file.
  func resolve<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, in context: Context? = nil, field: String,
    as type: Wanted.Type = Wanted.self
  ) throws(Refusal) -> Wanted {
    guard let object = object(kind, name) as? Wanted else {
      throw Refusal(.ENOENT, field: field, "there is no \(kind.rawValue) \(name)")
    }
    if let context, let other = object.context, other !== context {
      throw Refusal(
        .ENOENT, field: field,
        "\(kind.rawValue) \(name) belongs to context \(other.name), not to \(context.name)")
    }
    return object
  }

  /// Takes everything apart, because the host goes: objects hold each other, and would keep each
  /// other in memory for ever.
  public func dismantle() {
    begin()
    // What is behind an SMMU goes before it.
    for kind in ObjectKind.allCases.reversed() {
      visit(kind, after: nil) { object in
        takeApart(object)
        return true
      }
    }
    commit()
    // What was noted to undo it holds the objects as well.
    begin()
    tables = Array(repeating: KindTable(), count: ObjectKind.allCases.count)
    groups = [:]
  }

  private func takeApart(_ object: Object) {
    object.holds = []
    object.heldBy = []
    switch object {
    case let smmu as SMMU: smmu.driver.shutDown(in: transaction)
    case let context as Context:
      context.byID = ObjectIDTable()
      context.windows = []
      context.memoryMaps = [:]
      context.compatibleIOAS = nil
    case let ioas as IOAS: ioas.reservations = []
    case let access as Access: access.ioasPin = nil
    case let device as Device:
      device.smmu.driver.ops.unbind(device, in: transaction)
      device.group.devices = []
      device.group.domains = [:]
      device.attachments = [:]
      device.vdevPin = nil
      device.vdev = nil
    case let viommu as VIOMMU:
      viommu.vdevs = [:]
      viommu.window = nil
      viommu.driverData = nil
    case let queue as EventQueue: queue.files = []
    default: break
    }
  }

  /// Ends all event and fault queues at once, because the host goes: who follows them is told.
  public func closeQueues() {
    for kind in [ObjectKind.veventq, .faultQueue] {
      visit(kind, after: nil) { object in
        (object as? EventQueue)?.close()
        return true
      }
    }
  }
}
