// SPDX-License-Identifier: Apache-2.0

/// One request of a plan that frees an object of its pins, so that the object can be destroyed.
public enum ReleaseStep: Hashable, Sendable {
  /// Detach the device at a PASID; PASID 0 stands for the RID.
  case detach(device: String, pasid: UInt32)
  /// Unplug the device, which detaches it and ends its vdev.
  case unplug(device: String)
  /// Destroy the object, which releases its pins on others.
  case destroy(ObjectKey)
  /// Close the open event files of the queue.
  case closeFiles(ObjectKey)
  /// Unmap the window that the context has mapped under that number.
  case unmapMemory(context: String, number: UInt32)

  /// The object that the request names.
  var subject: ObjectKey {
    switch self {
    case .detach(let device, _), .unplug(let device): ObjectKey(.device, device)
    case .destroy(let key), .closeFiles(let key): key
    case .unmapMemory(let context, _): ObjectKey(.context, context)
    }
  }
}

/// Follows the pins of an object: it finds out who holds the object, through whom, and which
/// requests would end that.
public struct PinGraph {
  /// How many pins, or chains of them, are shown with an object; further ones are only counted,
  /// because a vIOMMU may well have a hundred thousand. All can be had page by page.
  public static let listLimit = 100

  private let policy: ObjectCore.PinPolicy

  /// Makes a graph that follows the rules of a host.
  ///
  /// - Parameter policy: the host's policy. By that of Linux a bound device is never destroyed, so
  ///   that plans unplug it.
  public init(policy: ObjectCore.PinPolicy) { self.policy = policy }

  /// Pins that hold one object, in the order in which they are shown: by holder, then by cause.
  public static func sorted(_ pins: [Pin]) -> [Pin] {
    pins.count < 2 ? pins : pins.sorted { isBefore($0, $1) }
  }

  /// What is shown of the pins that hold an object: all of them in their order, or where there are
  /// too many, some, in their order. Which some does not cost a look at all.
  public static func shown(_ pins: [Pin]) -> [Pin] { sorted(Array(pins.prefix(listLimit))) }

  /// Pins that one object has, in the order in which they are shown: by target, then by cause.
  public static func sortedByTarget(_ pins: [Pin]) -> [Pin] {
    guard pins.count > 1 else { return pins }
    return pins.sorted { left, right in
      if left.target.kind != right.target.kind { return left.target.kind < right.target.kind }
      if left.target.name != right.target.name { return left.target.name < right.target.name }
      return rank(left.cause) < rank(right.cause)
    }
  }

  private static func isBefore(_ left: Pin, _ right: Pin) -> Bool {
    guard let first = left.holder, let second = right.holder else {
      // Open files and memory mappings come last.
      if left.holder != nil || right.holder != nil { return right.holder == nil }
      return rank(left.cause) < rank(right.cause)
    }
    if first.kind != second.kind { return first.kind < second.kind }
    if first.name != second.name { return first.name < second.name }
    return rank(left.cause) < rank(right.cause)
  }

  private static func rank(_ cause: Pin.Cause) -> (Int, UInt32, String) {
    switch cause {
    case .field(let name): (0, 0, name)
    case .attachment(let pasid): (1, pasid, "")
    case .openFile: (2, 0, "")
    case .memoryMap(let number): (3, number, "")
    }
  }

  // MARK: Chains

  /// The ways in which an object is held.
  public struct Chains {
    /// The chains that were asked for. Each begins with the object itself, and each next element
    /// holds the one before it.
    public var listed: [[Object]] = []
    /// How many chains there are in all.
    public var count = 0
    /// Which of all chains are listed.
    fileprivate let wanted: Range<Int>

    fileprivate init(_ wanted: Range<Int>) { self.wanted = wanted }
  }

  /// All chains of holders of an object, each up to one that nothing holds.
  ///
  /// An attachment or an open file ends a chain, because a detach or a close frees it while its
  /// holder stays; whatever holds that holder does not matter.
  ///
  /// - Parameter wanted: which of them, by their positions, are listed; all are counted.
  public func chains(to object: Object, _ wanted: Range<Int> = 0..<listLimit) -> Chains {
    var result = Chains(wanted)
    var path = [object]
    extend(&path, &result)
    return result
  }

  private func extend(_ path: inout [Object], _ result: inout Chains) {
    guard let top = path.last else { return }
    for pin in PinGraph.sorted(top.heldBy) {
      guard let holder = pin.holder else {
        add(path, to: &result)
        continue
      }
      path.append(holder)
      if pin.isFreedByItself || holder.heldBy.isEmpty {
        add(path, to: &result)
      } else {
        extend(&path, &result)
      }
      path.removeLast()
    }
  }

  private func add(_ path: [Object], to result: inout Chains) {
    if result.wanted.contains(result.count) { result.listed.append(path) }
    result.count += 1
  }

  // MARK: Plans

  /// The shortest list of requests, in order, after which an object could be destroyed; empty when
  /// it can be destroyed as it is.
  ///
  /// Each holder has to let go, and except for attachments, open files and memory mappings it does
  /// so only by its own end. So the plan consists of the holders, those first that nothing holds,
  /// and there is no choice by which it could become shorter.
  public func plan(toDestroy object: Object) -> [ReleaseStep] {
    var plan = Plan()
    if let device = object as? Device, policy == .linux {
      plan.add(.unplug(device: device.name))
      return plan.steps
    }
    release(object, &plan)
    return plan.steps
  }

  private struct Plan {
    private(set) var steps: [ReleaseStep] = []
    private var known: Set<ReleaseStep> = []

    mutating func add(_ step: ReleaseStep) {
      if known.insert(step).inserted { steps.append(step) }
    }

    func contains(_ step: ReleaseStep) -> Bool { known.contains(step) }
  }

  private func release(_ object: Object, _ plan: inout Plan) {
    if let device = object as? Device {
      for pasid in device.attachments.keys.sorted() { detach(device, pasid, &plan) }
    }
    for pin in PinGraph.sorted(object.heldBy) {
      guard let holder = pin.holder else {
        plan.add(letGo(pin))
        continue
      }
      switch (pin.cause, holder) {
      case (.attachment(let pasid), let device as Device): detach(device, pasid, &plan)
      case (.openFile, _): plan.add(.closeFiles(holder.key))
      case (_, let device as Device) where policy == .linux:
        plan.add(.unplug(device: device.name))
      default: end(holder, &plan)
      }
    }
  }

  /// The request that ends a pin which no object holds.
  private func letGo(_ pin: Pin) -> ReleaseStep {
    guard case .memoryMap(let number) = pin.cause, let context = pin.target.context else {
      return .closeFiles(pin.target.key)
    }
    return .unmapMemory(context: context.name, number: number)
  }

  private func end(_ holder: Object, _ plan: inout Plan) {
    let step = ReleaseStep.destroy(holder.key)
    if plan.contains(step) { return }
    release(holder, &plan)
    // An automatic domain goes with its last attachment, and the steps so far have ended that.
    if let domain = holder as? Domain, domain.isAuto { return }
    plan.add(step)
  }

  /// Detaches a device, or, where the device is not attached itself and its traffic goes through
  /// the group's domain, the members of the group that are.
  private func detach(_ device: Device, _ pasid: UInt32, _ plan: inout Plan) {
    for member in device.group.devices where member.attachments[pasid] != nil {
      let isConcerned = member === device || device.attachments[pasid] == nil
      if isConcerned { plan.add(.detach(device: member.name, pasid: pasid)) }
    }
  }
}
