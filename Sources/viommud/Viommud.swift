// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlPlane
import HTTPCore
import Locking
import Logging
import MicroHTTPD
import MockDriver
import OpenAPIDocument
import SMMUDriver

/// The program. It reads its arguments, starts the server, waits for a signal, and stops.
@main
struct Viommud: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "viommud",
    abstract: "An HTTP/JSON control plane for emulated IOMMU-virtualisation hardware.",
    discussion: """
      Serves iommufd's objects (devices, IOAS, domains, vIOMMUs, vdevs, guest-owned command \
      queues, event queues) on an emulated ARM SMMUv3 with NVIDIA's Tegra241 CMDQV.

      Every option is an environment variable too: --port-file is VIOMMUD_PORT_FILE. What is \
      given on the command line wins.

      It listens on loopback addresses and Unix sockets only, unless it is told --insecure: \
      without --token-file everybody may use it, and even with it tokens and all else go over \
      the network in clear text.

      Exit codes: 0 stopped by a signal, 64 wrong usage, 65 a bad topology or token file, \
      66 a file cannot be read or must not be, 69 an address is in use, 71 the system refuses, \
      73 a file cannot be written.
      """,
    version: Version.current)

  @Option(help: "Listen on HOST:PORT; port 0 takes a free one. May be given more than once.")
  var listen: [String] = []

  @Option(help: "Listen on a Unix socket too. May be given more than once.")
  var unix: [String] = []

  @Option(help: "The mode of Unix sockets' files, in octal digits.")
  var unixMode = "600"

  @Option(
    help: "Threads that serve connections; usually as many as there are processors, at most 16.")
  var threads = min(Processors.count, Viommud.threadLimit)

  @Option(help: "Write the port to this file, once the server answers.")
  var portFile: String?

  @Option(help: "Start with the hosts, SMMUs and devices in this JSON file.")
  var topology: String?

  @Option(help: "trace, debug, info, notice, warning, error or critical.")
  var logLevel = "info"

  @Option(help: "text, or json for a JSON object in each line.")
  var logFormat = LogFormat.text

  @Flag(help: "Log each request at the level info; without it, at debug.")
  var accessLog = false

  @Flag(help: "Listen on addresses that other machines can reach.")
  var insecure = false

  @Option(help: "Seconds that a stop waits for requests and streams to end.")
  var gracePeriod = 10

  @OptionGroup(title: "Tokens")
  var access: TokenOptions

  @OptionGroup(title: "Browsers")
  var sites: SiteOptions

  @OptionGroup(title: "Limits")
  var limits: LimitOptions

  /// Where the server listens when it is not told.
  static let usualAddress = "127.0.0.1:8137"
  /// More would only wait for the same hosts.
  static let threadLimit = 16

  func validate() throws {
    if Logger.Level(rawValue: logLevel) == nil {
      throw ValidationError("--log-level: \(logLevel) is no level")
    }
    if gracePeriod < 0 { throw ValidationError("--grace-period: must not be negative") }
    if !(1...Viommud.threadLimit).contains(threads) {
      throw ValidationError("--threads: must be 1 to \(Viommud.threadLimit)")
    }
    try limits.check()
    try sites.check()
    _ = try socketMode()
    try checkReach(of: try addresses(), "--listen")
    try checkReach(of: try Service.inheritedSockets().map(\.address), "the socket unit")
  }

  /// - Parameter origin: who chose the addresses.
  /// - Throws: a `ValidationError` without `--insecure`, for an address that other machines can
  ///   reach.
  private func checkReach(of addresses: [ListenAddress], _ origin: String) throws {
    let danger =
      access.tokenFile == nil
      ? "without --token-file anybody there may use the server"
      : "tokens would go over the network in clear text"
    for address in addresses where !insecure && !address.isLoopback {
      throw ValidationError(
        "\(origin): \(address) can be reached by other machines, and \(danger); "
          + "say --insecure if that is meant")
    }
  }

  /// - Throws: a `ValidationError` for what is no mode, and for a mode under which the owner could
  ///   not use the socket.
  private func socketMode() throws -> UInt32 {
    guard let mode = UInt32(unixMode, radix: 8), mode <= 0o777, mode & 0o600 == 0o600 else {
      throw ValidationError(
        "--unix-mode: \(unixMode) is no mode of a socket; 600 is one, and 660 lets its group in")
    }
    return mode
  }

  /// Where the server is to open listeners itself. A socket that it has inherited is enough.
  private func addresses() throws -> [ListenAddress] {
    let isTold = try !listen.isEmpty || !unix.isEmpty || !Service.inheritedSockets().isEmpty
    let texts = isTold ? listen : [Viommud.usualAddress]
    do {
      return try texts.map { try ListenAddress(parsing: $0) } + unix.map { .unix(path: $0) }
    } catch {
      throw ValidationError("--listen: \(error)")
    }
  }

  mutating func run() throws {
    let addresses = try addresses()
    let inherited = try Service.inheritedSockets()
    let logger = makeLogger()
    Signals.block()
    Descriptors.raiseLimit()
    let served = limitsWithinDescriptors()
    let tokens = try access.tokenGuard(logger)
    let api = try makeControlPlane(
      listeningOn: addresses + inherited.map(\.address), served, tokens)
    var configuration = HTTPServer.Configuration(
      listeners: addresses, limits: served)
    configuration.inherited = inherited
    configuration.threads = threads
    configuration.logsRequests = accessLog
    configuration.unixMode = try socketMode()
    let server = HTTPServer(configuration: configuration, handler: api, logger: logger)
    Metrics.source.set { [server] in Metrics.of(server.counters) }
    try Exit.onServerError { () throws(ServerError) in try server.start() }
    for address in server.boundAddresses {
      logger.info("listening", metadata: ["address": "\(address)"])
    }
    if served.connections < limits.values.connections {
      logger.warning(
        "fewer connections than --max-connections: the process may have no more descriptors",
        metadata: ["connections": "\(served.connections)"])
    }
    try writePort(of: server.boundAddresses)
    let service = Service(logger)
    service.isReady(server)
    let signal = Signals.wait { [access] in
      logger.info("told to read files again", metadata: ["signal": "SIGHUP"])
      access.readAgain(into: tokens, logger)
    }
    service.isStopping()
    logger.info("stopping", metadata: ["signal": "\(signal)"])
    Signals.endOnNext()
    api.beginDraining()
    server.stop(gracePeriod: .seconds(gracePeriod))
    logger.info("stopped")
  }

  /// The limits, with no more connections than the process may have descriptors for.
  private func limitsWithinDescriptors() -> Limits {
    var values = limits.values
    let room = Descriptors.room(besides: threads * Descriptors.perThread)
    values.connections = min(values.connections, room)
    return values
  }

  private func makeLogger() -> Logger {
    let format = logFormat
    LoggingSystem.bootstrap { label in
      switch format {
      case .text: StreamLogHandler.standardError(label: label)
      case .json: JSONLogHandler()
      }
    }
    var logger = Logger(label: "viommud")
    logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    return logger
  }

  private func makeControlPlane(
    listeningOn addresses: [ListenAddress], _ served: Limits, _ tokens: TokenGuard?
  ) throws -> ControlPlane {
    var configuration = ControlPlane.Configuration(
      models: [SMMUv3Model(), BareSMMUv3Model(), MockModel(), VTDModel()],
      clock: { SystemClock.now })
    configuration.limits = served
    configuration.retainedEvents = limits.retainedEvents
    configuration.sites = try sites.siteGuard(listeningOn: addresses)
    configuration.workers = WorkerPool(limit: max(2, threads))
    configuration.stopwatch = { SystemClock.monotonicNanoseconds }
    configuration.tokens = tokens
    configuration.version = Version.current
    configuration.openAPI = (Array(OpenAPIDocument.yaml.utf8), Array(OpenAPIDocument.json.utf8))
    configuration.serverMetrics = { Metrics.source(()) ?? [] }
    do {
      if let topology {
        try configuration.readTopology(try Files.read(topology))
      }
      return try ControlPlane(configuration)
    } catch let problem as Problem {
      throw Exit.failure(.dataError, Exit.text(of: problem, in: topology ?? ""))
    }
  }

  private func writePort(of addresses: [ListenAddress]) throws {
    guard let portFile else { return }
    for address in addresses {
      if case .tcp(_, let port) = address { return try Files.publish("\(port)\n", as: portFile) }
    }
    throw Exit.failure(.usage, "--port-file: the server listens on no port")
  }

  static func main() {
    do {
      var command = try parseAsRoot(Environment.arguments())
      try command.run()
    } catch {
      Exit.end(with: error)
    }
  }
}

/// The forms of a line of the log.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
  case text
  case json
}
