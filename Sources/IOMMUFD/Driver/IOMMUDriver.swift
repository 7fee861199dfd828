// SPDX-License-Identifier: Apache-2.0

/// The driver of one physical IOMMU, as the object core sees it.
///
/// What a driver does is cut as the kernel cuts it: `ops` is its `struct iommu_ops`, `domainOps`
/// its `struct iommu_domain_ops`, `viommuOps` its `struct iommufd_viommu_ops`. Beside them stands
/// what has no counterpart in the kernel, because there the hardware itself has it: registers that
/// can be read and written, and what the driver tells people about an object.
///
/// All operations run under the host's lock. An operation either throws and has changed nothing,
/// or it notes in the transaction how its change is taken back. What hardware or other threads
/// can see is left to the transaction's commit. An operation that ends something cannot fail.
public protocol IOMMUDriver: AnyObject {
  /// What the driver was made from, with every feature filled in.
  var settings: SMMUSettings { get }

  /// What the driver does with devices, and what it allocates for them.
  var ops: any IOMMUOps { get }

  /// What the driver does with its domains.
  var domainOps: any DomainOps { get }

  /// What the driver does with its vIOMMUs; `NoVIOMMUs` where it makes none.
  var viommuOps: any VIOMMUOps { get }

  /// The registers of the hardware; nil where none are emulated.
  var registers: (any RegisterAccess)? { get }

  /// Handles a record of the hardware's event queue, as the driver's interrupt thread does. It is
  /// called from any thread, and so the handler is a value of its own.
  var eventHandler: any HardwareEventHandler { get }

  /// What the driver and its hardware make of an object: registers, table entries, numbers.
  func facts(about object: Object) -> [DriverFact]

  /// What the registers that belong to an object say at this moment; nil where there are none,
  /// or not yet.
  func registers(of object: Object) -> [DriverFact]?

  /// Ends the IOMMU at commit; no device is behind it any more.
  func shutDown(in transaction: Transaction)
}

/// What a driver that leaves something out answers in its place.
extension IOMMUDriver {
  /// A driver makes no vIOMMUs unless it says so.
  public var viommuOps: any VIOMMUOps { NoVIOMMUs() }

  /// An IOMMU has no emulated registers unless its driver says so.
  public var registers: (any RegisterAccess)? { nil }

  /// No object has registers of its own unless the driver says so.
  public func registers(of object: Object) -> [DriverFact]? { nil }

  /// There is nothing to switch off unless the driver says so.
  public func shutDown(in transaction: Transaction) {}

  /// The registers of the hardware.
  ///
  /// - Throws: `EOPNOTSUPP` where none are emulated.
  public func requireRegisters() throws(Refusal) -> any RegisterAccess {
    guard let registers else {
      throw Refusal(.EOPNOTSUPP, "the IOMMU has no registers that are emulated")
    }
    return registers
  }
}

/// The registers of an emulated IOMMU.
public protocol RegisterAccess {
  /// Reads a register.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the registers.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EINVAL` for an offset or width that the hardware does not take.
  func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64

  /// Checks a write to a register, which is carried out at commit.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the registers.
  ///   - width: 4 or 8 bytes.
  /// - Throws: `EINVAL` for an offset or width that the hardware does not take.
  func writeRegister(
    _ offset: UInt64, _ value: UInt64, width: Int, in transaction: Transaction) throws(Refusal)
}
