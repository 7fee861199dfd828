// SPDX-License-Identifier: Apache-2.0

/// A window that user space has mapped (`iommufd_fops_mmap`); it pins the vIOMMU.
public struct MemoryMap {
  public let viommu: VIOMMU
  /// In bytes, as the window's.
  public let offset: UInt64
  public let length: UInt64
  let pin: Pin
}

/// What can be done with the windows of contexts' files.
public struct MemoryMaps: ObjectVerbs {
  unowned let core: ObjectCore

  /// Maps a window of a context's file.
  ///
  /// - Parameters:
  ///   - offset: in bytes; exactly where a window is.
  ///   - length: in bytes; exactly as long as the window is.
  /// - Returns: the number of the mapping.
  /// - Throws: `EINVAL` for a private mapping or a part of a page, `EPERM` for an executable one,
  ///   `ENXIO` where no window is.
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

  /// The mapping once more, as in a process that forks: each has to be unmapped.
  public func fork(_ number: UInt32, ofContext name: String) throws(Refusal) -> UInt32 {
    let context: Context = try find(.context, name)
    let map = try memoryMap(number, of: context)
    return try addMap(map.viommu, map.offset, map.length, to: context)
  }

  /// Ends a mapping.
  public func unmap(_ number: UInt32, ofContext name: String) throws(Refusal) {
    let context: Context = try find(.context, name)
    _ = try memoryMap(number, of: context)
    try step()
    unmap(number, of: context)
    recorder?.record(.updated(context))
  }

  /// - Throws: `ENOENT` for a number under which nothing is mapped.
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
