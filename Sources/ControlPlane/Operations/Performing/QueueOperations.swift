// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Operations on what devices report: hardware events, page faults, and the queues of both.
struct QueueOperations {
  let core: ObjectCore

  // MARK: Reporting

  func raise(_ record: [UInt64], for name: String) throws(Refusal) -> Outcome {
    let device: Device = try core.find(.device, name)
    let handler = device.smmu.driver.eventHandler
    guard record.count == handler.wordCount else {
      throw Refusal(
        .EINVAL, field: "record", "a record of \(device.smmu.name) has \(handler.wordCount) words")
    }
    let record = handler.record(record, from: device.properties.streamIDs[0])
    let raised = RaisedEvent()
    core.transaction.onCommit { raised.disposition = handler.handle(record) }
    return .raised(raised)
  }

  func requestPages(_ name: String, _ request: PageRequest) throws(Refusal) -> Outcome {
    let device: Device = try core.find(.device, name)
    let queue = try core.faultQueues.requestPages(device, request.faults(of: device))
    return .pagesRequested(queue: queue?.name)
  }

  // MARK: Reading

  func readVEvents(_ name: String, _ count: Int) throws(Refusal) -> Outcome {
    let queue: VEventQueue = try core.find(.veventq, name)
    return .vevents(try queue.fifo.read(count: count))
  }

  func readFaults(_ name: String, _ count: Int) throws(Refusal) -> Outcome {
    let queue: FaultQueue = try core.find(.faultQueue, name)
    return .faults(try queue.fifo.read(count: count))
  }

  // MARK: Answering

  func respond(_ queue: String, _ responses: [FaultResponse]) throws(Refusal) -> Outcome {
    for (position, response) in responses.enumerated() {
      do throws(Refusal) {
        try core.faultQueues.respond(queue, cookie: response.cookie, code: response.code)
      } catch {
        guard let field = error.field else { throw error }
        throw Refusal(
          error.errno, error.reason, field: "responses/\(position)/\(field)", error.detail)
      }
    }
    return .responded(responses.count)
  }

  func writeResponses(_ queue: String, _ bytes: [UInt8]) throws(Refusal) -> Outcome {
    .written(bytes: try core.faultQueues.writeResponses(queue, bytes))
  }
}
