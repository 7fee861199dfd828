// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Operations on the iommufd file itself.
enum ContextOperations {
  static let all: [OperationDefinition] = [
    .init("reopen", [], reopen),
    .init("close_main", [], close),
  ]

  /// Closes the file and everything that keeps it open, and opens it again.
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
    // If the file itself was closed before, the context has gone with the last of these.
    let outcome = Outcome(try stage.client.delete("/contexts/\(context)"))
    if outcome.errno != nil, outcome.errno != "ENOENT" { return outcome }
    stage.table.buryAll(in: context)
    stage.contexts.remove(context)
    try stage.openContext(context)
    return .success
  }

  /// Closes the file alone. Objects that an open event file needs stay until that is closed as
  /// well.
  @Sendable private static func close(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    Outcome(try stage.client.delete("/contexts/\(Stage.mainContext)/file"))
  }
}

extension Stage {
  /// Makes a context unless there is one with this name.
  func openContext(_ name: String) throws(PlayFailure) {
    guard !contexts.contains(name) else { return }
    let reply = try client.post("/contexts") { $0.field("id", text: name) }
    if let refusal = reply.refusal {
      throw .unexpected("the context \(name) cannot be made: \(refusal.errno ?? "")")
    }
    contexts.insert(name)
  }
}
