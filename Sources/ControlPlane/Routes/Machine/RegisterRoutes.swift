// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The registers of SMMUs, and the registers that a guest sees in the window of its vIOMMU.
enum RegisterRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/smmus/{id}/mmio/{offset}",
      Endpoint("readRegister", query: ["width"], effort: .bounded, .answer(readRegister))),
    .init(.put, "/smmus/{id}/mmio/{offset}", writeRegister),
    .init(
      .get, "/viommus/{id}/mmio/{offset}",
      Endpoint("readWindow", query: ["width"], effort: .bounded, .answer(readWindow))),
    .init(.put, "/viommus/{id}/mmio/{offset}", writeWindow),
  ]

  // MARK: SMMUs

  private static func readRegister(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let width = try call.width()
    let offset = try call.offset(1)
    return try call.host.read { state throws(Problem) in
      let smmu = try state.find(call.key(.smmu), as: SMMU.self)
      return try answer { () throws(Refusal) in
        try smmu.driver.requireRegisters().readRegister(offset, width: width)
      }
    }
  }

  private static let writeRegister = Endpoint(
    "writeRegister", changing: .smmu, query: ["width"], body: .json
  ) { call throws(Problem) in
    let (offset, value, width) = try write(call)
    return .writeRegister(smmu: call.id, offset: offset, value: value, width: width)
  }

  // MARK: Windows

  private static func readWindow(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let width = try call.width()
    let offset = try call.offset(1)
    return try call.host.read { state throws(Problem) in
      let viommu = try state.find(call.key(.viommu), as: VIOMMU.self)
      return try readWindow(of: viommu, at: offset, width: width)
    }
  }

  static func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Problem) -> Response {
    try answer { () throws(Refusal) in
      try viommu.ops.readWindow(of: viommu, at: offset, width: width)
    }
  }

  private static let writeWindow = Endpoint(
    "writeWindow", changing: .viommu, query: ["width"], body: .json
  ) { call throws(Problem) in
    let (offset, value, width) = try write(call)
    return .writeWindow(viommu: call.id, offset: offset, value: value, width: width)
  }

  // MARK: Both

  private static func answer(
    _ read: () throws(Refusal) -> UInt64
  ) throws(Problem) -> Response {
    do throws(Refusal) {
      let value = try read()
      return .object { $0.field("value", hex: value) }
    } catch {
      throw Problem(error.placedForRegister())
    }
  }

  private static func write(
    _ call: Call
  ) throws(Problem) -> (offset: UInt64, value: UInt64, width: Int) {
    let width = try call.width()
    let offset = try call.offset(1)
    let value = try call.decode { reader in
      let value = reader.hex("value", required: true)
      if let value, width == 4, value > UInt32.max {
        reader.fault(.invalidField, "value", "has more than 32 bits; ask for ?width=64")
      }
      return value
    }
    return (offset, value, width)
  }
}
