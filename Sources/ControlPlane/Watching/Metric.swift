// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// A number that `/metrics` shows, in the text format of Prometheus. It may have several values,
/// told apart by labels.
public struct Metric: Sendable {
  /// Whether a number only grows, or goes up and down, or is one of many that say how often what
  /// was measured.
  public enum Kind: String, Sendable { case counter, gauge, histogram }

  /// A line: what is behind the metric's name, the labels and the value, all written out.
  struct Sample: Sendable {
    let suffix: String
    let labels: String
    let value: String

    init(_ suffix: String, _ labels: String, _ value: String) {
      self.suffix = suffix
      self.labels = labels
      self.value = value
    }
  }

  /// The metric's name, with its unit and, for a counter, `_total` at the end.
  public let name: String
  /// Whether it only grows.
  public let kind: Kind
  /// What is counted, in a sentence.
  public let help: String
  let samples: [Sample]

  /// A metric without labels.
  public init(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
    self.init(name, kind, help, [("", value)])
  }

  /// A metric with a value for each of some labels.
  ///
  /// - Parameter samples: the values by their labels, which are written out: `kind="vdev"`. A value
  ///   without labels has an empty text there.
  public init(
    _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: String, value: Int)]
  ) {
    self.init(name, kind, help, samples.map { Sample("", $0.labels, "\($0.value)") })
  }

  init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
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
        text += "\(metric.name)\(sample.suffix)\(labels) \(sample.value)\n"
      }
    }
    return text
  }

  /// A number of nanoseconds in seconds, as a decimal fraction without an exponent.
  static func seconds(_ nanoseconds: UInt64) -> String {
    let fraction = nanoseconds % 1_000_000_000
    if fraction == 0 { return "\(nanoseconds / 1_000_000_000)" }
    var digits = String(fraction)
    digits = String(repeating: "0", count: 9 - digits.count) + digits
    while digits.hasSuffix("0") { digits.removeLast() }
    return "\(nanoseconds / 1_000_000_000).\(digits)"
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
