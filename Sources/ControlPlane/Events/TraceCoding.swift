// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// How the log shows what a driver has told its hardware, and what the hardware did without being
/// told.
enum TraceCoding {
  static func type(of kind: HardwareTrace.Kind) -> EventType {
    switch kind {
    case .command: .smmuCommand
    case .streamTableEntry: .smmuSTEWritten
    case .pageResponse: .smmuPageResponse
    case .stallAnswered: .smmuStallAnswered
    case .staleTranslation: .smmuStaleTranslation
    case .globalError: .smmuGlobalError
    case .eventQueueOverflow: .smmuEventsLost
    case .interrupt: .smmuInterrupt
    case .cmdqvError: .smmuCMDQVError
    case .queueRan: .hwQueueRan
    }
  }

  /// - Parameter since: finds the event that was the first to change the tables after a given
  ///   number of writes to them; nil when that event is not known.
  static func writeMembers(
    of kind: HardwareTrace.Kind, since: (UInt64) -> UInt64?, to writer: inout JSONWriter
  ) {
    switch kind {
    case .command(let words, let queue):
      writer.field("queue", text: queue)
      CommandCoding.writeMembers(of: words, to: &writer)
    case .streamTableEntry(let stream, let words):
      writer.field("stream_id", int: Int(stream))
      writer.key("ste")
      writer.array(of: words) { $0.hex($1) }
    case .pageResponse(let stream, let group, let code):
      writer.field("stream_id", int: Int(stream))
      writer.field("group", int: Int(group))
      writer.field("code", text: code)
    case .stallAnswered(let stream, let stag, let outcome):
      writer.field("stream_id", int: Int(stream))
      writer.field("stag", int: Int(stag))
      writer.field("outcome", text: outcome)
    case .staleTranslation(let device, let iova, let stale):
      writer.field("device", text: device)
      writer.field("iova", hex: iova)
      writeStale(stale, since: since, to: &writer)
    case .globalError(let bits): writer.field("gerror", hex: bits)
    case .eventQueueOverflow: break
    case .interrupt(let name): writer.field("interrupt", text: wireName(name))
    case .cmdqvError(let interface, let viommu, let map, let isForwarded):
      writer.field("vintf", int: interface)
      writer.field("viommu", text: viommu)
      writer.key("lvcmdq_err_map")
      writer.array(of: map) { $0.hex($1) }
      writer.field("forwarded", bool: isForwarded)
    case .queueRan(_, let commands, let prod, let cons, let error):
      writer.field("commands", int: Int(clamping: commands))
      writer.field("prod", int: Int(prod))
      writer.field("cons", int: Int(cons))
      writer.field("error", text: error)
    }
  }

  /// The object that an event is about: an SMMU, or one of its queues.
  static func object(of trace: HardwareTrace) -> ObjectKey {
    if case .queueRan(let queue, _, _, _, _) = trace.kind { return ObjectKey(.hwQueue, queue) }
    return ObjectKey(.smmu, trace.smmu)
  }

  /// Names of interrupts come as Swift has them, and everything on the wire has underscores:
  /// `eventQueue` is shown as `event_queue`.
  private static func wireName(_ name: String) -> String {
    name.reduce(into: "") { result, letter in
      result += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
    }
  }

  /// Writes the members that tell of a translation which was used although it no longer agreed with
  /// the tables.
  static func writeStale(
    _ stale: DMAResult.Stale, since: (UInt64) -> UInt64?, to writer: inout JSONWriter
  ) {
    writer.field("cache", text: stale.cache)
    writer.field("since", int: since(stale.agreedAt).map { Int($0) })
    writer.field("agreed_at", int: Int(clamping: stale.agreedAt))
    writer.field("seen_at", int: Int(clamping: stale.seenAt))
    writer.key("missing")
    writer.object { CommandCoding.writeMembers(of: stale.missing, to: &$0) }
  }
}
