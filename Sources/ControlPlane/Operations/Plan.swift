// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Hashing
import IOMMUFD

/// The requests after which an object can be deleted, in order, and a digest by which a client can
/// say that it means these requests and no others.
struct Plan {
  let steps: [ReleaseStep]
  let digest: String
  private let encoder: ObjectEncoder

  init(toDestroy object: Object, policy: ObjectCore.PinPolicy, _ encoder: ObjectEncoder) {
    let steps = PinGraph(policy: policy).plan(toDestroy: object)
    self.steps = steps
    self.encoder = encoder
    var hash = SHA256()
    hash.update("DELETE \(encoder.path(object.key))\n".utf8)
    for step in steps {
      let (method, path) = Plan.request(of: step, encoder)
      hash.update("\(method.rawValue) \(path)\n".utf8)
    }
    digest = "sha256:" + hash.finish()
  }

  /// Whether a text has the form of a plan's digest.
  static func isDigest(_ text: String) -> Bool {
    let digits = text.utf8.dropFirst(7)
    return text.hasPrefix("sha256:") && digits.count == 64
      && digits.allSatisfy { $0 >= 0x30 && $0 <= 0x39 || $0 >= 0x61 && $0 <= 0x66 }
  }

  func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("digest", text: digest)
      writer.key("steps")
      writer.array(of: steps) { writer, step in
        let (method, path) = Plan.request(of: step, encoder)
        writer.object { writer in
          writer.field("method", text: method.rawValue)
          writer.field("path", text: path)
        }
      }
    }
  }

  /// The request that carries out a step.
  private static func request(
    of step: ReleaseStep, _ encoder: ObjectEncoder
  ) -> (Method, String) {
    switch step {
    case .detach(let device, pasid: 0):
      (.delete, encoder.path(ObjectKey(.device, device)) + "/attachment")
    case .detach(let device, let pasid):
      (.delete, encoder.path(ObjectKey(.device, device)) + "/attachments/\(pasid)")
    case .unplug(let device):
      (.post, encoder.path(ObjectKey(.device, device)) + "/unplug")
    case .destroy(let key):
      (.delete, encoder.path(key))
    case .closeFiles(let key):
      (.delete, encoder.path(key) + "/file")
    case .unmapMemory(let context, let number):
      (.delete, encoder.path(ObjectKey(.context, context)) + "/mmaps/\(number)")
    }
  }
}

/// Why an object cannot be deleted: who holds it, who holds those, and what to do about it.
struct Explanation {
  private let object: Object
  private let chains: PinGraph.Chains
  private let encoder: ObjectEncoder
  let plan: Plan

  init(_ object: Object, policy: ObjectCore.PinPolicy, _ encoder: ObjectEncoder) {
    self.object = object
    self.encoder = encoder
    chains = PinGraph(policy: policy).chains(to: object)
    plan = Plan(toDestroy: object, policy: policy, encoder)
  }

  /// Writes the members that a refusal and an explanation have in common.
  func writeMembers(to writer: inout JSONWriter) {
    writer.key("pinned_by")
    writer.array(of: PinGraph.shown(object.heldBy)) { encoder.write(holder: $1, to: &$0) }
    writer.field("pinned_by_count", int: object.heldBy.count)
    writer.key("chains")
    writer.array(of: chains.listed) { encoder.write(chain: $1, to: &$0) }
    writer.field("chains_count", int: chains.count)
    encoder.writeLists(of: object, if: chains.count > chains.listed.count, to: &writer)
    writer.key("plan")
    plan.write(to: &writer)
  }
}
