// SPDX-License-Identifier: Apache-2.0

/// The driver of one physical IOMMU, as the object core sees it.
///
/// What a driver does is divided in the same way as in the kernel: `ops` is its `struct iommu_ops`,
/// `domainOps` its `struct iommu_domain_ops`, and `viommuOps` its `struct iommufd_viommu_ops`. The
/// other members have no counterpart in the kernel. They are for what a user of real hardware would
/// find in the hardware itself, which is its registers and the facts about an object.
///
/// All operations run under the host's lock. An operation either throws and has changed nothing, or
/// registers with the transaction how its change is undone. A change that the hardware or other
/// threads can see is not made before the transaction commits. An operation that ends something
/// cannot fail.
public protocol IOMMUDriver: AnyObject {
  /// The settings that the driver was made from, with the values of all features.
  var settings: SMMUSettings { get }

  /// What the driver does with devices, and what it allocates for them.
  var ops: any IOMMUOps { get }

  /// What the driver does with its domains.
  var domainOps: any DomainOps { get }

  /// What the driver does with its vIOMMUs; `NoVIOMMUs` if it makes none.
  var viommuOps: any VIOMMUOps { get }

  /// The registers of the hardware; nil if they are not emulated.
  var registers: (any RegisterAccess)? { get }

  /// Handles the records of the hardware's event queue, as the driver's interrupt thread does. It
  /// is a value of its own because it is used on any thread and without the host's lock.
  var eventHandler: any HardwareEventHandler { get }

  /// What the driver and its hardware know of an object, for people to see: numbers, registers,
  /// table entries.
  func facts(about object: Object) -> [DriverFact]

  /// The registers that belong to an object, as they are now; nil if it has none, or does not have
  /// them yet.
  func registers(of object: Object) -> [DriverFact]?

  /// Switches the IOMMU off at commit. No device is behind it any more.
  func shutDown(in transaction: Transaction)
}

/// What holds for a driver that leaves a member out.
extension IOMMUDriver {
  /// The driver makes no vIOMMUs.
  public var viommuOps: any VIOMMUOps { NoVIOMMUs() }

  /// The hardware has no emulated registers.
  public var registers: (any RegisterAccess)? { nil }

  /// No object has registers of its own.
  public func registers(of object: Object) -> [DriverFact]? { nil }

  /// Does nothing, because there is nothing to switch off.
  public func shutDown(in transaction: Transaction) {}

  /// The registers of the hardware, for an operation that needs them.
  ///
  /// - Throws: `EOPNOTSUPP` if they are not emulated.
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

  /// Checks a write to a register, and has it made at commit.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of the registers.
  ///   - value: what is written; a write of 4 bytes takes its lower half.
  ///   - width: 4 or 8 bytes.
  ///   - transaction: makes the write at its commit.
  /// - Throws: `EINVAL` for an offset or width that the hardware does not take.
  func writeRegister(
    _ offset: UInt64, _ value: UInt64, width: Int, in transaction: Transaction) throws(Refusal)
}
