// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import HTTPCore
import MicroHTTPD

/// How the program ends when it cannot do its work. The exit codes are those of `sysexits.h`.
enum Exit {
  enum Code: Int32 {
    case usage = 64
    case dataError = 65
    case noInput = 66
    case unavailable = 69
    case osError = 71
    case cantCreate = 73
  }

  struct Failure: Error {
    let code: Code
    let text: String
  }

  static func failure(_ code: Code, _ text: String) -> Failure { Failure(code: code, text: text) }

  static func onServerError(_ body: () throws(ServerError) -> Void) throws(Failure) {
    do {
      try body()
    } catch {
      switch error {
      case .addressInUse, .notASocket: throw failure(.unavailable, "\(error)")
      case .noListener, .invalidAddress, .invalidPath: throw failure(.usage, "\(error)")
      default: throw failure(.osError, "\(error)")
      }
    }
  }

  /// What is wrong with a file, with each fault on a line of its own.
  static func text(of problem: Problem, in file: String) -> String {
    if problem.faults.isEmpty { return "\(file): \(problem.detail)" }
    return problem.faults
      .map { "\(file): \($0.pointer.isEmpty ? "/" : $0.pointer): \($0.detail)" }
      .joined(separator: "\n")
  }

  static func end(with error: any Error) -> Never {
    guard let failure = error as? Failure else { Viommud.exit(withError: error) }
    let text = failure.text.split(separator: "\n").map { "viommud: \($0)\n" }.joined()
    var output = StandardError()
    print(text, terminator: "", to: &output)
    Viommud.exit(withError: ExitCode(failure.code.rawValue))
  }
}
