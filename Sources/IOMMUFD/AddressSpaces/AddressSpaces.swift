// SPDX-License-Identifier: Apache-2.0

/// What can be done with I/O address spaces.
public struct AddressSpaces: ObjectVerbs {
  unowned let core: ObjectCore

  @discardableResult
  public func allocate(_ name: String?, context: String) throws(Refusal) -> IOAS {
    let context: Context = try resolve(.context, context, field: "context")
    let ioas = IOAS(name: try claimName(.ioas, name), context: context)
    ioas.objectID = try claimID(context)
    try publish(ioas)
    return ioas
  }

  /// The end of an address space: memory that its mappings took is free again.
  func end(_ ioas: IOAS) {
    releaseMemory(of: ioas.areas)
    let context = ioas.owner
    if context.compatibleIOAS === ioas { core.options.setCompatibleIOAS(nil, of: context) }
  }

  /// What an address space's domains, queues and accesses together ask of a mapping
  /// (`iopt_calculate_iova_alignment` and the ranges that domains reserve).
  func constraints(of ioas: IOAS) -> IOVAConstraints {
    var result = IOVAConstraints(
      aperture: 0...UInt64.max, alignment: ioas.usesHugePages ? 1 : ObjectCore.pageSize)
    for pin in ioas.heldBy {
      switch pin.holder {
      case let domain as Domain:
        let each = domain.ops.constraints(of: domain)
        let lower = max(result.aperture.lowerBound, each.aperture.lowerBound)
        let upper = min(result.aperture.upperBound, each.aperture.upperBound)
        // Two drivers whose apertures do not meet leave nothing that could be mapped.
        result.aperture = lower...max(lower, upper)
        result.alignment = max(result.alignment, each.alignment)
      case is HWQueue:
        result.alignment = max(result.alignment, ObjectCore.pageSize)
      case let access as Access where access.pinsPages:
        result.alignment = max(result.alignment, ObjectCore.pageSize)
      default: break
      }
    }
    return result
  }
}
