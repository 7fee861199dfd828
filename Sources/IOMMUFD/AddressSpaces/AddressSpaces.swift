// SPDX-License-Identifier: Apache-2.0

/// What can be done with I/O address spaces.
public struct AddressSpaces: ObjectVerbs {
  unowned let core: ObjectCore

  /// Makes an address space that maps nothing (`iommufd_ioas_alloc_ioctl`).
  ///
  /// - Parameters:
  ///   - name: the name of the new object; nil to have one made up.
  ///   - context: the open iommufd that it belongs to.
  /// - Throws: `EEXIST` for a name that is taken, `ENOENT` when there is no such context, `EBADF`
  ///   when the context's own file is closed.
  @discardableResult
  public func allocate(_ name: String?, context: String) throws(Refusal) -> IOAS {
    let context: Context = try resolve(.context, context, field: "context")
    let ioas = IOAS(name: try claimName(.ioas, name), context: context)
    ioas.objectID = try claimID(context)
    try publish(ioas)
    return ioas
  }

  /// Does what the destruction of an address space brings with it: the memory of its mappings is
  /// given back, and it no longer stands for a VFIO container.
  func end(_ ioas: IOAS) {
    releaseMemory(of: ioas.areas)
    let count = ioas.areas.count
    core.areaCount -= count
    transaction.onRollback { core.areaCount += count }
    let context = ioas.owner
    if context.compatibleIOAS === ioas { core.options.setCompatibleIOAS(nil, of: context) }
  }

  /// What the domains, hw-queues and accesses of an address space together require of a mapping
  /// (`iopt_calculate_iova_alignment`, and the apertures that domains reserve).
  func constraints(of ioas: IOAS) -> IOVAConstraints {
    var result = IOVAConstraints(
      aperture: 0...UInt64.max, alignment: ioas.usesHugePages ? 1 : ObjectCore.pageSize)
    for pin in ioas.heldBy {
      switch pin.holder {
      case let domain as Domain:
        let each = domain.ops.constraints(of: domain)
        let lower = max(result.aperture.lowerBound, each.aperture.lowerBound)
        let upper = min(result.aperture.upperBound, each.aperture.upperBound)
        // An empty range cannot be written as a closed one, so apertures that do not meet leave one
        // address, at which no mapping of a page fits.
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
