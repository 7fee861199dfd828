// SPDX-License-Identifier: Apache-2.0
@testable import ControlPlane
import HTTPCore
import IOMMUFD
import Testing

@Suite("Problems and enumerations in the document")
struct ProblemTests {
  private var codes: JSONTree { Document.schema("ProblemCode") }

  @Test("Every code of a problem is documented, and no other is")
  func all() {
    #expect(codes["enum"]?.strings == Problem.Code.allCases.map(\.rawValue))
    #expect(codes["x-codes"]?.members.map(\.name) == Problem.Code.allCases.map(\.rawValue))
  }

  @Test(
    "A code is documented with its status, its title and its usual errno",
    arguments: Problem.Code.allCases)
  func facts(_ code: Problem.Code) {
    let entry = codes["x-codes"]?[code.rawValue]
    #expect(entry?["status"]?.int == code.status)
    #expect(entry?["title"]?.string == code.title)
    #expect(entry?["errno"]?.string == Problem(code, "").errno)
  }

  @Test("A refusal lists the codes of its status, all of them but those that are reserved")
  func responses() {
    let reserved: Set<String> = ["storage_failed", "too_many_connections"]
    for response in Document.json["components"]?["responses"]?.members ?? [] {
      let problem = response.value["content"]?["application/problem+json"]?["schema"]
      guard let status = problem?["properties"]?["status"]?["const"]?.int else { continue }
      let listed = Set(problem?["properties"]?["code"]?["enum"]?.strings ?? [])
      let wanted = Problem.Code.allCases.filter { $0.status == status }.map(\.rawValue)
      #expect(listed == Set(wanted).subtracting(reserved), "\(response.name)")
    }
  }

  @Test("Every code is in the refusal of its status, or in the one of the server")
  func everyCodeIsSomewhere() {
    let statuses = (Document.json["components"]?["responses"]?.members ?? []).compactMap {
      let problem = $0.value["content"]?["application/problem+json"]?["schema"]
      return problem?["properties"]?["status"]?["const"]?.int
    }
    let text = Document.component("responses", "ServerRefusal")["description"]?.string ?? ""
    let reserved: Set<Problem.Code> = [.tooManyRequests, .storageFailed]
    for code in Problem.Code.allCases where !statuses.contains(code.status) {
      #expect(reserved.contains(code) || text.contains("`\(code.rawValue)`"), "\(code)")
    }
  }

  @Test("The document's enumerations have the values that the server's have")
  func enumerations() {
    #expect(values("Errno") == Errno.allCases.map(\.rawValue))
    #expect(values("ObjectKind") == ObjectKind.allCases.map(\.rawValue))
    #expect(values("HolderKind") == ObjectKind.allCases.map(\.rawValue) + ["file", "mmap"])
    #expect(values("EventType") == EventType.all.map(\.name))
    #expect(values("PinPolicy") == ObjectCore.PinPolicy.allCases.map(\.rawValue))
    #expect(values("VIOMMUType") == VIOMMUType.named.map(\.name))
    #expect(values("HWQueueType") == HWQueueType.named.map(\.name))
    // Numbers that no driver knows are types of veventqs as well.
    let names = VEventQueueType.named.map(\.name).joined(separator: "|")
    let pattern = Document.schema("VEventQueueType")["pattern"]?.string
    #expect(pattern == "^(\(names)|[1-9][0-9]{0,9})$")
    #expect(values("EventFileMode") == EventFileMode.allCases.map(\.rawValue))
    #expect(parameterValues("AttachMode") == AttachMode.allCases.map(\.rawValue))
    #expect(parameterValues("GraphFormat") == Graph.Format.allCases.map(\.rawValue))
    let domains = Document.schema("DomainCreate")["discriminator"]?["mapping"]?.members.map(\.name)
    #expect(domains == DomainType.allCases.map(\.rawValue))
    let responses = Document.schema("FaultResponses")["properties"]?["responses"]
    let code = responses?["items"]?["properties"]?["code"]
    #expect(code?["enum"]?.strings == PageResponseCode.allCases.map(\.rawValue))
  }

  private func values(_ schema: String) -> [String]? { Document.schema(schema)["enum"]?.strings }

  private func parameterValues(_ name: String) -> [String]? {
    Document.component("parameters", name)["schema"]?["enum"]?.strings
  }
}
