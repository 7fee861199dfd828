// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Plays traces against a server, each on a host of its own, and finds the first answer in which
/// the server and the kernel differ.
public struct TracePlayer {
  /// Which pins a host has where this project's design and Linux differ. The raw value is what the
  /// API calls it.
  public enum PinPolicy: String, CaseIterable, Sendable {
    case linux, design
  }

  private let transport: any Transport
  private let pinPolicy: PinPolicy
  private let keepsHosts: Bool

  /// Makes a player.
  ///
  /// - Parameter keepsHosts: whether the hosts are left on the server, so that somebody can look at
  ///   them, instead of being deleted when their traces have been played.
  public init(_ transport: any Transport, pinPolicy: PinPolicy = .linux, keepsHosts: Bool = false) {
    self.transport = transport
    self.pinPolicy = pinPolicy
    self.keepsHosts = keepsHosts
  }

  /// Plays a trace on a new host, up to its end or to the first difference.
  ///
  /// - Throws: `TransportFailure` when the server cannot be reached, or makes no host.
  public func play(_ trace: Trace) throws(TransportFailure) -> TraceResult {
    let host = try makeHost(for: trace)
    var result: TraceResult
    do throws(PlayFailure) {
      result = try play(trace, on: Stage(HostClient(id: host, transport)))
    } catch {
      guard case .transport(let failure) = error else {
        throw TransportFailure("\(trace.name) ended for no reason")
      }
      throw failure
    }
    if keepsHosts {
      result.host = host
    } else {
      _ = try transport.send(APIRequest("DELETE", "/v1/hosts/\(host)"))
    }
    return result
  }

  // MARK: The host

  private func makeHost(for trace: Trace) throws(TransportFailure) -> String {
    // Only traces with real devices need the IOMMU that these are behind.
    let isPhysical = trace.operations.contains { $0.name.hasPrefix("vfio_") }
    let smmus =
      [(Stage.mockSMMU, "mock")] + (isPhysical ? [(Stage.vtdSMMU, "intel-vtd")] : [])
    let body = HostClient.object { writer in
      writer.field("pin_policy", text: pinPolicy.rawValue)
      writer.key("smmus")
      writer.array(of: smmus) { writer, smmu in
        writer.object { writer in
          writer.field("id", text: smmu.0)
          writer.field("driver", text: smmu.1)
        }
      }
      writer.key("contexts")
      writer.array(of: [Stage.mainContext]) { writer, context in
        writer.object { $0.field("id", text: context) }
      }
    }
    let answer = try transport.send(APIRequest("POST", "/v1/hosts", body: body.bytes))
    let reply = Reply(answer)
    guard answer.status == 201, let id = reply.json?.member("id")?.string else {
      let detail = reply.json?.member("detail")?.string ?? "no reason is given"
      throw TransportFailure("the server makes no host: \(answer.status), \(detail)")
    }
    return id
  }

  // MARK: Operations

  private func play(_ trace: Trace, on stage: Stage) throws(PlayFailure) -> TraceResult {
    var hazard = KernelHazard(trace)
    var compared = 0
    for (position, operation) in trace.operations.enumerated() {
      let left = trace.operations.count - position
      if let reason = hazard.reason(before: operation, stage.table) {
        return TraceResult(
          trace: trace.name, ending: .notCompared(from: operation.index, reason: reason),
          compared: compared, notCompared: trace.operations.count - compared)
      }
      if operation.isDriversOwn { continue }
      hazard.note(operation, stage.table)
      if let difference = try difference(of: operation, trace, stage) {
        return TraceResult(
          trace: trace.name, ending: .differed(difference), compared: compared,
          notCompared: position - compared + left)
      }
      compared += 1
    }
    return TraceResult(
      trace: trace.name, ending: .agreed, compared: compared,
      notCompared: trace.operations.count - compared)
  }

  private func difference(
    of operation: TraceOperation, _ trace: Trace, _ stage: Stage
  ) throws(PlayFailure) -> Difference? {
    stage.client.forgetExchanges()
    var outcome: Outcome
    do throws(PlayFailure) {
      let definition = try OperationRegistry.definition(of: operation)
      stage.nextAutoName = autoName(operation, stage.table)
      outcome = try definition.play(stage, Arguments(operation))
      let autos = try stage.reviewAutomaticDomains()
      outcome.fields["auto_destroyed"] = .names(autos.gone)
      outcome.fields["unexpected_auto"] = .names(autos.unexpected)
    } catch {
      switch error {
      case .transport(let failure):
        let place = "\(trace.name), operation \(operation.index), \(operation.script)"
        throw .transport(TransportFailure("\(place): \(failure)"))
      case .untranslatable(let reason): outcome = Outcome(errno: "unplayable", detail: reason)
      case .unexpected(let reason): outcome = Outcome(errno: "unreadable", detail: reason)
      }
    }
    guard let (expected, got) = Comparison.difference(operation, outcome) else { return nil }
    return Difference(
      trace: trace.name, operation: operation, expected: expected, got: got,
      detail: outcome.detail, exchanges: stage.client.exchanges,
      states: try states(operation, stage))
  }

  /// The name that the trace has for the automatic domain which an operation makes; nil if it makes
  /// none. The program that drove the kernel has made the name up, so that it must be taken over.
  private func autoName(_ operation: TraceOperation, _ table: ObjectTable) -> String? {
    guard operation.fields["new_auto"]?.isTrue == true,
      case .text(let name) = operation.fields["hwpt"], table.object(name)?.life != .alive
    else { return nil }
    return name
  }

  /// The objects that an operation names, as they are now.
  private func states(
    _ operation: TraceOperation, _ stage: Stage
  ) throws(PlayFailure) -> [Difference.ObjectState] {
    var states: [Difference.ObjectState] = []
    for argument in operation.arguments {
      guard let object = stage.table.object(argument.value), object.life == .alive else { continue }
      let reply = try stage.client.look(object.path)
      states.append(
        .init(name: object.name, path: object.path, json: TracePlayer.shortened(reply.json)))
    }
    return states
  }

  /// Members that would tell nothing about the cause of a difference.
  private static let dullMembers: Set = ["kind", "id", "self", "revision", "context"]

  private static func shortened(_ json: JSONValue?) -> String {
    guard let json else { return "no JSON" }
    let writer = HostClient.object { writer in
      for (name, value) in json.members where !dullMembers.contains(name) {
        writer.memberName(name)
        value.write(to: &writer)
      }
    }
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
