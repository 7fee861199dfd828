// SPDX-License-Identifier: Apache-2.0
import Foundation
import PackagePlugin

/// Has the OpenAPI document put together whenever one of its files has changed, and compiled into
/// the target that uses this plugin.
@main
struct BundleOpenAPI: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let folder = context.package.directoryURL.appending(path: "openapi")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    let inputs = names.sorted().filter { $0.hasSuffix(".yaml") }.map { folder.appending(path: $0) }
    let output = context.pluginWorkDirectoryURL.appending(path: "BundledDocument.swift")
    return [
      .buildCommand(
        displayName: "Bundling the OpenAPI document",
        executable: try context.tool(named: "openapi-bundle").url,
        arguments: [output.path] + inputs.map(\.path),
        inputFiles: inputs, outputFiles: [output])
    ]
  }
}
