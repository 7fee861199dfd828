// SPDX-License-Identifier: Apache-2.0

/// What a client may send. All are settable; `/version` shows them.
public struct Limits: Sendable, Equatable {
  /// Bytes of a request's body.
  public var body = 8 << 20
  /// Bytes of a request's header section.
  public var headers = 16 << 10
  /// Bytes of a request's target.
  public var target = 8 << 10
  /// How deeply arrays and objects may nest in a JSON body.
  public var jsonDepth = 64
  /// Operations in a batch.
  public var batch = 10_000
  /// Streams open at once.
  public var streams = 10_000
  /// Connections open at once; further clients wait in the listener's backlog.
  public var connections = 20_000
  /// Seconds in which nothing moves on a connection before it is closed.
  public var idleSeconds = 30
  /// Seconds that a header section may take from its first byte to its last.
  public var headerSeconds = 10
  /// Seconds that a body may take from its first byte to its last.
  public var bodySeconds = 60

  /// The usual limits.
  public init() {}
}
