// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// How hosts are shown.
enum HostCoding {
  static func path(_ host: Host) -> String { "/v1/hosts/\(host.name)" }

  /// The entity tag of a host. Making it takes no lock but the log's, so that it can be made while
  /// the host's is held.
  static func tag(of host: Host) -> EntityTag { tag(of: host, host.log.extent) }

  private static func tag(of host: Host, _ extent: EventLog.Extent) -> EntityTag {
    EntityTag(text: "\"\(host.name)-e\(extent.epoch)-\(extent.latest)\"")
  }

  /// - Parameter outline: what to show of the host; nil for what it is now.
  static func response(_ host: Host, _ outline: Host.Outline? = nil, status: Int) -> Response {
    let outline = outline ?? host.outline
    var writer = JSONWriter()
    write(host, outline, to: &writer)
    var response = Response(status: status, json: writer.bytes)
    response.headers.append((.etag, tag(of: host, outline.extent).text))
    return response
  }

  static func write(_ host: Host, to writer: inout JSONWriter) {
    write(host, host.outline, to: &writer)
  }

  private static func write(
    _ host: Host, _ outline: Host.Outline, to writer: inout JSONWriter
  ) {
    let extent = outline.extent
    writer.object { writer in
      writer.field("kind", text: "host")
      writer.field("id", text: host.name)
      writer.field("self", text: path(host))
      writer.field("pin_policy", text: host.settings.pinPolicy.rawValue)
      writer.field("memory_bytes", int: Int(clamping: host.settings.memoryBytes))
      writer.field("record_stale_translations", bool: host.settings.recordsStaleTranslations)
      writer.field("epoch", text: "e\(extent.epoch)")
      writer.field("seq", int: Int(extent.latest))
      writer.key("objects")
      writer.object { writer in
        for (kind, count) in outline.counts {
          writer.field(Resource.of(kind).collection, int: count)
        }
      }
    }
  }
}
