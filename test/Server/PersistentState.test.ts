/**
 * Proves what a persistent open still has after a restart, and at which moment its OpenStore knows of it: byte-range
 * locks and their sequences (MS-SMB2 3.3.5.14), leases and oplocks, pending deletions, its name, and the CREATE that a
 * client sends again (3.3.5.9.10). A server that ends at any moment between a change and its response keeps its promises,
 * and so does one whose OpenStore cannot be written.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { createRequest, HANDLE, lease, type LeaseClient, type Opened, READ, WRITE } from "./LeaseClient.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { ann, failed, granted, joe, type Place, reconnect, request, withRestarts } from "./Restarts.ts"

const host = "127.0.38.19"
const ALL = READ | HANDLE | WRITE
const BATCH = 9
const [SHARED, EXCLUSIVE, UNLOCK, AT_ONCE] = [1, 2, 4, 16]
const DELETE_ON_CLOSE = 0x1000
const {
  STATUS_DELETE_PENDING,
  STATUS_DUPLICATE_OBJECTID,
  STATUS_FILE_NOT_AVAILABLE,
  STATUS_LOCK_NOT_GRANTED,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_RANGE_NOT_LOCKED,
  STATUS_UNEXPECTED_IO_ERROR
} = NtStatus

const older = async (place: Place): Promise<RawClient> => {
  const client = new RawClient(host, place.port())
  if (!await client.logOn("data", joe)) throw new Error("the logon failed")
  return client
}

const lockRequest = (
  fileId: FileId,
  ranges: ReadonlyArray<readonly [offset: number, length: number, flags: number]>,
  sequence: readonly [index: number, number: number] = [0, 0]
): Message.Request => ({
  _tag: "LOCK",
  body: {
    lockSequence: { lockSequenceIndex: sequence[0], lockSequenceNumber: sequence[1] },
    fileId,
    locks: ranges.map(([offset, length, flags]) => ({ offset: BigInt(offset), length: BigInt(length), flags }))
  }
})

const exists = async (client: LeaseClient, name: string): Promise<boolean> => {
  const seen = await client.create(name, [], { createDisposition: 1, desiredAccess: 0x80 })
  if (seen.status === 0) await client.shut(seen.fileId)
  return seen.status !== STATUS_OBJECT_NAME_NOT_FOUND
}

const marks = (client: LeaseClient, { fileId }: Opened, deletes: boolean) =>
  client.set(fileId, "FileDispositionInformation", Uint8Array.of(deletes ? 1 : 0))

const renames = (client: LeaseClient, { fileId }: Opened, name: string) => {
  const target = Buffer.from(name, "utf16le")
  const buffer = Buffer.alloc(20 + target.length)
  buffer.writeUInt32LE(target.length, 16)
  target.copy(buffer, 20)
  return client.set(fileId, "FileRenameInformation", buffer)
}

describe("the locks of a persistent open", () => {
  it("are there after a restart, in their ranges and kinds, and can be released one by one", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("a", [request(1)])
      const lock = (client: LeaseClient, ...ranges: Parameters<typeof lockRequest>[1]) =>
        client.status(lockRequest(open.fileId, ranges))
      assert.strictEqual(await lock(lost, [0, 10, EXCLUSIVE | AT_ONCE]), 0)
      assert.strictEqual(await lock(lost, [20, 10, SHARED | AT_ONCE]), 0)
      assert.strictEqual(await lock(lost, [20, 10, SHARED | AT_ONCE]), 0)
      assert.strictEqual(await lock(lost, [40, 10, EXCLUSIVE | AT_ONCE], [60, 5, SHARED | AT_ONCE]), 0)
      assert.strictEqual(await lock(lost, [40, 10, UNLOCK]), 0)
      await place.crash()
      const other = await older(place)
      const file = await other.open("a") as FileId
      const asked = async (offset: number, flags: number) =>
        statusOf(await other.ask(lockRequest(file, [[offset, 1, flags | AT_ONCE]])))
      assert.strictEqual(await asked(5, SHARED), STATUS_LOCK_NOT_GRANTED)
      assert.strictEqual(await asked(25, EXCLUSIVE), STATUS_LOCK_NOT_GRANTED)
      assert.strictEqual(await asked(25, SHARED), 0)
      assert.strictEqual(await asked(45, EXCLUSIVE), 0)
      assert.strictEqual(
        statusOf(await other.ask(Requests.write(file, Buffer.from("x")))),
        NtStatus.STATUS_FILE_LOCK_CONFLICT
      )
      const again = await place.connect(1)
      assert.strictEqual((await again.create("a", [reconnect(open, 1)])).status, 0)
      assert.strictEqual(await lock(again, [20, 10, UNLOCK]), 0)
      assert.strictEqual(await lock(again, [20, 10, UNLOCK]), 0)
      assert.strictEqual(await lock(again, [20, 10, UNLOCK]), STATUS_RANGE_NOT_LOCKED)
      assert.strictEqual(await lock(again, [40, 10, UNLOCK]), STATUS_RANGE_NOT_LOCKED)
      assert.strictEqual(await lock(again, [0, 10, UNLOCK]), 0)
      assert.strictEqual(await asked(5, SHARED), 0)
      assert.strictEqual(await asked(62, EXCLUSIVE), STATUS_LOCK_NOT_GRANTED)
      assert.strictEqual(await again.shut(open.fileId), 0)
      assert.strictEqual(await asked(62, EXCLUSIVE), 0)
      other.close()
    }))

  it("are known before the LOCK is answered, also to a LOCK that has waited", () =>
    withRestarts(host, async (place) => {
      const one = await place.connect(1)
      const [first, second] = [await one.create("a", [request(1)]), await one.create("a", [request(2)])]
      assert.strictEqual(await one.status(lockRequest(first.fileId, [[0, 1, EXCLUSIVE]])), 0)
      one.say(lockRequest(second.fileId, [[0, 1, EXCLUSIVE]]))
      assert.strictEqual(statusOf(await one.next()), NtStatus.STATUS_PENDING)
      const kept = () => [...place.opens().entries.values()].filter(({ part }) => part.startsWith("locks/"))
      assert.deepStrictEqual(kept().map(({ open }) => open), [first.fileId.persistent])
      one.say(Requests.close(first.fileId))
      assert.deepStrictEqual([statusOf(await one.next()), statusOf(await one.next())], [0, 0])
      assert.deepStrictEqual(kept().map(({ open }) => open), [second.fileId.persistent])
    }))

  it("are not taken twice by a LOCK that a client sends again after the restart", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("a", [request(1)])
      const locked = lockRequest(open.fileId, [[0, 1, SHARED | AT_ONCE]], [7, 3])
      assert.strictEqual(await lost.status(locked), 0)
      await place.crash()
      const again = await place.connect(1)
      assert.strictEqual((await again.create("a", [reconnect(open, 1)])).status, 0)
      assert.strictEqual(await again.status(locked), 0)
      assert.strictEqual(await again.status(lockRequest(open.fileId, [[0, 1, UNLOCK]], [8, 3])), 0)
      assert.strictEqual(
        await again.status(lockRequest(open.fileId, [[0, 1, UNLOCK]], [9, 3])),
        STATUS_RANGE_NOT_LOCKED
      )
    }))

  it("are not granted if the OpenStore cannot be written", () =>
    withRestarts(host, async (place) => {
      const one = await place.connect(1)
      const open = await one.create("a", [request(1)])
      place.opens().before = () => Effect.fail(failed())
      const locked = lockRequest(open.fileId, [[0, 1, EXCLUSIVE | AT_ONCE]])
      assert.strictEqual(await one.status(locked), STATUS_UNEXPECTED_IO_ERROR)
      place.opens().before = () => Effect.void
      assert.strictEqual(
        await one.status(lockRequest(open.fileId, [[0, 1, UNLOCK]])),
        STATUS_RANGE_NOT_LOCKED
      )
      assert.strictEqual(await one.status(locked), 0)
    }))
})

describe("the cache of a persistent open", () => {
  it("is what the client had: a lease with a newer epoch, or an oplock", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const leased = await lost.create("a", [request(1), lease(1, ALL)])
      const second = await lost.create("a", [request(2), lease(1, ALL)])
      const batch = await lost.create("b", [request(3)], { requestedOplockLevel: BATCH })
      await place.crash()
      const again = await place.connect(1)
      const back = await again.create("a", [reconnect(leased, 1), lease(1, ALL)])
      assert.deepInclude(back, { status: 0, leaseState: ALL })
      assert.isAbove(back.epoch!, leased.epoch!)
      assert.strictEqual((await again.create("a", [reconnect(second, 2), lease(1, ALL)])).leaseState, ALL)
      assert.deepInclude(await again.create("b", [reconnect(batch, 3)]), { status: 0, oplockLevel: BATCH })
      // One lease for both opens: its break is told once, and is enough.
      const other = await place.connect(2)
      other.say(Requests.create("a", { desiredAccess: 1 }))
      assert.strictEqual(await again.acknowledge((await again.nextBreak())!), 0)
      assert.strictEqual(statusOf(await other.final(await other.next())), 0)
    }))

  it("is known to be broken before the CREATE of the other client is answered", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("a", [request(1), lease(1, ALL)])
      const other = await place.connect(2)
      const [answer] = await Promise.all([
        other.create("a", [], { desiredAccess: 1 }),
        lost.nextBreak().then((told) => lost.acknowledge(told!))
      ])
      assert.strictEqual(answer.status, 0)
      await place.crash()
      const again = await place.connect(1)
      const back = await again.create("a", [reconnect(open, 1), lease(1, ALL)])
      assert.deepInclude(back, { status: 0, leaseState: READ | HANDLE })
    }))

  it("refuses the CREATE of the other client if the OpenStore cannot learn of the break", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("a", [request(1), lease(1, ALL)])
      const other = await place.connect(2)
      place.opens().before = () => Effect.fail(failed())
      const [answer] = await Promise.all([
        other.create("a", [], { desiredAccess: 1 }),
        lost.nextBreak().then((told) => lost.acknowledge(told!))
      ])
      assert.strictEqual(answer.status, STATUS_UNEXPECTED_IO_ERROR)
      assert.strictEqual((await place.statistics()).opens, 1)
      await place.crash()
      const again = await place.connect(1)
      assert.deepInclude(await again.create("a", [reconnect(open, 1), lease(1, ALL)]), { status: 0, leaseState: ALL })
    }))
})

describe("the pending deletion of a persistent open", () => {
  it("is carried out by the next server, at the CLOSE or when the time is over", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const marked = await lost.create("marked", [request(1)])
      assert.strictEqual(await marks(lost, marked, true), 0)
      assert.strictEqual((await lost.create("late", [request(2, 60)], { createOptions: DELETE_ON_CLOSE })).status, 0)
      const unmarked = await lost.create("unmarked", [request(3)])
      assert.strictEqual(await marks(lost, unmarked, true), 0)
      assert.strictEqual(await marks(lost, unmarked, false), 0)
      await place.crash()
      const again = await place.connect(1)
      const other = await older(place)
      assert.strictEqual(await other.open("marked"), STATUS_DELETE_PENDING)
      assert.strictEqual((await again.create("marked", [reconnect(marked, 1)])).status, 0)
      assert.strictEqual((await again.create("unmarked", [reconnect(unmarked, 3)])).status, 0)
      assert.isTrue(await exists(again, "marked"))
      assert.strictEqual(await again.shut(marked.fileId), 0)
      assert.isFalse(await exists(again, "marked"))
      assert.strictEqual(await again.shut(unmarked.fileId), 0)
      assert.isTrue(await exists(again, "unmarked"))
      while (await exists(again, "late")) await new Promise((resolve) => setTimeout(resolve, 2))
      other.close()
    }))

  it("stays with the other persistent opens of the file when the open that marked it is closed", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const stays = await lost.create("a", [request(1)])
      const marking = await lost.create("a", [], { createOptions: DELETE_ON_CLOSE })
      assert.strictEqual(await lost.shut(marking.fileId), 0)
      await place.crash()
      const again = await place.connect(1)
      assert.strictEqual((await again.create("a", [reconnect(stays, 1)])).status, 0)
      assert.strictEqual(await again.shut(stays.fileId), 0)
      assert.isFalse(await exists(again, "a"))
    }))

  it("is refused if the OpenStore cannot be written", () =>
    withRestarts(host, async (place) => {
      const one = await place.connect(1)
      const open = await one.create("a", [request(1)])
      place.opens().before = () => Effect.fail(failed())
      assert.strictEqual(await marks(one, open, true), STATUS_UNEXPECTED_IO_ERROR)
      place.opens().before = () => Effect.void
      assert.strictEqual(await one.shut(open.fileId), 0)
      assert.isTrue(await exists(one, "a"))
    }))
})

describe("a persistent open of a named stream", () => {
  it.each([["a file", 0], ["a directory", 1]] as const)(
    "of %s is given back, and deletes the stream alone",
    (_, kind) =>
      withRestarts(host, async (place) => {
        const lost = await place.connect(1)
        const owner = await lost.create("a", [], { createOptions: kind })
        assert.strictEqual(await lost.shut(owner.fileId), 0)
        const open = await lost.create("a:s", [request(1)])
        assert.strictEqual(granted(open)?.flags, 2)
        assert.strictEqual(await marks(lost, open, true), 0)
        await place.crash()
        const again = await place.connect(1)
        assert.strictEqual((await again.create("a", [], { createOptions: kind, desiredAccess: 0x80 })).status, 0)
        assert.strictEqual((await again.create("a:s", [reconnect(open, 1)])).status, 0)
        assert.strictEqual(await again.write(open.fileId, "text"), 0)
        assert.strictEqual(await again.shut(open.fileId), 0)
        assert.isFalse(await exists(again, "a:s"))
        assert.isTrue(await exists(again, "a"))
      })
  )
})

describe("the name of a persistent open", () => {
  it("is the one that a rename gave the file", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("old", [request(1), lease(1, ALL)])
      assert.strictEqual(await renames(lost, open, "new"), 0)
      await place.crash()
      const again = await place.connect(1)
      assert.strictEqual(
        (await again.create("old", [reconnect(open, 1), lease(1, ALL)])).status,
        NtStatus.STATUS_INVALID_PARAMETER
      )
      assert.strictEqual((await again.create("new", [reconnect(open, 1), lease(1, ALL)])).status, 0)
    }))

  it("is found if the server ends after the rename, before its OpenStore knows that it is done", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("old", [request(1)])
      let commits = 0
      place.opens().before = () => commits++ === 0 ? Effect.void : Effect.fail(failed())
      assert.strictEqual(await renames(lost, open, "new"), 0)
      const texts = [...place.opens().entries.values()].map(({ value }) => value)
      assert.isTrue(texts.some((text) => text.includes("\"old\"")))
      await place.crash()
      const again = await place.connect(1)
      assert.strictEqual((await again.create("new", [reconnect(open, 1)])).status, 0)
      assert.strictEqual(await again.write(open.fileId, "text"), 0)
    }))

  it("is not changed by a rename that fails", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("old", [request(1)])
      assert.strictEqual((await lost.create("taken")).status, 0)
      assert.strictEqual(await renames(lost, open, "taken"), NtStatus.STATUS_OBJECT_NAME_COLLISION)
      assert.isTrue([...place.opens().entries.values()].every(({ part }) => part === "open"))
      // A rename that the OpenStore cannot note does not begin.
      place.opens().before = () => Effect.fail(failed())
      assert.strictEqual(await renames(lost, open, "new"), STATUS_UNEXPECTED_IO_ERROR)
      assert.isFalse(await exists(lost, "new"))
    }))
})

describe("a CREATE that a client sends again", () => {
  /** A server that ends after its OpenStore has the open, before the client has the response. */
  const unanswered = async (place: Place, name: string, contexts: Parameters<LeaseClient["create"]>[1]) => {
    const lost = await place.connect(1)
    const opens = place.opens()
    const written = new Promise<void>((resolve) => {
      opens.after = (changes) => {
        if (!changes.some(({ part }) => part === "open")) return Effect.void
        resolve()
        return Effect.never
      }
    })
    void lost.create(name, contexts)
    await written
    await place.crash()
  }
  const brief = { limits: { stopTime: "20 millis" } } as const

  it("to the next server gets the open that the first server has made, with its CreateAction and its lease", () =>
    withRestarts(host, async (place) => {
      await unanswered(place, "a", [request(1), lease(1, ALL)])
      const again = await place.connect(1)
      const plain = await again.create("a", [request(1), lease(1, ALL)])
      assert.strictEqual(plain.status, STATUS_DUPLICATE_OBJECTID)
      const stranger = await place.connect(1, { user: ann })
      stranger.replay = true
      const denied = await stranger.create("a", [request(1), lease(1, ALL)])
      assert.strictEqual(denied.status, NtStatus.STATUS_ACCESS_DENIED)
      again.replay = true
      const wrong = await again.create("a", [request(1), lease(2, ALL)])
      assert.strictEqual(wrong.status, NtStatus.STATUS_ACCESS_DENIED)
      const back = await again.create("a", [request(1), lease(1, ALL)], { createDisposition: 2 })
      assert.deepInclude(back, { status: 0, leaseState: ALL })
      assert.strictEqual(granted(back)?.flags, 2)
      again.replay = false
      assert.strictEqual(await again.write(back.fileId, "text"), 0)
      assert.strictEqual(await again.shut(back.fileId), 0)
      assert.strictEqual(place.opens().entries.size, 0)
    }, brief))

  describe("gets the file that the first server has made before it could keep the open,", () => {
    /** A server that ends when it has made the file, before its OpenStore has the open. */
    const unkept = async (
      place: Place,
      name: string,
      change?: Parameters<Place["crash"]>[0],
      guid = 1
    ) => {
      const lost = await place.connect(1)
      const made = new Promise<void>((resolve) => {
        place.opens().before = (changes) => {
          if (!changes.some(({ part, value }) => part === "open" && value !== undefined)) return Effect.void
          resolve()
          return Effect.never
        }
      })
      void lost.create(name, [request(guid)], { createDisposition: 2 })
      await made
      await place.crash(change)
      const again = await place.connect(1)
      again.replay = true
      return again
    }
    const again = (client: LeaseClient, name = "a", guid = 1) =>
      client.create(name, [request(guid)], { createDisposition: 2 })
    const { STATUS_OBJECT_NAME_COLLISION } = NtStatus

    it("once, with the CreateAction of a new file", () =>
      withRestarts(host, async (place) => {
        const client = await unkept(place, "a")
        const back = await again(client)
        assert.strictEqual(back.status, 0)
        assert.strictEqual(granted(back)?.flags, 2)
        assert.strictEqual(back.createAction, 2)
        client.replay = false
        assert.strictEqual(await client.shut(back.fileId), 0)
        assert.strictEqual(place.opens().entries.size, 0)
        client.replay = true
        assert.strictEqual((await again(client)).status, STATUS_OBJECT_NAME_COLLISION)
      }, brief))

    it("and no other client, user, name or CREATE without the replay flag does", () =>
      withRestarts(host, async (place) => {
        const client = await unkept(place, "a")
        client.replay = false
        assert.strictEqual((await again(client)).status, STATUS_OBJECT_NAME_COLLISION)
        const other = await place.connect(2)
        const stranger = await place.connect(1, { user: ann })
        for (const one of [other, stranger]) {
          one.replay = true
          assert.strictEqual((await again(one)).status, STATUS_OBJECT_NAME_COLLISION)
        }
        client.replay = true
        assert.strictEqual((await client.create("b", [request(1)])).status, 0)
      }, brief))

    it("unless the file has gone, is another one, or has content", () =>
      withRestarts(host, async (place) => {
        const gone = await unkept(place, "gone", (files) => Effect.runPromise(Effect.orDie(files.remove(["gone"]))))
        assert.strictEqual((await again(gone, "gone")).status, 0)
        const filled = await unkept(place, "filled", (files) =>
          Effect.runPromise(Effect.orDie(Effect.scoped(Effect.flatMap(
            files.open(["filled"], { mode: "existing", type: "file" }),
            ({ file }) =>
              file.write(0n, Uint8Array.of(1))
          )))), 2)
        assert.strictEqual((await again(filled, "filled", 2)).status, STATUS_OBJECT_NAME_COLLISION)
      }, brief))

    it("and the next server forgets the CREATE when its client does not return in time", () =>
      withRestarts(host, async (place) => {
        await unkept(place, "a", async (_, { entries }) => assert.strictEqual(entries.size, 1))
        while (place.opens().entries.size > 0) await new Promise((resolve) => setTimeout(resolve, 2))
      }, { limits: { ...brief.limits, persistentTime: "50 millis" } }))
  })

  it("to another client, or without the persistent flag, is not taken for it", () =>
    withRestarts(host, async (place) => {
      await unanswered(place, "a", [request(1)])
      const again = await place.connect(1)
      again.replay = true
      assert.strictEqual((await again.create("a", [request(1, 0, 0)])).status, STATUS_DUPLICATE_OBJECTID)
      const other = await place.connect(2)
      other.replay = true
      assert.strictEqual((await other.create("a", [request(1)])).status, STATUS_FILE_NOT_AVAILABLE)
      assert.strictEqual((await again.create("a", [request(1)])).status, 0)
    }, brief))
})

describe("the OpenStore", () => {
  it("gets the changes of requests that wait at the same time in one commit", () =>
    withRestarts(host, async (place) => {
      const one = await place.connect(1)
      assert.strictEqual(await one.shut((await one.create("a")).fileId), 0)
      const before = place.opens().commits.length
      let go = () => {}
      const gate = new Promise<void>((resolve) => {
        go = resolve
      })
      place.opens().before = () => Effect.promise(() => gate)
      const count = 20
      for (let guid = 0; guid < count; guid++) one.say(createRequest("a", [request(guid)]))
      // All of them have the file open before the first commit is done.
      while ((await place.statistics()).opens < count) await new Promise((resolve) => setTimeout(resolve, 2))
      go()
      for (let guid = 0; guid < count; guid++) assert.strictEqual(statusOf(await one.next()), 0)
      assert.isAtMost(place.opens().commits.length - before, 3)
      assert.strictEqual(place.opens().entries.size, count)
    }))

  it("that does not answer costs a CREATE its time, and the open is not persistent", () =>
    withRestarts(host, async (place) => {
      const one = await place.connect(1)
      place.opens().before = () => Effect.never
      const open = await one.create("a", [request(1)])
      assert.strictEqual(open.status, 0)
      assert.isUndefined(granted(open))
      place.opens().before = () => Effect.void
      assert.strictEqual(granted(await one.create("b", [request(2)]))?.flags, 2)
    }, { limits: { storeTime: "50 millis" } }))

  it("gives many clients that return at once their opens, each its own", () =>
    withRestarts(host, async (place) => {
      const clients = Array.from({ length: 24 }, (_, i) => i)
      const opens = await Promise.all(clients.map(async (i) => {
        const client = await place.connect(i)
        const open = await client.create(`${i}`, [request(i)])
        assert.strictEqual(await client.write(open.fileId, `${i}`), 0)
        return open
      }))
      await place.crash()
      assert.strictEqual((await place.statistics()).opens, clients.length)
      await Promise.all(clients.map(async (i) => {
        const client = await place.connect(i)
        const back = await client.create(`${i}`, [reconnect(opens[i]!, i)])
        assert.deepInclude(back, { status: 0, fileId: opens[i]!.fileId })
        const read = await client.ask(Requests.read(back.fileId, 10))
        assert.strictEqual(read?.subarray(80).toString(), `${i}`)
        assert.strictEqual(await client.shut(back.fileId), 0)
      }))
      assert.deepInclude(await place.statistics(), { opens: 0 })
      assert.strictEqual(place.opens().entries.size, 0)
    }))
})

it("closes an open although its OpenStore cannot be written, and tells the store later", () =>
  withRestarts(host, async (place) => {
    const one = await place.connect(1)
    const open = await one.create("a", [request(1)])
    place.opens().before = () => Effect.fail(failed())
    assert.strictEqual(await one.shut(open.fileId), 0)
    assert.strictEqual(place.opens().entries.size, 1)
    place.opens().before = () => Effect.void
    while (place.opens().entries.size > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }))
