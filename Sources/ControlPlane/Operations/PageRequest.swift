// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /devices/{id}/page-requests`: the pages that a device asks for in one page
/// request group.
public struct PageRequest: Equatable, Sendable, Codable {
  /// One page of the group.
  public struct Page: Equatable, Sendable, Codable {
    /// The address of the page, as the device sends it.
    public var address: UInt64
    /// Whether the device wants to read there.
    public var isRead: Bool
    /// Whether the device wants to write there.
    public var isWrite: Bool
    /// Whether the device wants to fetch instructions there.
    public var isExecute: Bool
    /// Whether the device claims to be privileged.
    public var isPrivileged: Bool
  }

  /// The PASID that the request bears; nil for one without.
  public var pasid: UInt32?
  /// The number by which the device knows the group: 9 bits on PCIe, more elsewhere.
  public var group: UInt32
  /// The pages of the group; the last one ends it.
  public var pages: [Page]

  init?(_ reader: ObjectReader) {
    let pasid = reader.int("pasid", in: 0...Int(UInt32.max))
    let group = reader.int("group", in: 0...Int(UInt32.max))
    let pages = reader.objects("pages", required: true, count: 1...512) { inner, _ in
      PageRequest.page(inner)
    }
    guard let pages else { return nil }
    self.pasid = pasid.map { UInt32($0) }
    self.group = UInt32(group ?? 0)
    self.pages = pages
  }

  private static func page(_ reader: ObjectReader) -> Page? {
    let address = reader.hex("address", required: true)
    let isRead = reader.bool("read")
    let isWrite = reader.bool("write")
    let isExecute = reader.bool("execute")
    let isPrivileged = reader.bool("privileged")
    return address.map { address in
      Page(
        address: address, isRead: isRead ?? true, isWrite: isWrite ?? false,
        isExecute: isExecute ?? false, isPrivileged: isPrivileged ?? false)
    }
  }

  /// The faults that the kernel makes of the request. The last one is marked as such.
  func faults(of device: Device) -> [PageFault] {
    pages.enumerated().map { position, page in
      PageFault(
        device: device.name, deviceID: device.objectID ?? 0, pasid: pasid, group: group,
        address: page.address, isRead: page.isRead, isWrite: page.isWrite,
        isExecute: page.isExecute, isPrivileged: page.isPrivileged,
        isLast: position == pages.count - 1)
    }
  }
}
