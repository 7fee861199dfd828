// SPDX-License-Identifier: Apache-2.0

/// The program's version; releases change it here.
enum Version {
  static let current = "0.1.0"
}
