// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import SeededRandom

// Built with `--sanitize=fuzzer -Xswiftc -DLIBFUZZER` this is a target for libFuzzer, which then
// reads the command line and chooses the inputs:
//
//     swift build -c release --sanitize=fuzzer -Xswiftc -DLIBFUZZER --product viommu-hwfuzz \
//       --scratch-path .build/fuzzer && .build/fuzzer/release/viommu-hwfuzz -max_len=4096
#if LIBFUZZER
  /// Takes the steps that an input spells. libFuzzer calls it for each input, under this name.
  ///
  /// - Parameters:
  ///   - bytes: the input, which is valid only during the call.
  ///   - count: how many bytes the input has.
  /// - Returns: 0. A fault of the emulated hardware is not returned; it traps.
  @_cdecl("LLVMFuzzerTestOneInput")
  public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var steps = unsafe FuzzSteps([UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    steps.run()
    return 0
  }
#else
  /// Uses an emulated SMMU as no correct driver would, in a way that follows from a seed.
  @main
  struct HardwareFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "viommu-hwfuzz",
      abstract: "Spoil an emulated SMMU's tables, queues and registers while it is used.",
      discussion: "It finds traps, hangs and memory without end; a trap names the input's seed.")

    @Option(help: "What the inputs are drawn from.")
    var seed: UInt64 = 1

    @Option(help: "How many accesses to make at least.")
    var steps: Int = 1_000_000

    func run() throws {
      var done = 0
      var inputs: UInt64 = 0
      while done < steps {
        var bytes = SplitMix64(seed: seed &+ inputs)
        var steps = FuzzSteps(bytes.input(4096))
        steps.run()
        done += steps.count
        inputs += 1
      }
      print("\(done) accesses of \(inputs) inputs, seeds \(seed) to \(seed &+ inputs &- 1)")
    }
  }
#endif
