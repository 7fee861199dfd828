// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The graph of a host's pins, with an arrow from each holder to what it holds.
struct Graph {
  enum Format: String, CaseIterable {
    case json, dot, mermaid

    var mediaType: String {
      switch self {
      case .json: MediaType.json
      case .dot: MediaType.dot
      case .mermaid: MediaType.text
      }
    }
  }

  private struct Edge {
    let from: ObjectKey
    let target: ObjectKey
    let why: String
    /// The kind of the holder, where that is no object but an open file or a memory mapping.
    let stranger: String?
  }

  private var nodes: [ObjectKey] = []
  private var edges: [Edge] = []

  init(_ core: ObjectCore) {
    for kind in ObjectKind.allCases {
      core.visit(kind, after: nil) { object in
        nodes.append(object.key)
        edges += PinGraph.sorted(object.heldBy).map { pin in
          Edge(
            from: (pin.holder ?? pin.target).key, target: pin.target.key, why: pin.why,
            stranger: pin.holder == nil ? pin.holderKind : nil)
        }
        return true
      }
    }
  }

  func text(_ format: Format) -> [UInt8] {
    switch format {
    case .json: json
    case .dot: Array(dot.utf8)
    case .mermaid: Array(mermaid.utf8)
    }
  }

  private var json: [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.object { writer in
      writer.key("nodes")
      writer.array(of: nodes) { writer, key in
        writer.object { $0.reference(to: key) }
      }
      writer.key("edges")
      writer.array(of: edges) { writer, edge in
        writer.object { writer in
          writer.key("from")
          writer.object { writer in
            writer.field("kind", text: edge.stranger ?? edge.from.kind.rawValue)
            writer.field("id", text: edge.from.id)
          }
          writer.key("to")
          writer.object { $0.reference(to: edge.target) }
          writer.field("why", text: edge.why)
        }
      }
    }
    return writer.bytes
  }

  /// The graph for Graphviz.
  private var dot: String {
    var text = "digraph pins {\n  rankdir=RL;\n  node [shape=box];\n"
    for key in nodes {
      text += "  \"\(key.kind.rawValue)/\(key.id)\" [label=\"\(key.kind.rawValue)\\n\(key.id)\"];\n"
    }
    for edge in edges {
      let kind = edge.stranger ?? edge.from.kind.rawValue
      text += "  \"\(kind)/\(edge.from.id)\" -> "
      text += "\"\(edge.target.kind.rawValue)/\(edge.target.id)\" [label=\"\(edge.why)\"];\n"
    }
    return text + "}\n"
  }

  /// The graph for Mermaid. Names of nodes cannot have slashes or dots there, so the nodes are
  /// numbered.
  private var mermaid: String {
    var text = "flowchart RL\n"
    var numbers: [ObjectKey: Int] = [:]
    for (number, key) in nodes.enumerated() {
      numbers[key] = number
      text += "  n\(number)[\"\(key.kind.rawValue) \(key.id)\"]\n"
    }
    for (number, edge) in edges.enumerated() {
      guard let target = numbers[edge.target], let from = numbers[edge.from] else { continue }
      let holder = edge.stranger.map { "f\(number)([\"\($0)\"])" } ?? "n\(from)"
      text += "  \(holder) -->|\"\(edge.why)\"| n\(target)\n"
    }
    return text
  }
}
