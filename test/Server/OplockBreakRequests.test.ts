/**
 * Proves what the server says to each acknowledgment of a broken oplock or lease (MS-SMB2 3.3.5.22), which state the
 * client has after it, and that the request of the other client then continues. Raw clients ask a server over TCP.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { createRequest, HANDLE, key, lease, type LeaseClient, opened, READ, statusOf, WRITE } from "./LeaseClient.ts"
import { withClients } from "./LeaseServer.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.38.41"
const invalid = NtStatus.STATUS_INVALID_PARAMETER
const protocol = NtStatus.STATUS_INVALID_OPLOCK_PROTOCOL

const {
  SMB2_OPLOCK_LEVEL_BATCH: batch,
  SMB2_OPLOCK_LEVEL_EXCLUSIVE: exclusive,
  SMB2_OPLOCK_LEVEL_II: two,
  SMB2_OPLOCK_LEVEL_LEASE: ofLease,
  SMB2_OPLOCK_LEVEL_NONE: none
} = OplockLevel

const oplockAcknowledgment = (fileId: FileId, oplockLevel: number): Message.Request => ({
  _tag: "OPLOCK_BREAK",
  body: { _tag: "OplockBreakAcknowledgment", oplockLevel, fileId }
})

const leaseAcknowledgment = (number: number, leaseState: number): Message.Request => ({
  _tag: "OPLOCK_BREAK",
  body: { _tag: "LeaseBreakAcknowledgment", leaseKey: key(number), leaseState }
})

/** A CREATE of the file `f` with an oplock. */
const create = (requestedOplockLevel: number, createDisposition: number = D.FILE_OPEN_IF) =>
  createRequest("f", [], { requestedOplockLevel, createDisposition })

/** The notification of a break of an oplock: the new level, and the file. */
const nextOplockBreak = async (client: LeaseClient): Promise<readonly [number, FileId] | undefined> => {
  const told: unknown = await client.nextBreak()
  if (told === undefined) return undefined
  const { _tag, fileId, oplockLevel } = told as { _tag: string; oplockLevel: number; fileId: FileId }
  assert.strictEqual(_tag, "OplockBreak")
  return [oplockLevel, fileId]
}

/** Whether the client was told of a break before this moment: its ECHO comes after the break. */
const wasTold = async (client: LeaseClient): Promise<boolean> => {
  assert.strictEqual(await client.status(Requests.echo), 0)
  return await client.nextBreak(0) !== undefined
}

describe("an acknowledgment of a broken oplock", () => {
  interface Case {
    readonly had: number
    /** How the second client opens the file, and the level that the holder may keep then. */
    readonly disposition: number
    readonly to: number
    readonly acknowledged: number
    readonly status: number
    /** Whether the holder has LEVEL_II afterwards. */
    readonly keeps: boolean
  }
  /** A client can choose LEVEL_II or NONE. Any other level ends the break with NONE, and is an error. */
  const answers: ReadonlyArray<Omit<Case, "had">> = [
    { disposition: D.FILE_OPEN, to: two, acknowledged: two, status: 0, keeps: true },
    { disposition: D.FILE_OPEN, to: two, acknowledged: none, status: 0, keeps: false },
    { disposition: D.FILE_OPEN, to: two, acknowledged: exclusive, status: protocol, keeps: false },
    { disposition: D.FILE_OPEN, to: two, acknowledged: batch, status: protocol, keeps: false },
    { disposition: D.FILE_OPEN, to: two, acknowledged: ofLease, status: invalid, keeps: false },
    { disposition: D.FILE_OVERWRITE, to: none, acknowledged: none, status: 0, keeps: false },
    { disposition: D.FILE_OVERWRITE, to: none, acknowledged: two, status: protocol, keeps: false }
  ]
  const cases = [batch, exclusive].flatMap((had) => answers.map((answer): Case => Object.assign({ had }, answer)))
  it.each(cases)(
    "of level $had, which could keep $to, with the level $acknowledged has the status $status",
    ({ acknowledged, disposition, had, keeps, status, to }) =>
      withClients(host, async (connect) => {
        const [holder, other] = [await connect(1), await connect(2)]
        const held = opened(await holder.ask(create(had)))
        assert.deepInclude(held, { status: 0, oplockLevel: had })
        assert.strictEqual(statusOf(await other.ask(create(none, disposition))), NtStatus.STATUS_PENDING)
        assert.deepStrictEqual(await nextOplockBreak(holder), [to, held.fileId])
        const answer = (await holder.ask(oplockAcknowledgment(held.fileId, acknowledged)))!
        assert.strictEqual(statusOf(answer), status)
        if (status === 0) {
          // 2.2.25.1: StructureSize, OplockLevel and FileId.
          assert.strictEqual(answer.readUInt16LE(64), 24)
          assert.strictEqual(answer[66], acknowledged)
          assert.strictEqual(answer.readBigUInt64LE(72), held.fileId.persistent)
          assert.strictEqual(answer.readBigUInt64LE(80), held.fileId.volatile)
        }
        const second = opened(await other.next())
        assert.strictEqual(second.status, 0)
        // The break is over.
        assert.strictEqual(
          await holder.status(oplockAcknowledgment(held.fileId, none)),
          keeps ? NtStatus.STATUS_INVALID_DEVICE_STATE : protocol
        )
        assert.isFalse(await wasTold(holder))
        // A write breaks the oplock that the holder has kept, if it has one.
        assert.strictEqual(await other.write(second.fileId, "text"), 0)
        assert.strictEqual(await wasTold(holder), keeps)
      })
  )

  it("that no break asks for, or for another file, is an error and changes nothing", () =>
    withClients(host, async (connect) => {
      const [holder, other] = [await connect(1), await connect(2)]
      const held = opened(await holder.ask(create(batch)))
      const { persistent, volatile } = held.fileId
      for (const level of [none, two, exclusive, batch]) {
        assert.strictEqual(
          await holder.status(oplockAcknowledgment(held.fileId, level)),
          level === none || level === two ? NtStatus.STATUS_INVALID_DEVICE_STATE : protocol
        )
      }
      assert.strictEqual(statusOf(await other.ask(create(none))), NtStatus.STATUS_PENDING)
      assert.isDefined(await nextOplockBreak(holder))
      for (
        const fileId of [
          { persistent, volatile: volatile + 1n },
          { persistent: persistent + 1n, volatile },
          { persistent: 0n, volatile: 0n }
        ]
      ) {
        assert.strictEqual(await holder.status(oplockAcknowledgment(fileId, two)), NtStatus.STATUS_FILE_CLOSED)
      }
      // Another session has no such open.
      const third = await connect(3)
      assert.strictEqual(await third.status(oplockAcknowledgment(held.fileId, two)), NtStatus.STATUS_FILE_CLOSED)
      assert.strictEqual(await other.nextBreak(0), undefined)
      assert.deepStrictEqual(other.frames, [])
      assert.strictEqual(await holder.status(oplockAcknowledgment(held.fileId, two)), 0)
      assert.strictEqual(statusOf(await other.next()), 0)
    }))

  it("has its response before the response of the request that waited, on the same connection", () =>
    withClients(host, async (connect) => {
      const client = await connect(1)
      const held = opened(await client.ask(create(batch)))
      client.say(create(none))
      assert.strictEqual(statusOf(await client.next()), NtStatus.STATUS_PENDING)
      assert.isDefined(await nextOplockBreak(client))
      client.say(oplockAcknowledgment(held.fileId, none))
      // OPLOCK_BREAK is command 18, CREATE is command 5.
      assert.deepStrictEqual([(await client.next())!.readUInt16LE(12), (await client.next())!.readUInt16LE(12)], [
        18,
        5
      ])
    }))
})

describe("an acknowledgment of a broken lease", () => {
  const begin = async (connect: (guid: number) => Promise<LeaseClient>) => {
    const [holder, other] = [await connect(1), await connect(2)]
    const held = await holder.create("f", [lease(1, READ | WRITE | HANDLE)])
    assert.strictEqual(held.leaseState, READ | WRITE | HANDLE)
    assert.strictEqual(
      statusOf(await other.ask(createRequest("f", [], { desiredAccess: A.FILE_READ_DATA }))),
      NtStatus.STATUS_PENDING
    )
    const told = await holder.nextBreak()
    assert.deepInclude(told, { leaseKey: key(1), newLeaseState: READ | HANDLE })
    return { holder, other, held }
  }

  for (const state of [0, READ, READ | HANDLE]) {
    it(`with the state ${state}, which is part of what the client can keep, ends the break`, () =>
      withClients(host, async (connect) => {
        const { held, holder, other } = await begin(connect)
        const answer = (await holder.ask(leaseAcknowledgment(1, state)))!
        assert.strictEqual(statusOf(answer), 0)
        // 2.2.25.2: StructureSize, LeaseKey and LeaseState.
        assert.strictEqual(answer.readUInt16LE(64), 36)
        assert.deepStrictEqual(Uint8Array.from(answer.subarray(72, 88)), key(1))
        assert.strictEqual(answer.readUInt32LE(88), state)
        assert.strictEqual(statusOf(await other.next()), 0)
        // The client has this state now: a further CREATE with the key says so, if it asks for nothing more.
        const again = await holder.create("f", [lease(1, 0)], { createDisposition: D.FILE_OPEN })
        assert.strictEqual(again.leaseState, state)
        assert.strictEqual(await holder.status(leaseAcknowledgment(1, state)), NtStatus.STATUS_UNSUCCESSFUL)
        assert.strictEqual(await holder.shut(held.fileId), 0)
      }))
  }

  it("with more than the client can keep, without a break, or of another client is an error and changes nothing", () =>
    withClients(host, async (connect) => {
      const { held, holder, other } = await begin(connect)
      for (const state of [WRITE, READ | WRITE, READ | WRITE | HANDLE]) {
        assert.strictEqual(
          await holder.status(leaseAcknowledgment(1, state)),
          NtStatus.STATUS_REQUEST_NOT_ACCEPTED
        )
      }
      assert.strictEqual(await holder.status(leaseAcknowledgment(2, 0)), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      const third = await connect(3)
      assert.strictEqual(await third.status(leaseAcknowledgment(1, 0)), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      // A lease is not acknowledged like an oplock.
      for (const level of [none, two, ofLease]) {
        assert.strictEqual(
          await holder.status(oplockAcknowledgment(held.fileId, level)),
          invalid
        )
      }
      assert.deepStrictEqual(other.frames, [])
      assert.strictEqual(await holder.status(leaseAcknowledgment(1, READ)), 0)
      assert.strictEqual(statusOf(await other.next()), 0)
      const quiet = await holder.create("g", [lease(7, READ)])
      assert.strictEqual(quiet.leaseState, READ)
      assert.strictEqual(await holder.status(leaseAcknowledgment(7, READ)), NtStatus.STATUS_UNSUCCESSFUL)
    }))
})
