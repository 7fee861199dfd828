// SPDX-License-Identifier: Apache-2.0

/// A mapping of a vIOMMU's window into the memory of user space, as `mmap` on the iommufd makes it
/// (`iommufd_fops_mmap`). It pins the vIOMMU.
public struct MemoryMap {
  /// The vIOMMU whose window is mapped.
  public let viommu: VIOMMU
  /// The offset of the window in the iommufd in bytes, a multiple of a page.
  public let offset: UInt64
  /// The length of the window in bytes, a multiple of a page.
  public let length: UInt64
  let pin: Pin
}

/// What can be done with the windows of a context's file.
public struct MemoryMaps: ObjectVerbs {
  unowned let core: ObjectCore

  /// Maps a window that a context's file has.
  ///
  /// - Parameters:
  ///   - name: the context.
  ///   - offset: the offset of a window in bytes.
  ///   - length: the length of the same window in bytes; a part of a window cannot be mapped.
  ///   - isShared: whether it is mapped as `MAP_SHARED`, as registers have to be.
  ///   - isExecutable: whether it is mapped as `PROT_EXEC`, which registers cannot be.
  /// - Returns: the number of the mapping, the lowest free one of the context from 1 on.
  /// - Throws: `ENOENT` when there is no such context, `EINVAL` for a private mapping or one that
  ///   is not of whole pages, `EPERM` for an executable one, `ENXIO` when no window has that offset
  ///   and length or the context's file is closed.
  public func map(
    ofContext name: String, offset: UInt64, length: UInt64, isShared: Bool, isExecutable: Bool
  ) throws(Refusal) -> UInt32 {
    let context: Context = try find(.context, name)
    if (offset | length) % ObjectCore.pageSize != 0 || length == 0 {
      throw Refusal(.EINVAL, field: "length", "not of whole pages")
    }
    guard isShared else {
      throw Refusal(.EINVAL, field: "shared", "registers cannot be mapped privately")
    }
    if isExecutable {
      throw Refusal(.EPERM, field: "executable", "registers cannot be executed")
    }
    guard context.isFileOpen,
      let window = context.windows.first(where: { $0.offset == offset && $0.length == length })
    else {
      throw Refusal(.ENXIO, field: "offset", "no window has that offset and length")
    }
    return try addMap(window.viommu, offset, length, to: context)
  }

  /// Maps once more what a mapping has, as happens when the process forks
  /// (`iommufd_fops_vma_open`). Each of the two has to be unmapped.
  ///
  /// - Returns: the number of the new mapping.
  /// - Throws: `ENOENT` when there is no such context or mapping.
  public func fork(_ number: UInt32, ofContext name: String) throws(Refusal) -> UInt32 {
    let context: Context = try find(.context, name)
    let map = try memoryMap(number, of: context)
    return try addMap(map.viommu, map.offset, map.length, to: context)
  }

  /// Ends a mapping (`iommufd_fops_vma_close`).
  ///
  /// - Throws: `ENOENT` when there is no such context or mapping.
  public func unmap(_ number: UInt32, ofContext name: String) throws(Refusal) {
    let context: Context = try find(.context, name)
    _ = try memoryMap(number, of: context)
    try step()
    unmap(number, of: context)
    recorder?.record(.updated(context))
  }

  /// The mapping that has a number.
  ///
  /// - Throws: `ENOENT` with the reason `notFound` when nothing is mapped under the number.
  public func memoryMap(_ number: UInt32, of context: Context) throws(Refusal) -> MemoryMap {
    guard let map = context.memoryMaps[number] else {
      throw Refusal(.ENOENT, .notFound, "context \(context.name) has no mapping \(number)")
    }
    return map
  }

  private func addMap(
    _ viommu: VIOMMU, _ offset: UInt64, _ length: UInt64, to context: Context
  ) throws(Refusal) -> UInt32 {
    guard let number = context.memoryMapNumbers.allocate() else {
      throw Refusal(.ENOMEM, "the context has no number left for a mapping")
    }
    transaction.onRollback { context.memoryMapNumbers.free(number) }
    let pin = try pin(viommu, by: nil, .memoryMap(number))
    context.memoryMaps[number] = MemoryMap(
      viommu: viommu, offset: offset, length: length, pin: pin)
    transaction.onRollback { context.memoryMaps[number] = nil }
    touch(context)
    recorder?.record(.updated(context))
    return number
  }

  /// Ends a mapping whose context is known; where there is none of that number, nothing happens.
  func unmap(_ number: UInt32, of context: Context) {
    guard let map = context.memoryMaps.removeValue(forKey: number) else { return }
    context.memoryMapNumbers.free(number)
    transaction.onRollback {
      context.memoryMapNumbers.take(number)
      context.memoryMaps[number] = map
    }
    unpin(map.pin)
    touch(context)
  }
}
