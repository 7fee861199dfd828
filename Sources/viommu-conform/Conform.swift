// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
public import Conformance
import FoundationEssentials

/// Plays traces of Linux kernels against a server, and shows where the server answers otherwise.
@main
struct Conform: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "viommu-conform",
    abstract: "Play traces of Linux's iommufd against a server.",
    discussion: """
      Each trace gets a host of its own. At the first operation that answers otherwise than the \
      kernel did, the difference is shown and the trace ends.

      Ends with 0 if all agree, 1 if some differ, 65 for a malformed file, 66 for one that cannot \
      be read, 69 if the server cannot be reached.
      """)

  @Argument(help: "Files with traces (.json, .jsonl), or directories of them.")
  var paths: [String]

  @Option(
    help: "The server, http://host:port or unix:/path; usually what VIOMMUD_URL says.")
  var url: String?

  @Option(help: "What pins what on the hosts, as in Linux or as in the design.")
  var pinPolicy: TracePlayer.PinPolicy = .linux

  @Option(help: "How many traces to play at a time.")
  var jobs: Int = 1

  @Flag(help: "Leave the hosts for looking at.")
  var keepHost = false

  @Flag(help: "Print the summary alone.")
  var quiet = false

  @Flag(help: "Print each difference as one line.")
  var listDifferences = false

  func validate() throws {
    guard !paths.isEmpty else { throw ValidationError("There is nothing to play.") }
    guard 1...64 ~= jobs else { throw ValidationError("--jobs must be 1 to 64.") }
    _ = try address()
  }

  private func address() throws -> ServerAddress {
    guard let text = url ?? ProcessInfo.processInfo.environment["VIOMMUD_URL"] else {
      throw ValidationError("--url is missing, and VIOMMUD_URL is not set.")
    }
    guard let address = ServerAddress(text) else {
      throw ValidationError("\(text) is neither http://host:port nor unix:/path.")
    }
    return address
  }

  func run() async throws {
    let traces: [Trace]
    do throws(TraceFile.Failure) {
      traces = try read()
    } catch {
      switch error {
      case .malformed: throw fail(with: "\(error)", code: 65)
      case .unreadable: throw fail(with: "\(error)", code: 66)
      }
    }
    var report = Report(
      style: quiet ? .quiet : listDifferences ? .lines : .full)
    let address = try address()
    do {
      try await Workers(address: address, pinPolicy: pinPolicy, keepsHosts: keepHost)
        .play(traces, jobs: jobs) { report.add($0) }
    } catch let failure as TransportFailure {
      throw fail(with: "\(failure)", code: 69)
    }
    report.finish()
    if report.tally.differed > 0 { throw ExitCode(1) }
  }

  private func read() throws(TraceFile.Failure) -> [Trace] {
    var traces: [Trace] = []
    for path in paths {
      for file in try TraceFile.paths(at: path) { traces += try TraceFile(path: file).traces }
    }
    return traces
  }

  private func fail(with text: String, code: Int32) -> ExitCode {
    var output = StandardError()
    print("viommu-conform: \(text)", to: &output)
    return ExitCode(code)
  }
}

extension TracePlayer.PinPolicy: ExpressibleByArgument {}
