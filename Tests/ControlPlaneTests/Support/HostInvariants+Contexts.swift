// SPDX-License-Identifier: Apache-2.0

@testable import ControlPlane
@testable import IOMMUFD

/// What holds of open files, and of the address spaces in them.
extension HostInvariants {
  // MARK: Files

  static func violations(of context: Context) -> [String] {
    let name = "context \(context.name)"
    var found: [String] = []
    for id in context.byID.ids {
      guard let object = context.byID[id] else { continue }
      if !object.isLive { found.append("\(name) has a dead object under \(id)") }
      if !ids(of: object).contains(id) { found.append("\(name) has another's ID \(id)") }
      if context.tombstones.contains(id) { found.append("\(name) has an object in a tombstone") }
    }
    if context.ids.count != context.byID.ids.count + context.tombstones.count {
      found.append("\(name) has IDs that nobody has")
    }
    if !context.isFileOpen, context.heldBy.isEmpty {
      found.append("\(name) has lost its file and is held by nobody")
    }
    if let ioas = context.compatibleIOAS, !ioas.isLive || ioas.owner !== context {
      found.append("\(name) has a VFIO container that is not its own")
    }
    return found + windowViolations(of: context) + mapViolations(of: context)
  }

  /// The IDs that an object has, those included that are not shown.
  private static func ids(of object: Object) -> Set<UInt32> {
    switch object {
    case let device as Device: Set([device.objectID, device.busObjectID].compactMap { $0 })
    case let queue as HWQueue: Set([queue.objectID, queue.accessID].compactMap { $0 })
    default: Set([object.objectID].compactMap { $0 })
    }
  }

  /// Each of an object's IDs leads to it.
  static func idViolations(of object: Object) -> [String] {
    guard let context = object.context else { return [] }
    return ids(of: object).filter { context.byID[$0] !== object }.map {
      "\(object.kind.rawValue) \(object.name) does not have its object ID \($0)"
    }
  }

  private static func windowViolations(of context: Context) -> [String] {
    var found: [String] = []
    var free: UInt64 = ObjectCore.pageSize
    for window in context.windows {
      if window.offset < free { found.append("windows of context \(context.name) overlap") }
      free = window.offset + window.length
      if !window.viommu.isLive || window.viommu.window?.offset != window.offset {
        found.append("context \(context.name) has a window of nobody's")
      }
    }
    return found
  }

  private static func mapViolations(of context: Context) -> [String] {
    var found: [String] = []
    for (number, map) in context.memoryMaps {
      if !map.viommu.isLive || !map.viommu.heldBy.contains(where: { $0 === map.pin }) {
        found.append("mapping \(number) of context \(context.name) pins nothing")
      }
    }
    if context.memoryMapNumbers.count != context.memoryMaps.count {
      found.append("context \(context.name) has numbers of mappings that are not there")
    }
    let queues = context.byID.ids.compactMap { context.byID[$0] as? EventQueue }
    let descriptors = queues.compactMap(\.fileDescriptor)
    if Set(descriptors).count != descriptors.count || context.descriptors.count != descriptors.count
    {
      found.append("context \(context.name) has file descriptors that are no file's")
    }
    return found
  }

  // MARK: Address spaces

  static func violations(of ioas: IOAS) -> [String] {
    let name = "ioas \(ioas.name)"
    var found: [String] = []
    for (left, right) in zip(ioas.areas, ioas.areas.dropFirst()) where left.last >= right.iova {
      found.append("\(name) has areas that overlap")
    }
    for area in ioas.areas {
      let range = area.iova...area.last
      let locks = ioas.heldBy.filter { pin in
        (pin.holder as? HWQueue).map { ($0.iova...$0.last).overlaps(range) } ?? false
      }.count
      if area.locks != locks { found.append("\(name) has \(area.locks) locks for \(locks) rings") }
      if ioas.reservations.contains(where: { $0.range.overlaps(range) }) {
        found.append("\(name) maps what is reserved")
      }
    }
    for reservation in ioas.reservations {
      if ioas.allowed.contains(where: { $0.overlaps(reservation.range) }) {
        found.append("\(name) allows what is reserved")
      }
      if let device = reservation.owner, device.domain(at: 0)?.pagingAncestor.ioas !== ioas {
        found.append("\(name) keeps a range for \(device.name), which is not attached there")
      }
    }
    return found
  }

  static func violations(of access: Access) -> [String] {
    let name = "access \(access.name)"
    var found: [String] = []
    if access.ioasPin?.target !== access.ioas || access.holds.count != 1 {
      found.append("\(name) does not pin its address space")
    }
    for (number, pinned) in access.pinned.entries.map({ ($0.number, $0.range) }) {
      if number >= access.nextNumber { found.append("\(name) has a number of the future") }
      var next = pinned.iova
      for area in access.ioas.areas where area.iova <= next && area.last >= next {
        next = area.last &+ 1
      }
      if next <= pinned.last, next != 0 { found.append("\(name) pins what is not mapped") }
    }
    return found
  }

  /// Memory is kept as long as mappings have it, over all address spaces.
  static func memoryViolations(of core: ObjectCore) -> [String] {
    var counts: [ObjectIdentifier: (memory: MappedMemory, areas: Int)] = [:]
    core.visit(.ioas, after: nil) { object in
      for memory in (object as? IOAS)?.areas.compactMap(\.memory) ?? [] {
        counts[ObjectIdentifier(memory), default: (memory, 0)].areas += 1
      }
      return true
    }
    return counts.values.filter { $0.memory.mappings != $0.areas }.map {
      "memory has \($0.memory.mappings) mappings and is in \($0.areas) areas"
    }
  }
}
