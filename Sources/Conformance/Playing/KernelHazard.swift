// SPDX-License-Identifier: Apache-2.0

/// Finds where the rest of a trace can no longer serve as an example, because the kernel that it
/// was recorded on had a bug.
///
/// Two such bugs are known. Each is recognised by the operations that trigger it, on a kernel that
/// had it.
struct KernelHazard {
  private let isOfStockKernel: Bool
  private let hasWarnings: Bool
  private var reason: String?

  init(_ trace: Trace) {
    isOfStockKernel = trace.isOfStockKernel
    hasWarnings = trace.kernelWarnings != 0
  }

  /// Why an operation and all that follow are not to be compared with the trace; nil if they are.
  func reason(before operation: TraceOperation, _ table: ObjectTable) -> String? {
    if let reason { return reason }
    guard isOfStockKernel, operation.name == "hw_queue_alloc",
      let word = Arguments(operation)["viommu"],
      let viommu = table.object(word), viommu.life == .alive, viommu.hasLostItsQueueOne
    else { return nil }
    return """
      the stock self-test driver frees the wrong slot when a queue of index 1 is destroyed, and \
      one of \(word) was (RULES 8.6)
      """
  }

  /// Looks at an operation before it is played, for it may trigger a bug.
  mutating func note(_ operation: TraceOperation, _ table: ObjectTable) {
    let arguments = Arguments(operation)
    guard hasWarnings, operation.name == "destroy_device", operation.errno == nil,
      Spelling.number(arguments["force"] ?? "0") != 0, let name = arguments["name"],
      let device = table.object(name), device.life == .alive, device.hasAttachedPASID
    else { return }
    reason = """
      the kernel warned: \(name) was pulled out while a PASID of it was attached, which leaves \
      its objects broken (RULES 14)
      """
  }
}
