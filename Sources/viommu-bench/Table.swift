// SPDX-License-Identifier: Apache-2.0

/// Prints results in columns.
enum Table {
  private static let firstWidth = 24
  private static let width = 12

  static func title(_ text: String) { print("\n\(text)") }

  static func row(_ first: String, _ rest: String...) {
    print(
      first + pad(firstWidth - first.count) + rest.map { pad(width - $0.count) + $0 }.joined())
  }

  /// A number, rounded to a whole one, with commas between its thousands.
  static func number(_ value: Double) -> String {
    let digits = String(Int(value.rounded()))
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result += "," }
      result.append(digit)
    }
    return result
  }

  /// A number with two digits behind the point.
  static func fraction(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }

  private static func pad(_ count: Int) -> String { String(repeating: " ", count: max(1, count)) }
}

/// The middle of the values when they are sorted, or the mean of the two in the middle; 0 of none.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard let last = sorted.indices.last else { return 0 }
  return (sorted[last / 2] + sorted[(last + 1) / 2]) / 2
}
