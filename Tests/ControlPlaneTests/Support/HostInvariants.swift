// SPDX-License-Identifier: Apache-2.0
import HTTPCore

@testable import ControlPlane
@testable import IOMMUFD

/// What holds of every host between two requests.
enum HostInvariants {
  /// - Returns: what does not hold, in words.
  static func violations(of host: Host) -> [String] {
    var found: [String] = []
    try? host.read { state in
      for kind in ObjectKind.allCases {
        state.core.visit(kind, after: nil) { object in
          found += violations(of: object, state.core)
          return true
        }
      }
      for (name, group) in state.core.groups where group.devices.isEmpty {
        found.append("group \(name) is kept without devices")
      }
      found += memoryViolations(of: state.core)
    }
    return found
  }

  private static func violations(of object: Object, _ core: ObjectCore) -> [String] {
    let name = "\(object.kind.rawValue) \(object.name)"
    var found: [String] = []
    if !object.isLive { found.append("\(name) is listed and not live") }
    if core.object(object.key) !== object { found.append("\(name) is not found by its name") }
    for (index, pin) in object.holds.enumerated() {
      if pin.holder !== object { found.append("\(name) holds a pin of another") }
      if pin.holderIndex != index { found.append("\(name) has a pin out of place") }
      if !pin.target.heldBy.contains(where: { $0 === pin }) {
        found.append("\(name) holds \(pin.target.name), which does not know")
      }
      if core.object(pin.target.key) !== pin.target { found.append("\(name) holds a dead object") }
    }
    for (index, pin) in object.heldBy.enumerated() {
      if pin.target !== object { found.append("\(name) is held by a pin on another") }
      if pin.targetIndex != index { found.append("\(name) has a pin out of place") }
      if let holder = pin.holder, !holder.holds.contains(where: { $0 === pin }) {
        found.append("\(name) is held by \(holder.name), which does not know")
      }
    }
    found += idViolations(of: object)
    switch object {
    case let context as Context: found += violations(of: context)
    case let device as Device: found += violations(of: device) + streamViolations(of: device)
    case let ioas as IOAS: found += violations(of: ioas)
    case let access as Access: found += violations(of: access)
    default: break
    }
    return found
  }

  private static func violations(of device: Device) -> [String] {
    var found: [String] = []
    for (pasid, pin) in device.attachments {
      if !device.holds.contains(where: { $0 === pin }) {
        found.append("device \(device.name) is attached at \(pasid) without a pin")
      }
      if device.group.domains[pasid] !== pin.target {
        found.append("device \(device.name) is not where its group is at \(pasid)")
      }
    }
    for pasid in device.group.domains.keys
    where !device.group.devices.contains(where: { $0.attachments[pasid] != nil }) {
      found.append("the group of \(device.name) is attached at \(pasid) by nobody")
    }
    if let vdev = device.vdev, vdev.device !== device || !vdev.isLive {
      found.append("device \(device.name) has a vdev that is not its own")
    }
    if let pin = device.vdevPin, !device.holds.contains(where: { $0 === pin }) {
      found.append("device \(device.name) has a vdev pin that is none")
    }
    return found
  }
}
