// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD

/// Takes the fields that the library found in a header section, and makes sure that they are all
/// there is in it.
///
/// 0.9.75 splits the section in place, and reads some of it otherwise than it was sent: a line
/// that starts with a colon ends the section, so that the lines behind it are run as a request; a
/// second line of a field is appended to the field's *name*, so that a folded `Content-Length` is
/// no longer one; a value ends at a NUL. All of these leave a gap between where one field ends
/// and the next begins, or between the last one and the end of the section. Later releases
/// refuse such sections themselves and promise nothing about where the fields are.
///
/// One thing leaves no gap: a line of nothing but a colon that ends in a bare LF, after one that
/// ends in CR LF.
@safe struct HeaderReader {
  private let line: RequestLine
  private let headSize: Int
  private var section = HeaderSection()
  // Where the line before ended, before its line break.
  private var lineEnd: UnsafePointer<CChar>
  // The names of the fields called Expect, places in the library's read buffer.
  private var expectations: [UnsafePointer<CChar>] = unsafe []

  @unsafe init(line: RequestLine, headSize: Int) {
    self.line = line
    self.headSize = headSize
    unsafe lineEnd = line.end
  }

  @unsafe mutating func take(
    _ name: UnsafePointer<CChar>?, _ nameLength: Int, _ value: UnsafePointer<CChar>?,
    _ valueLength: Int
  ) {
    guard let name = unsafe name, let value = unsafe value else {
      return section.note(.badFieldValue)
    }
    if !LibraryVersion.isStrict {
      let lineBreak = unsafe distance(lineEnd, name)
      let blanks = unsafe distance(name, value) - (nameLength + 1)
      // Any number of blanks may stand before a value; they were looked at by the library.
      if lineBreak < 1 || lineBreak > 2 || blanks < 0 || blanks > headSize {
        section.note(.unaccountedBytes)
      }
      unsafe lineEnd = value + valueLength
    }
    let isExpect = unsafe section.take(
      name: CString.bytes(name, count: nameLength), value: CString.bytes(value, count: valueLength))
    if isExpect { unsafe expectations.append(name) }
  }

  /// The section as a whole.
  consuming func finish() -> HeaderSection {
    if !LibraryVersion.isStrict {
      let rest = unsafe distance(lineEnd, line.start + headSize)
      // Two line breaks of a kind. A mixed pair is as long as a bare LF and a line with a colon.
      if rest != 4 && rest != 2 { section.note(.unaccountedBytes) }
    }
    section.finish(isHTTP10: line.isHTTP10)
    if !LibraryVersion.isStrict, !section.hasBody {
      // 0.9.75 would ask for a body that does not come, and take a request behind this one for
      // it. Nobody waits to be asked for a body who has none (RFC 9110, section 10.1.1).
      for index in unsafe expectations.indices { unsafe viommud_hide_field(expectations[index]) }
    }
    return section
  }

  private func distance(_ from: UnsafePointer<CChar>, _ to: UnsafePointer<CChar>) -> Int {
    // The places need not be of one allocation, so that the difference is one of numbers.
    Int(bitPattern: to) &- Int(bitPattern: from)
  }
}
