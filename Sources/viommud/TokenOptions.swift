// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import HTTPCore
import Logging

/// Who may use the server.
struct TokenOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Want a bearer token of every request. The file has a line for each: name, SHA-256, scope \
      (read, write, admin), hosts (* or names with commas). Nobody else may read the file. It is \
      read again on SIGHUP.
      """,
      valueName: "file"))
  var tokenFile: String?

  /// A guard with the tokens of the file; nil when there is no file.
  ///
  /// - Throws: what is wrong with the file.
  func tokenGuard(_ logger: Logger) throws(Exit.Failure) -> TokenGuard? {
    guard let tokenFile else { return nil }
    return TokenGuard(try TokenOptions.read(tokenFile, logger))
  }

  /// Reads the file again. When it is wrong now, the tokens stay as they are: a mistake in it must
  /// not lock everybody out of a server that runs.
  func readAgain(into tokens: TokenGuard?, _ logger: Logger) {
    guard let tokenFile, let tokens else { return }
    do throws(Exit.Failure) {
      tokens.replace(with: try TokenOptions.read(tokenFile, logger))
    } catch {
      for line in error.text.split(separator: "\n") { logger.error("\(line)") }
      logger.error("the tokens stay as they were")
    }
  }

  private static func read(_ file: String, _ logger: Logger) throws(Exit.Failure) -> [Token] {
    let bytes = try PrivateFile.read(file, limit: TokenFile.sizeLimit)
    do throws(TokenFile.Malformed) {
      let tokens = try TokenFile.parse(bytes)
      logger.info("tokens were read", metadata: ["tokens": "\(tokens.count)"])
      if tokens.isEmpty { logger.warning("\(file) has no token, so that nobody is let in") }
      return tokens
    } catch {
      throw Exit.failure(
        .dataError,
        error.faults.map { "\(file):\($0.line): \($0.detail)" }.joined(separator: "\n"))
    }
  }
}
