// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import Testing

@Suite("Operations and the document")
struct OperationTests {
  @Test("The JSON that is served says what the YAML says")
  func sameDocument() {
    #expect(Document.json == Document.yaml)
  }

  @Test("The document has every operation of the server, and the server every one of the document")
  func operations() {
    let served = Set(
      ControlPlane.operations.map {
        "\($0.method) \($0.path) \($0.operationID) \($0.query.sorted()) body: \($0.hasBody)"
      })
    let documented = Set(
      Document.operations.map {
        let query = $0.names(in: "query").sorted()
        return "\($0.method) \($0.path) \($0.operationID) \(query) body: \($0.hasBody)"
      })
    #expect(served.subtracting(documented) == [], "not in the document")
    #expect(documented.subtracting(served) == [], "not in the server")
  }

  @Test("No operation ID and no parameter is there twice")
  func unique() {
    let names = Document.operations.map(\.operationID)
    #expect(names.count == Set(names).count)
    for operation in Document.operations {
      for place in ["path", "query", "header"] {
        let parameters = operation.names(in: place)
        #expect(parameters.count == Set(parameters).count, "\(operation.operationID)")
      }
    }
  }

  @Test("A path's parameters are those that the operation declares, each with an example")
  func pathParameters() {
    for operation in Document.operations {
      let wanted = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }
      #expect(wanted.map { String($0.dropFirst().dropLast()) } == operation.names(in: "path"))
      #expect(!operation.examplePath.contains("missing-example"), "\(operation.operationID)")
    }
  }

  @Test("A body is JSON, or the bytes of memory; commands can be either")
  func mediaTypes() {
    let known: Set<String> = ["application/json", "application/octet-stream"]
    for operation in Document.operations where operation.hasBody {
      let types = operation.bodyTypes
      #expect(!types.isEmpty && types.isSubset(of: known), "\(operation.operationID)")
      #expect(types.count == 1 || operation.operationID == "submitCommands")
      #expect(types.contains("application/json") == (operation.bodySchema != nil))
    }
  }

  @Test("An operation answers with success, with refusals, and with what the server refuses")
  func responses() {
    for operation in Document.operations {
      let statuses = operation.definition["responses"]?.names ?? []
      #expect(statuses.contains { $0.hasPrefix("2") }, "\(operation.operationID)")
      #expect(statuses.isSuperset(of: ["400", "422", "default"]), "\(operation.operationID)")
      #expect(statuses.contains("415") == operation.hasBody, "\(operation.operationID)")
    }
  }

  @Test("An operation asks for the scope that the server asks for, or for no token at all")
  func scopes() {
    let usual = Document.json["security"]
    let scopes = Dictionary(
      uniqueKeysWithValues: ControlPlane.operations.map { ($0.operationID, $0.scope) })
    for operation in Document.operations {
      let security = (operation.definition["security"] ?? usual)?.elements ?? []
      let statuses = operation.definition["responses"]?.names ?? []
      #expect(statuses.isSuperset(of: ["403", "421"]), "\(operation.operationID)")
      guard let scope = scopes[operation.operationID] ?? nil else {
        #expect(security.isEmpty && !statuses.contains("401"), "\(operation.operationID)")
        continue
      }
      // A server without tokens is documented too.
      let isOptional = security.count == 2 && security[1].members.isEmpty
      #expect(isOptional && statuses.contains("401"), "\(operation.operationID)")
      #expect(security.first?["bearer"]?.strings == [scope.rawValue], "\(operation.operationID)")
    }
  }

  @Test("Links lead to operations that there are, with parameters that those have")
  func links() {
    for link in Document.json["components"]?["links"]?.members ?? [] {
      let target = Document.operations.first {
        $0.operationID == link.value["operationId"]?.string
      }
      guard let target else {
        Issue.record("\(link.name) leads nowhere")
        continue
      }
      let known = Set(target.names(in: "path") + target.names(in: "query"))
      let given = link.value["parameters"]?.names ?? []
      #expect(known.isSuperset(of: given), "\(link.name)")
      #expect(target.hasBody || link.value["requestBody"] == nil, "\(link.name)")
    }
  }

  @Test("Every component is used, and every reference leads to one")
  func references() {
    var targets: Set<String> = []
    collect(Document.json, &targets)
    // Schemes of security are used by name.
    var components: Set<String> = []
    for section in Document.json["components"]?.members ?? []
    where section.name != "securitySchemes" {
      for name in section.value.names { components.insert("#/components/\(section.name)/\(name)") }
    }
    #expect(targets.subtracting(components) == [], "lead nowhere")
    #expect(components.subtracting(targets) == [], "are not used")
  }

  private func collect(_ value: JSONTree, _ targets: inout Set<String>) {
    if let target = value["$ref"]?.string { targets.insert(target) }
    targets.formUnion((value["mapping"]?.members ?? []).compactMap(\.value.string))
    for member in value.members { collect(member.value, &targets) }
    for element in value.elements { collect(element, &targets) }
  }
}
