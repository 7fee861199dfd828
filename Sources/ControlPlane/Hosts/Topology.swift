// SPDX-License-Identifier: Apache-2.0
public import HTTPCore
import IOMMUFD

extension ControlPlane.Configuration {
  /// Takes the hosts to start with from a topology file, `{"hosts":[…]}`. Each of them is described
  /// as in the body of `POST /v1/hosts`.
  ///
  /// - Throws: a problem with all that is wrong with the file, each fault with its JSON Pointer.
  public mutating func readTopology(_ bytes: [UInt8]) throws(Problem) {
    let reader = try ObjectReader.body(bytes, depthLimit: limits.jsonDepth)
    var hosts: [HostSettings] = []
    let elements = reader.array("hosts", required: true, count: 0...HostRegistry.limit) ?? []
    for (position, element) in elements.enumerated() {
      let inner = ObjectReader(element, at: reader.pointer("hosts", position))
      let settings = HostSettings(inner, pathID: nil, models: models)
      if settings.id == nil { inner.fault(.invalidField, "id", "a host of a topology needs one") }
      if hosts.contains(where: { $0.id == settings.id }) {
        inner.fault(.invalidField, "id", "the topology has that host already")
      }
      reader.adopt(inner)
      hosts.append(settings)
    }
    try reader.finish()
    topology = hosts
  }
}
