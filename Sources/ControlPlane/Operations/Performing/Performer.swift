// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Carries out operations on a host's objects, inside the transaction under way.
///
/// What an operation does is written in the type that has the operations of its sort, all of them
/// beside this one. Whoever adds an operation is asked here, by the compiler, which type that is.
final class Performer {
  private let core: ObjectCore
  private let encoder: ObjectEncoder
  private let objects: ObjectOperations
  private let mappings: MappingOperations
  private let calls: SystemCalls
  private let queues: QueueOperations
  private let hardware: HardwareOperations
  let memory: MemoryOperations

  init(
    _ core: ObjectCore, on machine: HostMachine, models: [any SMMUModel], events: EventDrafts,
    traffic: TrafficTable, _ encoder: ObjectEncoder
  ) {
    self.core = core
    self.encoder = encoder
    objects = ObjectOperations(core: core, machine: machine, models: models, encoder: encoder)
    mappings = MappingOperations(core: core)
    calls = SystemCalls(core: core)
    queues = QueueOperations(core: core)
    hardware = HardwareOperations(core: core, traffic: traffic)
    memory = MemoryOperations(core: core, memory: machine.physicalMemory, events: events)
  }

  /// Carries out one operation.
  ///
  /// - Throws: the problem. What was changed by then is for the transaction to take back.
  func perform(_ operation: Operation) throws(Problem) -> Outcome {
    do {
      return try outcome(of: operation)
    } catch let refusal as Refusal {
      throw problem(of: refusal)
    } catch let problem as Problem {
      throw problem
    } catch {
      throw Problem(.internal, "\(error)")
    }
  }

  /// The refusal to delete an object that is held says who holds it, and what would free it.
  private func problem(of refusal: Refusal) -> Problem {
    var problem = Problem(refusal)
    guard let key = refusal.object, let object = core.object(key),
      refusal.errno == .EBUSY, object.heldBy.count > 0 || object is Device
    else { return problem }
    problem.instance = encoder.path(key)
    let explanation = Explanation(object, policy: core.pinPolicy, encoder)
    var writer = JSONWriter()
    writer.object { explanation.writeMembers(to: &$0) }
    let members = writer.bytes
    problem.members = { writer in writer.merge(object: members) }
    return problem
  }

  private func outcome(of operation: Operation) throws -> Outcome {
    switch operation {
    case .create(let creation): try objects.create(creation)
    case .ensure(let creation): try objects.ensure(creation)
    case .destroy(let key, let allowMissing): try objects.destroy(key, allowMissing)
    case .cascade(let key, let plan, let allowMissing):
      try objects.cascade(key, plan, allowMissing)
    case .attach(let device, let pasid, let target, let mode):
      try objects.attach(device, pasid, target, mode)
    case .detach(let device, let pasid): try objects.detach(device, pasid)
    case .unplug(let device): try objects.unplug(device)
    case .closeFiles(let key): try objects.closeFiles(of: key)
    case .closeContextFile(let context): try objects.closeFile(ofContext: context)

    case .map(let ioas, let request): try mappings.map(ioas, request)
    case .unmap(let ioas, let iova, let length): try mappings.unmap(ioas, iova, length)
    case .reserve(let ioas, let start, let length): try mappings.reserve(ioas, start, length)
    case .replaceAccess(let access, let ioas): try mappings.replace(access, ioas)
    case .pinPages(let access, let iova, let length, let isWritten):
      try mappings.pinPages(access, iova, length, isWritten: isWritten)
    case .unpinPages(let access, let number): try mappings.unpinPages(access, number)

    case .ioctl(let context, let request): try calls.ioctl(context, request)
    case .mapMemory(let context, let request): try calls.map(context, request)
    case .forkMemoryMap(let context, let number): try calls.fork(context, number)
    case .unmapMemory(let context, let number): try calls.unmap(context, number)

    case .raiseHardwareEvent(let device, let record): try queues.raise(record, for: device)
    case .requestPages(let device, let request): try queues.requestPages(device, request)
    case .readVEvents(let queue, let count): try queues.readVEvents(queue, count)
    case .readFaults(let queue, let count): try queues.readFaults(queue, count)
    case .respondToFaults(let queue, let responses): try queues.respond(queue, responses)
    case .writeFaultResponses(let queue, let bytes): try queues.writeResponses(queue, bytes)

    case .writeMemory(let ioas, let iova, let bytes): try memory.write(ioas, iova, bytes)

    case .writeRegister(let smmu, let offset, let value, let width):
      try hardware.writeRegister(smmu, offset, value, width: width)
    case .writeWindow(let viommu, let offset, let value, let width):
      try hardware.writeWindow(viommu, offset, value, width: width)
    case .invalidate(let viommu, let commands): try hardware.invalidate(viommu, commands)
    case .submit(let queue, let commands, let described):
      try hardware.submit(queue, commands, described: described)
    case .dma(let device, let request): try hardware.dma(device, request)
    case .startTraffic(let device, let settings): try hardware.startTraffic(device, settings)
    case .stopTraffic(let device): try hardware.stopTraffic(device)
    }
  }
}
