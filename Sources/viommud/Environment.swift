// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// Options that come from the environment: `VIOMMUD_PORT_FILE` stands for `--port-file`.
enum Environment {
  private static let prefix = "VIOMMUD_"
  /// Options without a value. Their variable is true or false.
  private static let flags: Set<String> = ["--insecure"]
  /// Options that may be given more than once. Their variable is a list with commas.
  private static let lists: Set<String> = [
    "--listen", "--unix", "--allow-host", "--allow-origin",
  ]

  /// A variable that tells clients where the server is. It is no option of the server.
  private static let clientVariable = "VIOMMUD_URL"

  /// The command line, preceded by those options of the environment that the command line does not
  /// have.
  static func arguments(
    _ given: [String] = Array(CommandLine.arguments.dropFirst()),
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> [String] {
    var result: [String] = []
    for (name, value) in environment.sorted(by: { $0.key < $1.key })
    where name.hasPrefix(prefix) && name != clientVariable {
      let option = option(name)
      if given.contains(where: { $0 == option || $0.hasPrefix(option + "=") }) { continue }
      if flags.contains(option) {
        if ["1", "true", "yes"].contains(value.lowercased()) { result.append(option) }
      } else if lists.contains(option) {
        result += value.split(separator: ",").flatMap { [option, String($0)] }
      } else {
        result += [option, value]
      }
    }
    return result + given
  }

  private static func option(_ variable: String) -> String {
    "--" + variable.dropFirst(prefix.count).lowercased().replacing("_", with: "-")
  }
}
