// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Operations on mappings, and those that are system calls of a process.
extension HostState {
  func performMapping(_ operation: Operation) throws(Refusal) -> Outcome {
    switch operation {
    case .map(let ioas, let request):
      return .mapped(try core.addressSpaces.map(ioas, request))
    case .unmap(let ioas, let iova, let length):
      let outcome = try core.addressSpaces.unmap(ioas, iova: iova, length: length)
      guard let refusal = outcome.refusal else { return .unmapped(bytes: outcome.bytes) }
      return .stopped(refusal, .unmapped(bytes: outcome.bytes))
    case .reserve(let ioas, let start, let length):
      try core.addressSpaces.reserve(ioas, start: start, length: length)
      return .changed(ObjectKey(.ioas, ioas))
    case .replaceAccess(let access, let ioas):
      try core.accesses.replace(access, ioas: ioas)
      return .changed(ObjectKey(.access, access))
    case .pinPages(let access, let iova, let length, let isWritten):
      return .pinned(
        try core.accesses.pinPages(access, iova: iova, length: length, isWritten: isWritten))
    case .unpinPages(let access, let number):
      try core.accesses.unpinPages(access, number: number)
      return .done
    default:
      preconditionFailure("not about mappings")
    }
  }

  func performSystemCall(_ operation: Operation) throws(Refusal) -> Outcome {
    switch operation {
    case .ioctl(let context, let request):
      return try call(request, on: context)
    case .mapMemory(let context, let request):
      let number = try core.memoryMaps.map(
        ofContext: context, offset: request.offset, length: request.length,
        isShared: request.isShared, isExecutable: request.isExecutable)
      return .memoryMapped(context: context, number: number)
    case .forkMemoryMap(let context, let number):
      return .memoryMapped(
        context: context, number: try core.memoryMaps.fork(number, ofContext: context))
    case .unmapMemory(let context, let number):
      try core.memoryMaps.unmap(number, ofContext: context)
      return .done
    default:
      preconditionFailure("no system call")
    }
  }

  private func call(_ request: IoctlRequest, on context: String) throws(Refusal) -> Outcome {
    let result: IoctlResult
    do throws(Refusal) {
      result = try core.ioctl(context, request)
    } catch {
      throw IoctlCoding.placed(error)
    }
    guard let refusal = result.refusal else { return .called(result) }
    return .stopped(IoctlCoding.placed(refusal), .called(result))
  }
}
