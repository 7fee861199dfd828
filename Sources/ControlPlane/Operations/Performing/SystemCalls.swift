// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Operations that are system calls of a process on its open iommufd.
struct SystemCalls {
  let core: ObjectCore

  func ioctl(_ context: String, _ request: IoctlRequest) throws(Refusal) -> Outcome {
    let result: IoctlResult
    do throws(Refusal) {
      result = try core.ioctl(context, request)
    } catch {
      throw IoctlCoding.placed(error)
    }
    guard let refusal = result.refusal else { return .called(result) }
    return .stopped(IoctlCoding.placed(refusal), .called(result))
  }

  func map(_ context: String, _ request: MemoryMapRequest) throws(Refusal) -> Outcome {
    let number = try core.memoryMaps.map(
      ofContext: context, offset: request.offset, length: request.length,
      isShared: request.isShared, isExecutable: request.isExecutable)
    return .memoryMapped(context: context, number: number)
  }

  func fork(_ context: String, _ number: UInt32) throws(Refusal) -> Outcome {
    .memoryMapped(
      context: context, number: try core.memoryMaps.fork(number, ofContext: context))
  }

  func unmap(_ context: String, _ number: UInt32) throws(Refusal) -> Outcome {
    try core.memoryMaps.unmap(number, ofContext: context)
    return .done
  }
}
