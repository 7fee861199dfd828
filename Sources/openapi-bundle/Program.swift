// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FoundationEssentials
import Yams

/// Puts the OpenAPI document together from its files, of which there is one for each resource.
///
/// The build runs it to make the document that the server serves. Run by hand it makes a JSON or
/// YAML file for other tools.
@main
struct Program: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "openapi-bundle",
    abstract: "Puts the OpenAPI document together from its files, openapi.yaml among them.")

  @Argument(help: "The file to write: the document as JSON or YAML by its ending, or for Swift.")
  var output: String

  @Argument(help: "The files of the document.")
  var files: [String]

  func run() throws {
    let yaml = try Bundle(try files.map(Part.init(path:))).yaml
    let document = try compose(yaml)
    try References.check(document)
    let json = try JSONText.of(document)
    let text =
      output.hasSuffix(".json")
      ? json + "\n" : output.hasSuffix(".yaml") ? yaml : SwiftText.of(yaml: yaml, json: json)
    try Data(text.utf8).write(to: URL(filePath: output), options: .atomic)
  }

  private func compose(_ yaml: String) throws -> Node {
    do {
      guard let document = try Yams.compose(yaml: yaml) else {
        throw BundleError("the document is empty")
      }
      return document
    } catch let error as YamlError {
      throw BundleError("the document cannot be read once it is put together: \(error)")
    }
  }
}

/// Why the document could not be put together.
struct BundleError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
