// SPDX-License-Identifier: Apache-2.0

/// The options of a context and of an address space (`IOMMU_OPTION`, `IOMMU_VFIO_IOAS`).
struct Options: ObjectVerbs {
  unowned let core: ObjectCore

  /// Chooses whether pinned pages count against the process or against its user
  /// (`iommufd_option_rlimit_mode`). Pages that are counted already would have to be counted anew,
  /// so the context must be empty.
  ///
  /// - Throws: `EBUSY` when it has objects or tombstones.
  func setAccounting(_ isPerProcess: Bool, of context: Context) throws(Refusal) {
    try requireEmpty(context)
    try step()
    let previous = context.accountsPerProcess
    context.accountsPerProcess = isPerProcess
    transaction.onRollback { context.accountsPerProcess = previous }
    touch(context)
    recorder?.record(.updated(context))
  }

  func requireEmpty(_ context: Context) throws(Refusal) {
    if context.ids.count > 0 {
      throw Refusal(.EBUSY, field: "val64", "the context has objects already")
    }
  }

  /// Allows or forbids large pages (`iopt_disable_large_pages`).
  ///
  /// - Throws: `EINVAL` when domains translate mappings already, perhaps by large pages;
  ///   `EADDRINUSE` when a mapping is not of whole pages.
  func setHugePages(_ isOn: Bool, of ioas: IOAS) throws(Refusal) {
    if isOn == ioas.usesHugePages { return }
    if !isOn {
      if !ioas.areas.isEmpty, !ioas.domains.isEmpty {
        throw Refusal(.EINVAL, field: "val64", "domains have mappings that may be large")
      }
      try core.addressSpaces.requirePageAligned(ioas, field: "val64")
    }
    try step()
    ioas.usesHugePages = isOn
    transaction.onRollback { ioas.usesHugePages = !isOn }
    touch(ioas)
    recorder?.record(.updated(ioas))
  }

  /// Makes an address space the one that stands for a VFIO container; nil leaves the context
  /// without one. The context does not pin it.
  func setCompatibleIOAS(_ ioas: IOAS?, of context: Context) {
    let previous = context.compatibleIOAS
    context.compatibleIOAS = ioas
    transaction.onRollback { context.compatibleIOAS = previous }
    touch(context)
    recorder?.record(.updated(context))
  }
}
