// SPDX-License-Identifier: Apache-2.0

/// What can be done with the objects of one kind.
///
/// The verbs hold nothing themselves, because the state is the core's. Each of them first checks
/// everything, in the kernel's order, and then changes objects through the primitives of
/// `ObjectCore+Primitives.swift`. The primitives have their names here as well, so that a verb
/// reads like the kernel's function.
protocol ObjectVerbs {
  /// The core. It lives longer than its verbs, which therefore do not keep it alive; neither must
  /// what they note in order to undo a change.
  var core: ObjectCore { get }
}

extension ObjectVerbs {
  var transaction: Transaction { core.transaction }
  var recorder: (any ObjectEventRecorder)? { core.recorder }
  var pinPolicy: ObjectCore.PinPolicy { core.pinPolicy }

  func step() throws(Refusal) { try core.step() }

  // MARK: Looking up

  func object(_ kind: ObjectKind, _ name: String) -> Object? { core.object(kind, name) }

  func object(_ key: ObjectKey) -> Object? { core.object(key) }

  func find<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, as type: Wanted.Type = Wanted.self
  ) throws(Refusal) -> Wanted { try core.find(kind, name) }

  func resolve<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, in context: Context? = nil, field: String,
    as type: Wanted.Type = Wanted.self
  ) throws(Refusal) -> Wanted { try core.resolve(kind, name, in: context, field: field) }

  // MARK: Changing

  func claimName(_ kind: ObjectKind, _ wanted: String?) throws(Refusal) -> String {
    try core.claimName(kind, wanted)
  }

  func claimID(_ context: Context) throws(Refusal) -> UInt32 { try core.claimID(context) }

  func releaseID(_ id: UInt32, of context: Context) { core.releaseID(id, of: context) }

  func occupy(_ id: UInt32, of context: Context, with object: Object) {
    core.occupy(id, of: context, with: object)
  }

  func publish(_ object: Object) throws(Refusal) { try core.publish(object) }

  func retire(_ object: Object) { core.retire(object) }

  func withdraw(_ object: Object) { core.withdraw(object) }

  func touch(_ object: Object) { core.touch(object) }

  @discardableResult
  func pin(_ target: Object, by holder: Object?, _ cause: Pin.Cause) throws(Refusal) -> Pin {
    try core.pin(target, by: holder, cause)
  }

  func unpin(_ pin: Pin) { core.unpin(pin) }
}

/// The verbs of the core, by the kinds of objects that they are about.
extension ObjectCore {
  /// What can be done with physical IOMMUs.
  public var smmus: SMMUs { SMMUs(core: self) }
  /// What can be done with contexts.
  public var contexts: Contexts { Contexts(core: self) }
  /// What can be done with the windows of contexts' files.
  public var memoryMaps: MemoryMaps { MemoryMaps(core: self) }
  /// The options of contexts and address spaces.
  var options: Options { Options(core: self) }
  /// What can be done with devices, except for attaching them.
  public var devices: Devices { Devices(core: self) }
  /// Attaching devices to domains, moving them to other ones, and detaching them.
  public var attachments: Attachments { Attachments(core: self) }
  /// What can be done with I/O address spaces.
  public var addressSpaces: AddressSpaces { AddressSpaces(core: self) }
  /// What can be done with accesses.
  public var accesses: Accesses { Accesses(core: self) }
  /// What can be done with domains, except for attaching devices to them.
  public var domains: Domains { Domains(core: self) }
  /// What can be done with vIOMMUs.
  public var viommus: VIOMMUs { VIOMMUs(core: self) }
  /// What can be done with vdevs.
  public var vdevs: VDevices { VDevices(core: self) }
  /// What can be done with guests' command queues.
  public var hwQueues: HWQueues { HWQueues(core: self) }
  /// What can be done with veventqs.
  public var veventqs: VEventQueues { VEventQueues(core: self) }
  /// What can be done with fault queues, and with the page faults in them.
  public var faultQueues: FaultQueues { FaultQueues(core: self) }
  /// Opening and closing the files of event queues.
  public var eventFiles: EventFiles { EventFiles(core: self) }
  /// How objects end.
  public var removal: Removal { Removal(core: self) }
}
