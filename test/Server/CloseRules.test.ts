/**
 * Proves what CLOSE and the mark for deletion do to the requests, watches and leases of others (MS-SMB2 3.3.5.10,
 * MS-FSA 2.1.5.5, 2.1.5.15.3), and when a name goes. Raw clients ask a server with a memory store.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  LockFlags
} from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { type createRequest, HANDLE, lease, type LeaseClient, type Opened, READ, statusOf } from "./LeaseClient.ts"
import { withClients } from "./LeaseServer.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.38.42"
const directory = { createOptions: O.FILE_DIRECTORY_FILE }
const existing = { createDisposition: D.FILE_OPEN }
const nameOf = (answer: Buffer | undefined) => Status.name(statusOf(answer))

const must = async (
  client: LeaseClient,
  name: string,
  how: Partial<Create.Request> = {},
  contexts = [] as Parameters<typeof createRequest>[1]
): Promise<Opened> => {
  const made = await client.create(name, contexts, how)
  assert.strictEqual(made.status, 0, name)
  return made
}

const mark = (client: LeaseClient, file: FileId, deletes = true) =>
  client.set(file, "FileDispositionInformation", Uint8Array.of(deletes ? 1 : 0))

/** The status of an open of the name, which is closed again. */
const isThere = async (client: LeaseClient, name: string): Promise<string> => {
  const made = await client.create(name, [], { ...existing, desiredAccess: A.FILE_READ_ATTRIBUTES })
  if (made.status === 0) assert.strictEqual(await client.shut(made.fileId), 0)
  return Status.name(made.status)
}

/** The next two final responses, by command: the order is not part of what is proved. */
const twoAnswers = async (client: LeaseClient) => {
  const all = [(await client.next())!, (await client.next())!]
  return new Map(all.map((answer) => [answer.readUInt16LE(12), answer]))
}
const two = async (client: LeaseClient) =>
  new Map(Array.from(await twoAnswers(client), ([command, answer]) => [command, nameOf(answer)]))
const [CLOSE, LOCK, CHANGE_NOTIFY] = [6, 10, 15]

describe("a CLOSE", () => {
  it("ends the requests that wait on its open: a watch with NOTIFY_CLEANUP, a lock with RANGE_NOT_LOCKED", () =>
    withClients(host, async (connect) => {
      const [one, other] = [await connect(1), await connect(2)]
      const folder = await must(one, "d", directory)
      one.say(Requests.notify(folder.fileId))
      assert.strictEqual(nameOf(await one.next()), "STATUS_PENDING")
      one.say(Requests.close(folder.fileId))
      const answers = await twoAnswers(one)
      assert.deepStrictEqual([nameOf(answers.get(CHANGE_NOTIFY)), nameOf(answers.get(CLOSE))], [
        "STATUS_NOTIFY_CLEANUP",
        "STATUS_SUCCESS"
      ])
      // A CHANGE_NOTIFY response without changes, and no ERROR response: its empty buffer has an offset (2.2.36).
      const watched = answers.get(CHANGE_NOTIFY)!
      assert.deepStrictEqual([watched.readUInt16LE(66), watched.readUInt32LE(68)], [72, 0])

      const [held, waits] = [await must(other, "f"), await must(one, "f")]
      assert.strictEqual(await other.status(Requests.lock(held.fileId, 0)), 0)
      one.say(Requests.lock(waits.fileId, 0, { wait: true }))
      assert.strictEqual(nameOf(await one.next()), "STATUS_PENDING")
      one.say(Requests.close(waits.fileId))
      const locked = await two(one)
      assert.deepStrictEqual([locked.get(LOCK), locked.get(CLOSE)], ["STATUS_RANGE_NOT_LOCKED", "STATUS_SUCCESS"])
      // The request that waited takes no lock later.
      const again = await must(one, "f")
      const unlock: Message.Request = {
        _tag: "LOCK",
        body: {
          lockSequence: { lockSequenceNumber: 0, lockSequenceIndex: 0 },
          fileId: held.fileId,
          locks: [{ offset: 0n, length: 1n, flags: LockFlags.SMB2_LOCKFLAG_UNLOCK }]
        }
      }
      assert.strictEqual(await other.status(unlock), 0)
      assert.strictEqual(await one.status(Requests.lock(again.fileId, 0)), 0)
      assert.strictEqual(await one.shut(again.fileId), 0)
      // The locks of an open end with it.
      assert.strictEqual(await other.status(Requests.lock(held.fileId, 0)), 0)
    }))

  it("ends the open: a second one has STATUS_FILE_CLOSED, and share modes no longer count it", () =>
    withClients(host, async (connect) => {
      const [one, other] = [await connect(1), await connect(2)]
      const alone = await must(one, "f", { shareAccess: 0 })
      assert.strictEqual((await other.create("f")).status, NtStatus.STATUS_SHARING_VIOLATION)
      assert.strictEqual(await one.shut(alone.fileId), 0)
      assert.strictEqual(await one.shut(alone.fileId), NtStatus.STATUS_FILE_CLOSED)
      assert.strictEqual((await other.create("f")).status, 0)
    }))
})

describe("a file that is marked for deletion", () => {
  it("goes with its last open, and the mark can be removed before", () =>
    withClients(host, async (connect) => {
      const [one, other] = [await connect(1), await connect(2)]
      const [mine, theirs] = [await must(one, "f"), await must(other, "f")]
      assert.strictEqual(await mark(one, mine.fileId), 0)
      assert.strictEqual(await isThere(other, "f"), "STATUS_DELETE_PENDING")
      assert.strictEqual(await mark(other, theirs.fileId, false), 0)
      assert.strictEqual(await isThere(other, "f"), "STATUS_SUCCESS")
      assert.strictEqual(await mark(one, mine.fileId), 0)
      assert.strictEqual(await one.shut(mine.fileId), 0)
      assert.strictEqual(await isThere(one, "f"), "STATUS_DELETE_PENDING")
      assert.strictEqual(await other.write(theirs.fileId, "still"), 0)
      assert.strictEqual(await other.shut(theirs.fileId), 0)
    }))

  it("with FILE_DELETE_ON_CLOSE is marked when that open ends, and goes with the last one", () =>
    withClients(host, async (connect) => {
      const [one, other] = [await connect(1), await connect(2)]
      const mine = await must(one, "f", { createOptions: O.FILE_DELETE_ON_CLOSE })
      const theirs = await must(other, "f")
      assert.strictEqual(await isThere(other, "f"), "STATUS_SUCCESS")
      assert.strictEqual(await one.shut(mine.fileId), 0)
      assert.strictEqual(await isThere(other, "f"), "STATUS_DELETE_PENDING")
      assert.strictEqual(await other.shut(theirs.fileId), 0)
      assert.strictEqual(await isThere(other, "f"), "STATUS_OBJECT_NAME_NOT_FOUND")
    }))

  it("breaks the handle leases of its other opens only, and the client of the mark keeps its own", () =>
    withClients(host, async (connect) => {
      const [one, other, far] = [await connect(1), await connect(2), await connect(3)]
      const mine = await must(one, "f", {}, [lease(1, READ | HANDLE)])
      const theirs = await must(other, "f", {}, [lease(2, READ | HANDLE)])
      assert.strictEqual((await must(far, "g", {}, [lease(3, READ | HANDLE)])).leaseState, READ | HANDLE)
      assert.deepStrictEqual([mine.leaseState, theirs.leaseState], [READ | HANDLE, READ | HANDLE])
      assert.strictEqual(await mark(one, mine.fileId), 0)
      assert.deepInclude(await other.nextBreak(), { currentLeaseState: READ | HANDLE, newLeaseState: READ })
      for (const client of [one, far]) {
        assert.strictEqual(await client.status(Requests.echo), 0)
        assert.isUndefined(await client.nextBreak(0))
      }
      // It is marked already: no lease is broken again.
      assert.strictEqual(await mark(one, mine.fileId), 0)
      assert.strictEqual(await other.status(Requests.echo), 0)
      assert.isUndefined(await other.nextBreak(0))
    }))
})

describe("a directory that is marked for deletion", () => {
  it("ends the watches of its opens with STATUS_DELETE_PENDING, and takes no new watch and no new entry", () =>
    withClients(host, async (connect) => {
      const [one, other] = [await connect(1), await connect(2)]
      const [mine, theirs, above] = [
        await must(one, "d", directory),
        await must(other, "d", directory),
        await must(other, "", directory)
      ]
      other.say(Requests.notify(above.fileId))
      assert.strictEqual(nameOf(await other.next()), "STATUS_PENDING")
      other.say(Requests.notify(theirs.fileId))
      assert.strictEqual(nameOf(await other.next()), "STATUS_PENDING")
      assert.strictEqual(await mark(one, mine.fileId), 0)
      assert.strictEqual(nameOf(await other.next()), "STATUS_DELETE_PENDING")
      assert.strictEqual(await other.status(Requests.notify(theirs.fileId)), NtStatus.STATUS_DELETE_PENDING)
      assert.strictEqual((await one.create("d\\new")).status, NtStatus.STATUS_DELETE_PENDING)
      // The watch above is told when the directory goes.
      assert.strictEqual(await one.shut(mine.fileId), 0)
      assert.deepStrictEqual(other.frames, [])
      other.say(Requests.close(theirs.fileId))
      const answers = await two(other)
      assert.deepStrictEqual([answers.get(CHANGE_NOTIFY), answers.get(CLOSE)], ["STATUS_SUCCESS", "STATUS_SUCCESS"])
      assert.strictEqual(await isThere(one, "d"), "STATUS_OBJECT_NAME_NOT_FOUND")
    }))

  // MS-FSA 2.1.5.5: a directory with entries stays, and that is no error.
  it("by FILE_DELETE_ON_CLOSE stays if it has entries when its open ends, and can be opened again", () =>
    withClients(host, async (connect) => {
      const one = await connect(1)
      for (const full of [true, false]) {
        const folder = await must(one, "d", { createOptions: O.FILE_DIRECTORY_FILE | O.FILE_DELETE_ON_CLOSE })
        if (full) {
          const inside = await must(one, "d\\f")
          assert.strictEqual(await one.shut(inside.fileId), 0)
        }
        assert.strictEqual(await one.shut(folder.fileId), 0)
        assert.strictEqual(await isThere(one, "d"), full ? "STATUS_SUCCESS" : "STATUS_OBJECT_NAME_NOT_FOUND")
        if (!full) break
        const inside = await must(one, "d\\f", { ...existing, createOptions: O.FILE_DELETE_ON_CLOSE })
        assert.strictEqual(await one.shut(inside.fileId), 0)
        assert.strictEqual(await isThere(one, "d\\f"), "STATUS_OBJECT_NAME_NOT_FOUND")
      }
    }))
})

it("the mark of a stream for deletion deletes the stream alone, with its last open", () =>
  withClients(host, async (connect) => {
    const [one, other] = [await connect(1), await connect(2)]
    assert.strictEqual(await one.shut((await must(one, "f")).fileId), 0)
    const [mine, theirs] = [await must(one, "f:s"), await must(other, "f:s")]
    assert.strictEqual(await mark(one, mine.fileId), 0)
    assert.strictEqual(await isThere(other, "f:s"), "STATUS_DELETE_PENDING")
    assert.strictEqual(await isThere(other, "f"), "STATUS_SUCCESS")
    assert.strictEqual(await one.shut(mine.fileId), 0)
    assert.strictEqual(await isThere(other, "f:s"), "STATUS_DELETE_PENDING")
    assert.strictEqual(await other.shut(theirs.fileId), 0)
    assert.strictEqual(await isThere(other, "f:s"), "STATUS_OBJECT_NAME_NOT_FOUND")
    assert.strictEqual(await isThere(other, "f"), "STATUS_SUCCESS")
    await must(one, "f:s")
  }))
