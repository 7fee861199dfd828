// SPDX-License-Identifier: Apache-2.0

/// How much clients may send and keep open. An option of the server sets each of these limits, and
/// `/version` shows them.
public struct Limits: Sendable, Equatable {
  /// How many bytes the body of a request may have.
  public var body = 8 << 20
  /// How many bytes the header section of a request may have.
  public var headers = 16 << 10
  /// How many bytes the target of a request may have, its query included.
  public var target = 8 << 10
  /// How many arrays and objects may be open at once in a JSON body.
  public var jsonDepth = 64
  /// How many operations a batch may have.
  public var batch = 10_000
  /// How many streams may be open at once.
  public var streams = 10_000
  /// How many connections may be open at once. Further clients wait in the backlog of the listening
  /// socket.
  public var connections = 20_000
  /// After how many seconds a connection is closed on which no byte has moved.
  public var idleSeconds = 30
  /// How many seconds a header section may take from its first byte to its last.
  public var headerSeconds = 10
  /// How many seconds a body may take from its first byte to its last.
  public var bodySeconds = 60

  /// The limits of a server that is started without options.
  public init() {}
}
