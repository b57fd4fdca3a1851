/**
 * Proves that the files of persistent opens are kept from other clients while their own clients are away, after a lost
 * connection and after a restart (MS-SMB2 3.3.4.6, 3.3.4.7, 3.3.5.9): until these return, until breaks have waited for
 * them, or until the time of the opens is over.
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { HANDLE, lease, type LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import { RawClient } from "./RawClient.ts"
import { joe, type Place, reconnect, request, withRestarts } from "./Restarts.ts"

const host = "127.0.38.18"
const ALL = READ | HANDLE | WRITE
const BATCH = 9
/** FILE_READ_ATTRIBUTES, and FILE_READ_DATA. */
const [ATTRIBUTES, DATA] = [0x80, 1]
const { STATUS_FILE_NOT_AVAILABLE, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SHARING_VIOLATION } = NtStatus

/** How the client of an open is lost. */
const losses: ReadonlyArray<readonly [string, (place: Place, client: LeaseClient) => Promise<void>]> = [
  ["a restart", ({ crash }) => crash()],
  ["a lost connection", async ({ statistics }, client) => {
    const { sessions } = await statistics()
    client.close()
    while ((await statistics()).sessions >= sessions) await new Promise((resolve) => setTimeout(resolve, 2))
  }]
]

/** A client of dialect 2.1, which can have no persistent open. */
const older = async (place: Place): Promise<RawClient> => {
  const client = new RawClient(host, place.port())
  if (!await client.logOn("data", joe)) throw new Error("the logon failed")
  return client
}

describe.each(losses)("after %s, a persistent open", (_, lose) => {
  it("without a cached handle makes its file unavailable to all clients of 3.x", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("a", [request(1)])
      const cached = await lost.create("b", [request(2), lease(2, READ)])
      assert.strictEqual(cached.leaseState, READ)
      await lose(place, lost)
      const other = await place.connect(2)
      for (const desiredAccess of [DATA, ATTRIBUTES, 0x0001_0000]) {
        assert.strictEqual((await other.create("a", [], { desiredAccess })).status, STATUS_FILE_NOT_AVAILABLE)
      }
      assert.strictEqual((await other.create("b")).status, STATUS_FILE_NOT_AVAILABLE)
      assert.strictEqual((await other.create("c")).status, 0)
      const again = await place.connect(1)
      assert.strictEqual((await again.create("a", [reconnect(open, 1)])).status, 0)
      assert.strictEqual((await other.create("a")).status, 0)
    }))

  it("keeps its share mode for clients of 2.1", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      await lost.create("a", [request(1)], { shareAccess: 1 })
      await lose(place, lost)
      const other = await older(place)
      assert.strictEqual(await other.open("a", { desiredAccess: 2 }), STATUS_SHARING_VIOLATION)
      assert.isObject(await other.open("a", { desiredAccess: ATTRIBUTES }))
      other.close()
    }))

  it.each([["lease", [lease(1, ALL)], {}], ["batch oplock", [], { requestedOplockLevel: BATCH }]] as const)(
    "with a %s has other clients wait for the break that its client is told of when it returns",
    (kind, caching, options) =>
      withRestarts(host, async (place) => {
        const lost = await place.connect(1)
        const open = await lost.create("a", [request(1), ...caching], options)
        assert.strictEqual(open.status, 0)
        await lose(place, lost)
        const other = await place.connect(2)
        other.say(createOf("a"))
        assert.strictEqual((await other.next())?.readUInt32LE(8), NtStatus.STATUS_PENDING)
        const again = await place.connect(1)
        assert.strictEqual((await again.create("a", [reconnect(open, 1), ...caching])).status, 0)
        if (kind === "lease") {
          const told = await again.nextBreak()
          assert.deepInclude(told, { currentLeaseState: ALL, newLeaseState: READ | HANDLE })
          assert.strictEqual(await again.acknowledge(told!), 0)
        } else {
          const told = await RawClient.prototype.next.call(again)
          assert.strictEqual(told?.readUInt16LE(12), 18)
          const body = { _tag: "OplockBreakAcknowledgment", oplockLevel: 1, fileId: open.fileId } as const
          assert.strictEqual(await again.status({ _tag: "OPLOCK_BREAK", body }), 0)
        }
        assert.strictEqual((await other.next())?.readUInt32LE(8), 0)
        assert.strictEqual(await again.write(open.fileId, "text"), 0)
      })
  )

  it("loses its lease, and not its place, if its client stays away longer than breakTime", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const shared = await lost.create("a", [request(1), lease(1, ALL)])
      const single = await lost.create("b", [request(2), lease(2, ALL)], { shareAccess: 0 })
      await lose(place, lost)
      const other = await place.connect(2)
      for (const name of ["a", "b"]) assert.strictEqual((await other.create(name)).status, STATUS_FILE_NOT_AVAILABLE)
      const third = await older(place)
      assert.isObject(await third.open("a"))
      assert.strictEqual(await third.open("b"), STATUS_SHARING_VIOLATION)
      third.close()
      const again = await place.connect(1)
      const back = await again.create("a", [reconnect(shared, 1), lease(1, ALL)])
      assert.deepInclude(back, { status: 0, leaseState: 0 })
      assert.strictEqual((await again.create("b", [reconnect(single, 2), lease(2, ALL)])).status, 0)
    }, { limits: { breakTime: "50 millis" } }))

  it("keeps its name, and the names of the folders above it", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const folder = await lost.create("d", [], { createOptions: 1, desiredAccess: 0x0010_0081 })
      assert.strictEqual(await lost.shut(folder.fileId), 0)
      const open = await lost.create("d\\a", [request(1)])
      await lose(place, lost)
      const other = await place.connect(2)
      const above = await other.create("d", [], { createOptions: 1, desiredAccess: 0x0011_0081 })
      const target = Buffer.from("e", "utf16le")
      const rename = Buffer.alloc(20 + target.length)
      rename.writeUInt32LE(target.length, 16)
      target.copy(rename, 20)
      assert.strictEqual(await other.set(above.fileId, "FileRenameInformation", rename), NtStatus.STATUS_ACCESS_DENIED)
      assert.strictEqual(
        await other.set(above.fileId, "FileDispositionInformation", Uint8Array.of(1)),
        NtStatus.STATUS_DIRECTORY_NOT_EMPTY
      )
      assert.strictEqual(await other.shut(above.fileId), 0)
      const again = await place.connect(1)
      assert.strictEqual((await again.create("d\\a", [reconnect(open, 1)])).status, 0)
    }))

  it("is closed when its time is over, and its file is free", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const open = await lost.create("a", [request(1)], { shareAccess: 0 })
      await lose(place, lost)
      const other = await place.connect(2)
      while ((await other.create("a")).status === STATUS_FILE_NOT_AVAILABLE) {
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      assert.strictEqual((await other.create("a")).status, 0)
      assert.strictEqual(
        (await place.connect(1).then((one) => one.create("a", [reconnect(open, 1)]))).status,
        STATUS_OBJECT_NAME_NOT_FOUND
      )
      // The next server does not know it either.
      await place.crash()
      assert.strictEqual((await place.statistics()).opens, 0)
    }, { limits: { persistentTime: "50 millis" } }))

  it("can be closed for the application that has moved to another client", () =>
    withRestarts(host, async (place) => {
      const lost = await place.connect(1)
      const appInstanceId = new Uint8Array(16).fill(9)
      const instance = { _tag: "AppInstanceId", structureSize: 20, appInstanceId } as const
      const open = await lost.create("a", [request(1), instance as never], { shareAccess: 0 })
      assert.strictEqual(open.status, 0)
      await lose(place, lost)
      const other = await place.connect(2)
      assert.strictEqual((await other.create("a", [request(2), instance as never], { shareAccess: 0 })).status, 0)
    }))
})

const createOf = (name: string) => ({
  _tag: "CREATE",
  body: {
    requestedOplockLevel: 0,
    impersonationLevel: 2,
    desiredAccess: DATA,
    fileAttributes: 0,
    shareAccess: 7,
    createDisposition: 3,
    createOptions: 0,
    name,
    createContexts: []
  }
} as const)
