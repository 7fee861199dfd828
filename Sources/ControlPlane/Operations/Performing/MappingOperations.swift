// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Operations on the mappings of address spaces, and on the accesses that pin what is mapped.
struct MappingOperations {
  let core: ObjectCore

  func map(_ ioas: String, _ request: MapRequest) throws(Refusal) -> Outcome {
    .mapped(try core.addressSpaces.map(ioas, request))
  }

  func unmap(_ ioas: String, _ iova: UInt64, _ length: UInt64) throws(Refusal) -> Outcome {
    let outcome = try core.addressSpaces.unmap(ioas, iova: iova, length: length)
    guard let refusal = outcome.refusal else { return .unmapped(bytes: outcome.bytes) }
    return .stopped(refusal, .unmapped(bytes: outcome.bytes))
  }

  func reserve(_ ioas: String, _ start: UInt64, _ length: UInt64) throws(Refusal) -> Outcome {
    try core.addressSpaces.reserve(ioas, start: start, length: length)
    return .changed(ObjectKey(.ioas, ioas))
  }

  // MARK: Accesses

  func replace(_ access: String, _ ioas: String) throws(Refusal) -> Outcome {
    try core.accesses.replace(access, ioas: ioas)
    return .changed(ObjectKey(.access, access))
  }

  func pinPages(
    _ access: String, _ iova: UInt64, _ length: UInt64, isWritten: Bool
  ) throws(Refusal) -> Outcome {
    .pinned(try core.accesses.pinPages(access, iova: iova, length: length, isWritten: isWritten))
  }

  func unpinPages(_ access: String, _ number: UInt32) throws(Refusal) -> Outcome {
    try core.accesses.unpinPages(access, number: number)
    return .done
  }
}
