// SPDX-License-Identifier: Apache-2.0

/// An open iommufd: the objects of one VMM and the numbers that they have (`struct iommufd_ctx`).
public final class Context: Object {
  /// The object IDs that are taken, tombstones among them. They begin at 1 and fit in 31 bits.
  var ids = LowestFreeAllocator(1...0x7fff_ffff)
  /// The objects by their IDs. A hidden ID leads to the object that it belongs to.
  var byID = ObjectIDTable()
  /// The ranges of the file's offsets that user space can map, ascending, each with its vIOMMU.
  var windows: [VIOMMU.Window] = []
  /// The windows that user space has mapped, by the numbers that `MemoryMaps.map` gave them.
  public internal(set) var memoryMaps: [UInt32: MemoryMap] = [:]
  var memoryMapNumbers = LowestFreeAllocator(1...0x7fff_ffff)
  /// The numbers of open event files. They begin at 4, as they would in a process that has its
  /// three standard files and this iommufd open.
  var descriptors = LowestFreeAllocator(4...0x7fff_ffff)
  /// The address space that stands for a VFIO container (`IOMMU_VFIO_IOAS`); nil when none does.
  public internal(set) var compatibleIOAS: IOAS?
  /// Whether pinned pages count against the process; otherwise they count against its user
  /// (`IOMMU_OPTION_RLIMIT_MODE`).
  public internal(set) var accountsPerProcess = false
  /// Whether the iommufd itself is open. When only its event files or bound devices keep the
  /// context alive, nothing new can be made in it.
  public internal(set) var isFileOpen = true
  /// The IDs of vdevs whose devices were unplugged. They stay taken until the context ends.
  public internal(set) var tombstones: Set<UInt32> = []

  init(name: String) { super.init(.context, name) }
}

/// The objects of a context by their IDs. IDs are the lowest free ones and so lie close together,
/// which is why an array is enough.
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
