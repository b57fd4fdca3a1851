/**
 * Proves the status of each acknowledgment of an oplock or a lease, by the state in which it comes (MS-SMB2 3.3.5.22.1,
 * 3.3.5.22.2), and what is left of the oplock after it.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { durable, HANDLE, key, lease, type LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import * as LeaseServer from "./LeaseServer.ts"
import { RawClient } from "./RawClient.ts"

const { NtStatus } = Status
const {
  STATUS_FILE_CLOSED: CLOSED,
  STATUS_INVALID_DEVICE_STATE: DEVICE_STATE,
  STATUS_INVALID_OPLOCK_PROTOCOL: PROTOCOL,
  STATUS_INVALID_PARAMETER: PARAMETER
} = NtStatus
const host = "127.0.38.24"
const levels = { NONE: 0, II: 1, EXCLUSIVE: 8, BATCH: 9, LEASE: 0xff } as const
type Level = keyof typeof levels

const withClients = (use: Parameters<typeof LeaseServer.withClients>[1]) => LeaseServer.withClients(host, use)

const acknowledge = (client: LeaseClient, fileId: FileId, level: Level): Promise<number> =>
  client.status({
    _tag: "OPLOCK_BREAK",
    body: { _tag: "OplockBreakAcknowledgment", oplockLevel: levels[level], fileId }
  })

describe("the acknowledgment of an oplock", () => {
  // The oplock of the open, the level of the acknowledgment, and its status.
  const quiet: ReadonlyArray<readonly [Level, Level, number]> = [
    ["BATCH", "NONE", DEVICE_STATE],
    ["BATCH", "II", DEVICE_STATE],
    ["BATCH", "EXCLUSIVE", PROTOCOL],
    ["BATCH", "BATCH", PROTOCOL],
    ["BATCH", "LEASE", PARAMETER],
    ["EXCLUSIVE", "NONE", DEVICE_STATE],
    ["EXCLUSIVE", "II", DEVICE_STATE],
    ["EXCLUSIVE", "BATCH", PROTOCOL],
    ["EXCLUSIVE", "LEASE", PARAMETER],
    ["II", "NONE", DEVICE_STATE],
    ["II", "II", PROTOCOL],
    ["II", "EXCLUSIVE", PROTOCOL],
    ["II", "BATCH", PROTOCOL],
    ["II", "LEASE", PARAMETER],
    ["NONE", "NONE", PROTOCOL],
    ["NONE", "II", PROTOCOL],
    ["NONE", "BATCH", PROTOCOL],
    ["NONE", "LEASE", PARAMETER]
  ]
  it.each(quiet)(
    "without a break: %s is held, %s is acknowledged",
    (held, level, status) =>
      withClients(async (connect) => {
        const one = await connect(1)
        const open = await one.create("f", [], { requestedOplockLevel: levels[held] })
        assert.strictEqual(open.oplockLevel, levels[held])
        assert.strictEqual(await acknowledge(one, open.fileId, level), status)
        if (held === "NONE" || held === "II") return
        // The oplock is not lost: it is broken by the next open.
        const waiting = (await connect(2)).create("f")
        assert.strictEqual((await RawClient.prototype.next.call(one))?.readUInt16LE(12), 18)
        assert.strictEqual(await acknowledge(one, open.fileId, "NONE"), 0)
        assert.strictEqual((await waiting).status, 0)
      })
  )

  const breaking: ReadonlyArray<readonly [Level, number, boolean]> = [
    ["NONE", 0, false],
    ["II", 0, true],
    ["EXCLUSIVE", PROTOCOL, false],
    ["BATCH", PROTOCOL, false],
    ["LEASE", PARAMETER, false]
  ]
  it.each(breaking)(
    "during a break to LEVEL_II: %s; the break is over in any case",
    (level, status, keeps) =>
      withClients(async (connect) => {
        const [one, two, three] = [await connect(1), await connect(2), await connect(3)]
        const open = await one.create("f", [], { requestedOplockLevel: levels.BATCH })
        const waiting = two.create("f")
        assert.strictEqual((await RawClient.prototype.next.call(one))?.readUInt16LE(12), 18)
        const wrong = { ...open.fileId, persistent: open.fileId.persistent + 1n }
        assert.strictEqual(await acknowledge(one, wrong, level), CLOSED)
        assert.strictEqual(await acknowledge(three, open.fileId, level), CLOSED)
        assert.strictEqual(await acknowledge(one, open.fileId, level), status)
        const second = await waiting
        assert.strictEqual(second.status, 0)
        // A write breaks a LEVEL_II that is left.
        assert.strictEqual(await two.write(second.fileId, "text"), 0)
        const told = await RawClient.prototype.next.call(one, keeps ? 2000 : 50)
        assert.strictEqual(told?.readUInt16LE(12), keeps ? 18 : undefined)
      })
  )

  it("shows that the client has the response to its CREATE: it is not repeated any more", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const contexts = [durable(1)]
      const how = { shareAccess: 0, requestedOplockLevel: levels.BATCH }
      const open = await one.create("f", contexts, how)
      assert.strictEqual(open.oplockLevel, levels.BATCH)
      one.replay = true
      assert.deepInclude(await one.create("f", contexts, how), { status: 0, fileId: open.fileId })
      one.replay = false
      const waiting = two.create("f")
      assert.strictEqual((await RawClient.prototype.next.call(one))?.readUInt16LE(12), 18)
      assert.strictEqual(await acknowledge(one, open.fileId, "NONE"), 0)
      assert.strictEqual((await waiting).status, NtStatus.STATUS_SHARING_VIOLATION)
      one.replay = true
      assert.strictEqual((await one.create("f", contexts, how)).status, NtStatus.STATUS_SHARING_VIOLATION)
    }))

  it("for an open with a lease is refused, and leaves the break of the lease under way", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const open = await one.create("f", [lease(1, READ | WRITE | HANDLE)])
      const waiting = two.create("f")
      const told = await one.nextBreak()
      for (const level of Object.keys(levels) as Array<Level>) {
        assert.strictEqual(await acknowledge(one, open.fileId, level), PARAMETER)
      }
      assert.strictEqual(await one.acknowledge(told!), 0)
      assert.strictEqual((await waiting).status, 0)
    }))
})

describe("the acknowledgment of a lease", () => {
  const state = (client: LeaseClient, number: number, leaseState: number): Promise<number> =>
    client.status({
      _tag: "OPLOCK_BREAK",
      body: { _tag: "LeaseBreakAcknowledgment", leaseKey: key(number), leaseState }
    })

  it("is refused for another key, another client, without a break, and with more than the break leaves", () =>
    withClients(async (connect) => {
      const [one, two, three] = [await connect(1), await connect(2), await connect(3)]
      await one.create("f", [lease(1, READ | WRITE | HANDLE)])
      assert.strictEqual(await state(one, 2, 0), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await state(two, 1, 0), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await state(one, 1, 0), NtStatus.STATUS_UNSUCCESSFUL)
      const waiting = two.create("f")
      assert.strictEqual((await one.nextBreak())?.newLeaseState, READ | HANDLE)
      for (const more of [READ | WRITE, WRITE, READ | WRITE | HANDLE, 0x80, 0xffff_ffff]) {
        assert.strictEqual(await state(one, 1, more), NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
      }
      assert.strictEqual(await state(three, 1, READ), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await state(one, 1, READ), 0)
      assert.strictEqual((await waiting).status, 0)
      assert.strictEqual(await state(one, 1, 0), NtStatus.STATUS_UNSUCCESSFUL)
    }))

  it("shows that the client has the responses to its CREATEs: they are not repeated any more", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const contexts = [lease(1, READ | WRITE | HANDLE), durable(1)]
      const how = { shareAccess: 0 }
      const open = await one.create("f", contexts, how)
      one.replay = true
      assert.deepInclude(await one.create("f", contexts, how), { status: 0, fileId: open.fileId })
      one.replay = false
      const waiting = two.create("f")
      assert.strictEqual(await one.acknowledge((await one.nextBreak())!), 0)
      assert.strictEqual((await waiting).status, NtStatus.STATUS_SHARING_VIOLATION)
      one.replay = true
      assert.strictEqual((await one.create("f", contexts, how)).status, NtStatus.STATUS_SHARING_VIOLATION)
    }))
})
