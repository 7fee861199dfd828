// SPDX-License-Identifier: Apache-2.0

/// An open iommufd: the objects of one VMM and the space of their IDs (`struct iommufd_ctx`).
public final class Context: Object {
  /// Object IDs begin at 1 and fit in 31 bits.
  var ids = LowestFreeAllocator(1...0x7fff_ffff)
  var byID = ObjectIDTable()
  /// Ranges of the file's offsets that user space can map, ascending, and whose they are.
  var windows: [VIOMMU.Window] = []
  /// What user space has mapped, by number.
  public internal(set) var memoryMaps: [UInt32: MemoryMap] = [:]
  var memoryMapNumbers = LowestFreeAllocator(1...0x7fff_ffff)
  /// The numbers of open event files, as the process would have them: behind its standard files
  /// and the iommufd itself.
  var descriptors = LowestFreeAllocator(4...0x7fff_ffff)
  /// The address space that stands for a VFIO container (`IOMMU_VFIO_IOAS`).
  public internal(set) var compatibleIOAS: IOAS?
  /// Whether pinned pages count against the process, and not against its user
  /// (`IOMMU_OPTION_RLIMIT_MODE`).
  public internal(set) var accountsPerProcess = false
  /// Whether the iommufd itself is open; where only event files are, nothing new can be made.
  public internal(set) var isFileOpen = true
  /// IDs of vdevs whose devices were unplugged; never handed out again.
  public internal(set) var tombstones: Set<UInt32> = []

  init(name: String) { super.init(.context, name) }
}

/// Objects by their IDs. IDs are the lowest free ones and so lie close together.
struct ObjectIDTable {
  private var objects: [Object?] = []

  subscript(id: UInt32) -> Object? {
    get { Int(id) < objects.count ? objects[Int(id)] : nil }
    set {
      while objects.count <= Int(id) { objects.append(nil) }
      objects[Int(id)] = newValue
    }
  }

  /// The IDs that are taken, ascending.
  var ids: [UInt32] { objects.indices.filter { objects[$0] != nil }.map { UInt32($0) } }
}
