// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// A number that `/metrics` shows, in the text format of Prometheus. It may have several values,
/// told apart by labels.
public struct Metric: Sendable {
  /// Whether a number only grows, or goes up and down.
  public enum Kind: String, Sendable { case counter, gauge }

  /// The metric's name, with its unit and, for a counter, `_total` at the end.
  public let name: String
  /// Whether it only grows.
  public let kind: Kind
  /// What is counted, in a sentence.
  public let help: String
  /// The values by their labels, which are written out: `kind="vdev"`. A value without labels has
  /// an empty text there.
  public let samples: [(labels: String, value: Int)]

  /// A metric without labels.
  public init(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
    self.init(name, kind, help, [("", value)])
  }

  /// A metric with a value for each of some labels.
  public init(
    _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: String, value: Int)]
  ) {
    self.name = name
    self.kind = kind
    self.help = help
    self.samples = samples
  }

  static func exposition(_ metrics: [Metric]) -> String {
    var text = ""
    for metric in metrics {
      text += "# HELP \(metric.name) \(metric.help)\n"
      text += "# TYPE \(metric.name) \(metric.kind.rawValue)\n"
      for sample in metric.samples {
        let labels = sample.labels.isEmpty ? "" : "{\(sample.labels)}"
        text += "\(metric.name)\(labels) \(sample.value)\n"
      }
    }
    return text
  }

  static func ofHosts(_ hosts: [Host]) -> [Metric] {
    var objects: [(String, Int)] = []
    var events: [(String, Int)] = []
    for host in hosts {
      events.append(("host=\"\(host.name)\"", Int(host.log.extent.latest)))
      for (kind, count) in host.size.objects {
        objects.append(("host=\"\(host.name)\",kind=\"\(kind.rawValue)\"", count))
      }
    }
    return [
      Metric("viommud_hosts", .gauge, "Hosts there are.", hosts.count),
      Metric("viommud_objects", .gauge, "Objects of a host by kind.", objects),
      Metric("viommud_events_total", .counter, "Events in a host's log so far.", events),
    ]
  }
}
