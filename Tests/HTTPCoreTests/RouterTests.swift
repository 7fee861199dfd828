// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@Suite struct RouterTests {
  private let router = Router([
    .init(.get, "/v1/devices"), .init(.post, "/v1/devices"), .init(.get, "/v1/devices/{id}"),
    .init(.get, "/v1/devices/all"), .init(.put, "/v1/devices/{id}/attachment"),
    .init(.delete, "/v1/devices/all/attachment"), .init(.get, "/v1/{any}/x"), .init(.get, "/"),
    .init(.head, "/v1/heads"), .init(.get, "/v1/heads"),
  ])

  private func match(_ method: HTTPCore.Method, _ path: String, from: Int = 0) throws
    -> Router.Match
  {
    router.match(method, try Target(Array(path.utf8)), from: from)
  }

  @Test(
    arguments: [
      (.get, "/v1/devices", 0, []), (.post, "/v1/devices", 1, []), (.get, "/v1/devices/d0", 2, [2]),
      // A literal wins, and where it leads nowhere the parameter is tried.
      (.get, "/v1/devices/all", 3, []), (.put, "/v1/devices/d/attachment", 4, [2]),
      (.delete, "/v1/devices/all/attachment", 5, []), (.get, "/v1/a%2Fb/x", 6, [1]),
      (.get, "/", 7, []), (.head, "/v1/devices/d0", 2, [2]), (.head, "/v1/heads", 8, []),
      (.get, "/v1/heads", 9, []),
    ] as [(HTTPCore.Method, String, Int, [Int])])
  func routeIsFound(
    _ method: HTTPCore.Method, _ path: String, _ route: Int, _ parameters: [Int]
  ) throws {
    guard case .found(let found, let indices) = try match(method, path) else {
      Issue.record("\(path) is not found")
      return
    }
    #expect(found == route)
    #expect(indices == parameters)
  }

  @Test(arguments: ["/v2", "/v1", "/v1/devices/", "/v1/devices/d/x/y", "/v1//x", "/V1/devices"])
  func pathWithoutARouteIsNotFound(_ path: String) throws {
    guard case .notFound = try match(.get, path) else {
      Issue.record("\(path) is found")
      return
    }
  }

  @Test(
    arguments: [
      (.put, "/v1/devices", [.get, .head, .post, .options]),
      (.get, "/v1/devices/d/attachment", [.put, .options]),
      (.options, "/v1/devices/d0", [.get, .head, .options]),
      (.head, "/v1/devices/d/attachment", [.put, .options]),
    ] as [(HTTPCore.Method, String, [HTTPCore.Method])])
  func wrongMethodIsToldWhichAreRight(
    _ method: HTTPCore.Method, _ path: String, _ expected: [HTTPCore.Method]
  ) throws {
    guard case .wrongMethod(let allowed) = try match(method, path) else {
      Issue.record("\(path) takes \(method)")
      return
    }
    #expect(allowed == expected)
  }

  @Test func segmentsThatTheCallerHasDealtWithArePassedOver() throws {
    guard case .found(let route, let parameters) = try match(.get, "/x/y/v1/devices/d0", from: 2)
    else {
      Issue.record("not found")
      return
    }
    #expect(route == 2)
    #expect(parameters == [4])
  }
}
