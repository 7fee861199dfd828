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

extension ObjectCore {
  /// Opens an iommufd.
  @discardableResult
  public func openContext(_ name: String?) throws(Refusal) -> Context {
    let context = Context(name: try claimName(.context, name))
    try publish(context)
    return context
  }

  /// Closes an iommufd but not its event files, which keep all objects alive until the last of
  /// them is closed, as bound devices do.
  public func closeFile(ofContext name: String) throws(Refusal) {
    let context: Context = try find(.context, name)
    guard context.isFileOpen else {
      throw Refusal(.EBADF, .busy, "the file of context \(name) is closed already")
    }
    try step()
    context.isFileOpen = false
    transaction.onRollback { context.isFileOpen = true }
    touch(context)
    recorder?.record(.updated(context))
    try closeIfAbandoned(context)
  }

  /// The end of a context whose own file is closed, once nobody else holds it.
  func closeIfAbandoned(_ context: Context) throws(Refusal) {
    if !context.isFileOpen, context.heldBy.isEmpty, context.isLive { try close(context) }
  }

  /// Closes an iommufd (`iommufd_fops_release`): all of its objects go, in passes of ascending
  /// ID that take whatever nobody holds at that moment.
  func close(_ context: Context) throws(Refusal) {
    try step()
    for number in context.memoryMaps.keys.sorted() { unmapMemory(number, of: context) }
    // Accesses are somebody else's inside of the kernel, who goes with the file.
    for object in context.byID.ids.compactMap({ context.byID[$0] as? Access }) {
      destroyUnheld(object)
    }
    var remaining = context.byID.ids
    while !remaining.isEmpty {
      var left: [UInt32] = []
      for id in remaining {
        // A queue's hidden second ID went with the queue.
        guard let object = context.byID[id] else { continue }
        if object.heldBy.isEmpty, object.objectID == id {
          destroyUnheld(object)
        } else {
          left.append(id)
        }
      }
      // Nothing can be held in a ring, so each pass takes something.
      precondition(left.count < remaining.count, "a context's objects hold each other")
      remaining = left
    }
    retire(context)
  }
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
