// SPDX-License-Identifier: Apache-2.0
public import HTTPCore
public import IOMMUFD
public import Locking
import Synchronization

/// The API. It finds the host and the endpoint that a request is for, and answers the request.
public final class ControlPlane: RequestHandler {
  /// What the API is made with, and from.
  public struct Configuration: Sendable {
    /// The limits of what clients may send.
    public var limits = Limits()
    /// The models of physical IOMMUs that hosts can have. The first one is taken where a client
    /// names none.
    public var models: [any SMMUModel]
    /// How many events a host's log keeps.
    public var retainedEvents = 100_000
    /// How many bytes of events a host's log keeps.
    public var retainedBytes = 64 << 20
    /// The hosts to start with, when there is a topology file.
    var topology: [HostSettings] = []
    /// Which hosts the server answers to, and whose pages may use it from a browser.
    public var sites = SiteGuard()
    /// The tokens of which every request needs one; nil for a server that needs none.
    public var tokens: TokenGuard?
    /// The server's version, for `/version`.
    public var version = "0"
    /// The OpenAPI document as YAML and as JSON.
    public var openAPI: (yaml: [UInt8], json: [UInt8]) = ([], [])
    /// Tells the time. A test hands in a clock of its own.
    public var clock: @Sendable () -> Timestamp
    /// Who carries out what a loop of the server must not wait for. Without any, the thread that
    /// brings a request carries it out and waits for its host.
    public var workers: WorkerPool?
    /// A clock that only goes forward, in nanoseconds, by which operations are timed; without one
    /// they are not.
    public var stopwatch: (@Sendable () -> UInt64)?
    /// Further metrics for `/metrics`, from whoever serves the requests.
    public var serverMetrics: @Sendable () -> [Metric] = { [] }

    /// A configuration with the usual limits. The document, the version and the metrics are set
    /// afterwards.
    public init(models: [any SMMUModel], clock: @escaping @Sendable () -> Timestamp) {
      self.models = models
      self.clock = clock
    }
  }

  let configuration: Configuration
  let hosts: HostRegistry
  let operations = OperationMetrics()
  private let isDrainingFlag = Atomic<Bool>(false)

  /// Makes the host `default` and the hosts that the topology names.
  ///
  /// - Throws: a problem with the topology, with the place in its file.
  public init(_ configuration: Configuration) throws(Problem) {
    self.configuration = configuration
    hosts = try HostRegistry(configuration)
  }

  /// Makes `/readyz` say from now on that the server is about to stop.
  public func beginDraining() { isDrainingFlag.store(true, ordering: .relaxed) }

  var isDraining: Bool { isDrainingFlag.load(ordering: .relaxed) }

  /// A digest of everything that clients can see of a host's objects; nil when there is no such
  /// host.
  public func digest(ofHost name: String) -> String? { hosts.host(name)?.digest() }

  // MARK: Requests

  /// The refusal of a request that can be refused by its header section alone, so that its body
  /// need not be read; nil for any other request.
  public func refusal(of head: RequestHead) -> Response? {
    do throws(Problem) {
      let origin = try configuration.sites.admit(head)
      do throws(Problem) {
        _ = try routeRequest(head, from: origin)
        return nil
      } catch {
        let response = ControlPlane.response(to: error, head)
        return origin.map { CrossOrigin.share(response, with: $0, asked: head) } ?? response
      }
    } catch {
      return ControlPlane.response(to: error, head)
    }
  }

  /// Carries a request out and answers it. It may be called from any thread.
  public func respond(to request: Request) -> Response {
    do throws(Problem) {
      let origin = try configuration.sites.admit(request.head)
      return answer(request, sharedWith: origin)
    } catch {
      return ControlPlane.response(to: error, request.head)
    }
  }

  /// Answers a request that this server may answer.
  ///
  /// - Parameter origin: the site whose page sends the request and may read the answer; nil where
  ///   it is no page of another site.
  private func answer(_ request: Request, sharedWith origin: Origin?) -> Response {
    let share = Sharing(origin: origin, head: request.head)
    do throws(Problem) {
      switch try routeRequest(request.head, from: origin) {
      case .options(let methods):
        return share.with(Response(status: 204, headers: [(.allow, ControlPlane.allow(methods))]))
      case .endpoint(let found):
        return try answer(request, found, share)
      }
    } catch {
      return share.with(ControlPlane.response(to: error, request.head))
    }
  }

  fileprivate static func response(to problem: Problem, _ head: RequestHead) -> Response {
    var problem = problem
    if problem.instance == nil {
      problem.instance = String(decoding: head.target.rawPath, as: UTF8.self)
    }
    return problem.response()
  }

  struct Found {
    let endpoint: Endpoint
    let host: String
    /// The positions in the path of the segments that fill the pattern's parameters.
    let parameters: [Int]
    /// Whether it is about what is on a host; else about the server, or about hosts as such.
    let isAboutHost: Bool
    /// The token that allows the request; nil where none is needed.
    var token: Token?
  }

  enum Route {
    case endpoint(Found)
    case options([Method])
  }

  /// Finds the endpoint of a request, and refuses what can be refused without reading the body.
  private func routeRequest(
    _ head: RequestHead, from origin: Origin?
  ) throws(Problem) -> Route {
    let route =
      if let tokens = configuration.tokens, origin == nil || !CrossOrigin.isPreflight(head) {
        try route(head, admittedBy: tokens)
      } else {
        try route(head)
      }
    if case .endpoint(let found) = route { try BodyType.require(head, for: found.endpoint) }
    return route
  }

  /// Finds the endpoint for a method and a path. These may be those of a request, or those of an
  /// operation in a batch.
  func route(_ head: RequestHead) throws(Problem) -> Route {
    let (host, start) = ControlPlane.host(of: head.target)
    let table = start == 0 ? Routes.outside : Routes.ofHost
    switch table.router.match(head.method, head.target, from: start) {
    case .found(let route, let parameters):
      let endpoint = table.routes[route].endpoint
      return .endpoint(
        Found(
          endpoint: endpoint, host: host, parameters: parameters, isAboutHost: start > 0))
    case .wrongMethod(let allowed):
      if head.method == .options { return .options(allowed) }
      var problem = Problem(
        .methodNotAllowed, "\(head.method.rawValue) is not allowed here")
      problem.headers = [(.allow, ControlPlane.allow(allowed))]
      throw problem
    case .notFound where head.method == .trace:
      // Nothing in this server echoes requests, whether the path is there or not. What is allowed
      // is then said of the server as a whole, as it is to `OPTIONS *`.
      var problem = Problem(.methodNotAllowed, "TRACE is not allowed anywhere")
      problem.headers = [
        (.allow, ControlPlane.allow([.get, .head, .post, .put, .delete, .options]))
      ]
      throw problem
    case .notFound:
      throw Problem(.notFound, "there is nothing under this path; /openapi.yaml says what there is")
    }
  }

  private static func allow(_ methods: [Method]) -> String {
    methods.map(\.rawValue).joined(separator: ", ")
  }

  private static let v1 = Array("v1".utf8)
  private static let hostsSegment = Array("hosts".utf8)
  private static let decodeSegment = Array("decode".utf8)

  /// The name of the host that a path addresses, and how many segments that took. For a path that
  /// is about no host, there are 0.
  private static func host(of target: Target) -> (String, Int) {
    guard target.segmentCount >= 2, target.segment(0, equals: v1) else { return (defaultHost, 0) }
    if target.segment(1, equals: decodeSegment) { return (defaultHost, 0) }
    guard target.segment(1, equals: hostsSegment) else { return (defaultHost, 1) }
    return target.segmentCount >= 4 ? (target.text(2), 3) : (defaultHost, 0)
  }

  private func answer(
    _ request: Request, _ found: Found, _ share: Sharing
  ) throws(Problem) -> Response {
    guard let host = hosts.host(found.host) else {
      throw Problem(.notFound, "there is no host \(found.host)")
    }
    if found.endpoint.body == .none, !request.body.isEmpty {
      throw Problem(.malformedRequest, "this request takes no body")
    }
    let target = request.head.target
    let call = Call(
      api: self, endpoint: found.endpoint, request: request, host: host,
      parameters: found.parameters.map { target.text($0) },
      query: try QueryReader(target.query, known: found.endpoint.query), token: found.token)
    return dispatch(call, isAboutHost: found.isAboutHost, share)
  }

  /// How an answer gets to the page of another site that has asked, if it was one.
  private struct Sharing {
    let origin: Origin?
    let head: RequestHead

    func with(_ response: Response) -> Response {
      guard let origin else { return response }
      return CrossOrigin.share(response, with: origin, asked: head)
    }
  }

  /// Carries a request out on this thread, or leaves it for a worker. The usual way makes no
  /// closure: that would cost each request an allocation and a dozen reference counts.
  private func dispatch(_ call: Call, isAboutHost: Bool, _ share: Sharing) -> Response {
    let arrival = configuration.stopwatch?() ?? 0
    let kind = isAboutHost ? call.endpoint.operationClass : call.endpoint.operationClass.ofServer
    let mayTakeLong = call.mayTakeLong
    guard let workers = configuration.workers, isAboutHost || mayTakeLong else {
      return carryOut(call, kind, since: arrival, share)
    }
    if isAboutHost, !mayTakeLong, call.host.gate.enter() {
      let response = carryOut(call, kind, since: arrival, share)
      call.host.gate.leave(to: workers)
      return response
    }
    operations.add(mayTakeLong ? .long : .busy)
    let deferred = DeferredResponse()
    let later = { @Sendable [self] in
      if let now = configuration.stopwatch?() {
        operations.add(nanosecondsOfWait: now &- arrival)
      }
      deferred.fulfil(carryOut(call, kind, since: arrival, share))
    }
    if isAboutHost { call.host.gate.leave(later, workers) } else { workers.run(later) }
    return Response(status: 200, body: .deferred(deferred))
  }

  private func carryOut(
    _ call: Call, _ kind: OperationClass, since arrival: UInt64, _ share: Sharing
  ) -> Response {
    let response = share.with(ControlPlane.carryOut(call))
    if let now = configuration.stopwatch?() {
      operations.add(nanoseconds: now &- arrival, of: kind)
    }
    return response
  }

  private static func carryOut(_ call: Call) -> Response {
    guard let token = call.token else { return call.carryOut() }
    var response = call.watch(call.carryOut(), as: token)
    response.client = token.name
    return response
  }
}

extension Call {
  fileprivate func carryOut() -> Response {
    do throws(Problem) {
      switch endpoint.action {
      case .answer(let answer):
        return try answer(self)
      case .change(let decode):
        try Accept.require([MediaType.json], request)
        let conditions = try Conditions(request, isDryRun: try query.bool("dry_run"))
        return host.change(try decode(self), conditions)
      }
    } catch {
      return ControlPlane.response(to: error, request.head)
    }
  }
}
