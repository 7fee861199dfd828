// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The iommufd file itself.
enum ContextOperations {
  static let all: [OperationDefinition] = [
    .init("reopen", [], reopen),
    .init("close_main", [], close),
  ]

  /// Closes the file and all that keeps it open, and opens it again.
  @Sendable private static func reopen(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let context = Stage.mainContext
    for object in stage.table.living where object.context == context {
      switch object.kind {
      case .device: _ = try stage.client.send("POST", object.path + "/unplug")
      case .access: _ = try stage.client.delete(object.path)
      case .veventq, .faultQueue: _ = try stage.client.delete(object.path + "/file")
      case .viommu:
        for number in object.mmaps {
          _ = try stage.client.delete("/contexts/\(context)/mmaps/\(number)")
        }
      default: break
      }
    }
    // A file that was closed before is gone with the last that kept it open.
    let outcome = Outcome(try stage.client.delete("/contexts/\(context)"))
    if outcome.errno != nil, outcome.errno != "ENOENT" { return outcome }
    stage.table.buryAll(in: context)
    stage.contexts.remove(context)
    try stage.openContext(context)
    return .success
  }

  /// Closes the file alone; what an event file holds stays until that is closed too.
  @Sendable private static func close(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    Outcome(try stage.client.delete("/contexts/\(Stage.mainContext)/file"))
  }
}

extension Stage {
  /// Makes a context if there is none of that name.
  func openContext(_ name: String) throws(PlayFailure) {
    guard !contexts.contains(name) else { return }
    let reply = try client.post("/contexts") { $0.field("id", text: name) }
    if let refusal = reply.refusal {
      throw .unexpected("the context \(name) cannot be made: \(refusal.errno ?? "")")
    }
    contexts.insert(name)
  }
}
