/**
 * The CREATE that reclaims a durable open (MS-SMB2 3.2.4.4): its contexts, and the responses that are not believed, since
 * the server gives another open than the one that was asked for.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Entropy from "../../src/Auth/Entropy.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import * as LockSequences from "../../src/Smb2/LockSequences.ts"
import { Dialect, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import * as Create from "../../src/Smb2/Message/Create.ts"
import * as Open from "../../src/Smb2/Open.ts"
import { opened } from "../Client/scripted.ts"

const key = new Uint8Array(16).fill(3)
const guid = new Uint8Array(16).fill(4)
const fileId = { persistent: 7n, volatile: 8n }

const reclaim: Share.Reclaim = {
  fileId,
  durable: { createGuid: guid, timeout: 0, persistent: false },
  lease: { leaseKey: key, leaseState: 7, epoch: 2 },
  oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_LEASE,
  locks: undefined
}

const options: Share.OpenOptions = {
  desiredAccess: 1,
  shareAccess: 7,
  createDisposition: 1,
  createOptions: 0x40,
  queryOnDiskId: true,
  durable: { timeout: 0 },
  lease: { leaseState: 7 }
}

const request = (given: Share.Reclaim, dialect: number) => {
  const { body, createGuid } = Open.encode("f", { ...options, reclaim: given }, dialect, Entropy.seeded("s"))
  const packet = new Uint8Array(64 + body.length)
  packet.set(body, 64)
  return {
    createGuid,
    ...Result.getOrThrow(Codec.decode("CREATE", Codec.at(64, Create.Request))(packet))
  }
}

describe("the CREATE that reclaims an open", () => {
  it("has the handle of version 2 and its lease in 3.x, and no other context", () => {
    const { createContexts, createGuid, requestedOplockLevel } = request(reclaim, Dialect.SMB_3_1_1)
    assert.deepStrictEqual(createContexts.map(({ _tag }) => _tag), ["DurableHandleReconnectV2", "RequestLeaseV2"])
    assert.deepInclude(createContexts[0], { fileId, createGuid: guid, flags: 0 })
    assert.deepInclude(createContexts[1], { leaseKey: key, leaseState: 7 })
    assert.strictEqual(requestedOplockLevel, OplockLevel.SMB2_OPLOCK_LEVEL_LEASE)
    assert.deepStrictEqual(createGuid, guid)
  })

  it("says that the handle is persistent", () => {
    const { createContexts } = request(
      { ...reclaim, durable: { ...reclaim.durable, persistent: true } },
      Dialect.SMB_3_0
    )
    assert.deepInclude(createContexts[0], { flags: 2 })
  })

  it("has the handle of version 1 and its batch oplock in 2.0.2", () => {
    const { createContexts, requestedOplockLevel } = request({
      ...reclaim,
      durable: { createGuid: undefined, timeout: 0, persistent: false },
      lease: undefined,
      oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
    }, Dialect.SMB_2_0_2)
    assert.deepStrictEqual(createContexts.map(({ _tag }) => _tag), ["DurableHandleReconnect"])
    assert.strictEqual(requestedOplockLevel, OplockLevel.SMB2_OPLOCK_LEVEL_BATCH)
  })
})

describe("the response to it", () => {
  const lease = { leaseKey: key, leaseState: 7, epoch: 3 }
  it.each([
    ["the same open", fileId, lease, undefined],
    ["another volatile half, which is new each time", { ...fileId, volatile: 9n }, lease, undefined],
    ["another open", { ...fileId, persistent: 9n }, lease, "another FileId"],
    ["no lease", fileId, undefined, "no lease"],
    ["the lease of another file", fileId, { ...lease, leaseKey: guid }, "another lease key"]
  ])("is believed only if it is about the same open: %s", (_, id, granted, expected) => {
    assert.strictEqual(
      Open.differs({ fileId: id, opened: opened(granted === undefined ? {} : { lease: granted }) }, reclaim),
      expected
    )
  })
})

describe("the CREATE of a durable open that is sent again", () => {
  const encoded = (identity: Share.CreateIdentity | undefined, dialect: number, given = options) => {
    const { body, createGuid, replay } = Open.encode("f", { ...given, identity }, dialect, Entropy.seeded("s"))
    const packet = new Uint8Array(64 + body.length)
    packet.set(body, 64)
    const { createContexts } = Result.getOrThrow(Codec.decode("CREATE", Codec.at(64, Create.Request))(packet))
    const lease = createContexts.find(({ _tag }) => _tag === "RequestLease" || _tag === "RequestLeaseV2")
    return { createGuid, replay, leaseKey: lease !== undefined && "leaseKey" in lease ? lease.leaseKey : undefined }
  }

  it("has the CreateGuid and the lease key of the first one, and is a replay", () => {
    const identity: Share.CreateIdentity = {}
    const first = encoded(identity, Dialect.SMB_3_0)
    assert.isFalse(first.replay)
    const second = encoded(identity, Dialect.SMB_3_0)
    assert.deepStrictEqual(second, { ...first, replay: true })
    assert.deepStrictEqual(identity, { createGuid: first.createGuid, leaseKey: first.leaseKey })
  })

  it("keeps its lease key in 2.1, and is no replay there", () => {
    const identity: Share.CreateIdentity = {}
    const first = encoded(identity, Dialect.SMB_2_1)
    assert.deepStrictEqual(encoded(identity, Dialect.SMB_2_1).leaseKey, first.leaseKey)
    assert.isFalse(encoded(identity, Dialect.SMB_2_1).replay)
  })

  it("is no replay if it asks for no durable handle now, or has no name", () => {
    const identity: Share.CreateIdentity = {}
    encoded(identity, Dialect.SMB_3_1_1)
    assert.isFalse(encoded(identity, Dialect.SMB_3_1_1, { ...options, durable: undefined } as never).replay)
    assert.isFalse(encoded(undefined, Dialect.SMB_3_1_1).replay)
  })
})

describe("the lock sequences of a reclaimed open", () => {
  it("give a request without a response its place again, and another request another place", () => {
    const sequences = new LockSequences.LockSequences()
    const [one, two] = [{}, {}]
    const place = sequences.take(one)
    assert.isTrue(sequences.recognizes(one))
    assert.notDeepEqual(sequences.take(two), place)
    assert.deepStrictEqual(sequences.take(one), place)
    sequences.answered(place, one)
    assert.isFalse(sequences.recognizes(one))
    assert.notDeepEqual(sequences.take(one), place)
  })
})
