// SPDX-License-Identifier: Apache-2.0

/// The program's version, which a release changes here.
enum Version {
  static let current = "0.1.0"
}
