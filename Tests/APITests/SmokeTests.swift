// SPDX-License-Identifier: Apache-2.0
import Testing

@Test(arguments: Transport.allCases)
func aFreshHostHasOneSMMUAndOneContextAndNothingElse(_ transport: Transport) throws {
  let api = try API(transport)
  let objects = try api.get("/v1/hosts/default").json["objects"]
  #expect(
    objects.description
      == #"{"smmus":1,"contexts":1,"devices":0,"ioas":0,"domains":0,"viommus":0,"vdevs":0,"hw-queues":0,"veventqs":0,"fault-queues":0,"accesses":0}"#
  )
}
