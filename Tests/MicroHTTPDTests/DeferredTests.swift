// SPDX-License-Identifier: Apache-2.0
import Dispatch
import HTTPCore
import Locking
import RawHTTPClient
import Testing

@Suite struct DeferredTests {
  /// Answers that were promised and not given yet, by their paths.
  private final class Promises: Sendable {
    private let promises = Locked<[String: DeferredResponse]>([:])
    private let made = DispatchSemaphore(value: 0)

    func make(_ path: String) -> Response {
      let deferred = DeferredResponse()
      promises.withLock { $0[path] = deferred }
      made.signal()
      return Response(status: 200, body: .deferred(deferred))
    }

    func waitForNext() { made.wait() }

    func fulfil(_ path: String, _ text: String) {
      let deferred = promises.withLock { $0[path] }
      deferred?.fulfil(Response(status: 200, json: Array(text.utf8)))
    }
  }

  private func server(_ promises: Promises) throws -> TestServer {
    try TestServer(
      TestHandler { request in
        request.path.hasPrefix("/later") ? promises.make(request.path) : TestHandler.echo(request)
      })
  }

  @Test func answerComesFromAnotherThread() throws {
    let promises = Promises()
    let server = try server(promises)
    let client = try server.client()
    for index in 0..<20 {
      client.send(post("/later", "x"))
      promises.waitForNext()
      promises.fulfil("/later", "\(index)")
      #expect(try client.readResponse().text == "\(index)")
    }
  }

  @Test func othersAreServedMeanwhile() throws {
    let promises = Promises()
    let server = try server(promises)
    let waiting = try server.client()
    waiting.send(get("/later"))
    promises.waitForNext()
    let client = try server.client()
    for _ in 0..<10 { #expect(try client.exchange(get("/now")).status == 200) }
    promises.fulfil("/later", "done")
    #expect(try waiting.readResponse().text == "done")
  }

  @Test func answersComeInAnyOrder() throws {
    let promises = Promises()
    let server = try server(promises)
    let clients = try (0..<8).map { _ in try server.client() }
    for (index, client) in clients.enumerated() { client.send(get("/later/\(index)")) }
    for _ in clients { promises.waitForNext() }
    for index in clients.indices.reversed() { promises.fulfil("/later/\(index)", "\(index)") }
    for (index, client) in clients.enumerated() {
      #expect(try client.readResponse().text == "\(index)")
    }
  }

  @Test func answersOfAPipelineKeepItsOrder() throws {
    let promises = Promises()
    let server = try server(promises)
    let client = try server.client()
    client.send(get("/later/1") + get("/now") + get("/later/2"))
    promises.waitForNext()
    promises.fulfil("/later/1", "1")
    #expect(try client.readResponse().text == "1")
    #expect(try client.readResponse().text == "GET /now\n")
    promises.waitForNext()
    promises.fulfil("/later/2", "2")
    #expect(try client.readResponse().text == "2")
  }

  @Test func answerThatIsThereAlreadyIsSentAtOnce() throws {
    let server = try TestServer(
      TestHandler { request in
        let deferred = DeferredResponse()
        deferred.fulfil(TestHandler.echo(request))
        return Response(status: 200, body: .deferred(deferred))
      })
    let client = try server.client()
    for index in 0..<10 {
      #expect(try client.exchange(get("/\(index)")).text == "GET /\(index)\n")
    }
  }

  @Test func answerMayBeAStream() throws {
    let promises = Promises()
    let log = LineLog()
    log.append("1")
    let deferred = DeferredResponse()
    let server = try TestServer(
      TestHandler { request in
        _ = promises.make(request.path)
        return Response(status: 200, body: .deferred(deferred))
      })
    let client = try server.client()
    client.send(get("/"))
    promises.waitForNext()
    deferred.fulfil(log.response())
    #expect(try client.readHead().status == 200)
    #expect(try client.readChunk() == Array("1\n".utf8))
    withExtendedLifetime(server) {}
  }

  @Test func halfClosedClientGetsItsAnswer() throws {
    let promises = Promises()
    let server = try server(promises)
    for _ in 0..<10 {
      let client = try server.client()
      client.send(post("/later", "x"))
      promises.waitForNext()
      client.finishSending()
      // An exchange behind it lets the end of the other connection arrive.
      #expect(try server.client().exchange(get("/now")).status == 200)
      promises.fulfil("/later", "still there")
      #expect(try client.readResponse().text == "still there")
    }
  }

  @Test func answerToADepartedClientDoesNoHarm() throws {
    let promises = Promises()
    let server = try server(promises)
    var client: RawClient? = try server.client()
    client?.send(get("/later"))
    promises.waitForNext()
    client?.reset()
    client = nil
    promises.fulfil("/later", "nobody hears")
    #expect(try server.client().exchange(get("/now")).status == 200)
  }
}
