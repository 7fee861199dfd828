// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FoundationEssentials
import Logging
import MicroHTTPD

/// The service manager that has started the program, systemd for example; or nobody.
struct Service {
  private let manager: ServiceManager?
  private let logger: Logger

  /// The manager that the environment names. One that cannot be told anything is told nothing: the
  /// program serves all the same.
  init(_ logger: Logger) {
    self.logger = logger
    do {
      manager = try ServiceManager(environment: ProcessInfo.processInfo.environment)
    } catch {
      logger.warning("the service manager is not told anything: \(error)")
      manager = nil
    }
  }

  /// Says that the server answers, and goes on to say that it is alive if anybody wants to know.
  func isReady(_ server: HTTPServer) {
    guard let manager else { return }
    let places = server.boundAddresses.map(\.description).joined(separator: ", ")
    tell(.ready(status: "listening on " + places))
    do {
      try Watchdog.start(on: server, for: manager)
    } catch {
      logger.error("the service manager's watchdog is not answered: \(error)")
    }
  }

  /// Says that the server has begun to stop.
  func isStopping() { tell(.stopping) }

  private func tell(_ message: ServiceManager.Message) {
    do {
      try manager?.tell(message)
    } catch {
      logger.warning("the service manager cannot be told: \(error)")
    }
  }

  /// The sockets that the program was started with.
  ///
  /// - Throws: a `ValidationError` for what is no listening socket.
  static func inheritedSockets() throws -> [InheritedSocket] {
    do {
      return try InheritedSocket.all(in: ProcessInfo.processInfo.environment)
    } catch {
      throw ValidationError("LISTEN_FDS: \(error)")
    }
  }
}
