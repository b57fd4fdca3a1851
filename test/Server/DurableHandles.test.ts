/**
 * Proves which opens outlive their connection, and which client gets them back (MS-SMB2 3.3.5.9.6, 3.3.5.9.7,
 * 3.3.5.9.10, 3.3.5.9.12, 3.3.5.14, 3.3.5.15.9, 3.3.6.2, 3.3.7.1), with raw clients of dialect 3.0.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { HANDLE, key, lease, LeaseClient, type Opened, READ, statusOf, WRITE } from "./LeaseClient.ts"
import { RawClient } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.38.7"
const secret = Redacted.make("secret")
const BATCH = 9
const ALL = READ | HANDLE | WRITE

const status = {
  INVALID_PARAMETER: 0xc000_000d,
  INVALID_DEVICE_REQUEST: 0xc000_0010,
  SHARING_VIOLATION: 0xc000_0043,
  LOCK_NOT_GRANTED: 0xc000_0055,
  DELETE_PENDING: 0xc000_0056,
  NOT_SUPPORTED: 0xc000_00bb,
  ACCESS_DENIED: 0xc000_0022,
  OBJECT_NAME_NOT_FOUND: 0xc000_0034
} as const

interface As {
  readonly share?: string
  readonly user?: Credentials.Credential
}

type Connect = ((guid: number, as?: As) => Promise<LeaseClient>) & { readonly port: number }

/** Clients by their ClientGuid, each on its own connection to a server that has no other clients. */
const withClients = async (use: (connect: Connect) => Promise<void>, limits: SmbServer.Options["limits"] = {}) => {
  const scope = Scope.makeUnsafe()
  const store = await Effect.runPromise(Scope.provide(MemoryStore.make(), scope))
  const server = await Effect.runPromise(
    Scope.provide(
      SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ joe: secret, ann: secret }),
        shares: { data: { store }, other: { store } },
        signing: "enabled",
        guest: "anonymous",
        limits
      }),
      scope
    )
  )
  const clients: Array<LeaseClient> = []
  try {
    const connect = async (guid: number, { share = "data", user = Credentials.password("joe", secret) }: As = {}) => {
      const client = new LeaseClient(host, server.port, guid)
      clients.push(client)
      assert.isTrue(await client.begin(share, user))
      return client
    }
    await use(Object.assign(connect, { port: server.port }))
  } finally {
    for (const client of clients) client.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const request = (guid: number, timeout = 0): Context.Request => ({
  _tag: "DurableHandleRequestV2",
  timeout,
  flags: 0,
  createGuid: key(guid)
})

const oldRequest: Context.Request = { _tag: "DurableHandleRequest" }

const reconnect = ({ fileId }: Opened, guid: number): Context.Request => ({
  _tag: "DurableHandleReconnectV2",
  fileId,
  createGuid: key(guid),
  flags: 0
})

const oldReconnect = ({ fileId }: Opened): Context.Request => ({ _tag: "DurableHandleReconnect", fileId })

const oldLease = (number: number): Context.Request => ({
  _tag: "RequestLease",
  leaseKey: key(number),
  leaseState: ALL,
  leaseFlags: 0
})

const timeoutOf = ({ contexts }: Opened): number | "old" | undefined => {
  const granted = contexts.find(({ _tag }) => _tag.startsWith("DurableHandleResponse"))
  return granted === undefined ? undefined : "timeout" in granted ? granted.timeout as number : "old"
}

/** Asks again until the server has noticed that a connection is lost: the test's own timeout ends it otherwise. */
const until = async (ask: () => Promise<number>, expected: number): Promise<void> => {
  while (await ask() !== expected) await new Promise((resolve) => setTimeout(resolve, 2))
}

describe("a durable open", () => {
  const directory = { createOptions: 1, desiredAccess: 0x0010_0081 }
  const granted: ReadonlyArray<
    readonly [string, ReadonlyArray<Context.Request>, Partial<Create.Request>, number | "old" | undefined]
  > = [
    ["60 s to a lease with HANDLE", [request(1), lease(1, ALL)], {}, 60_000],
    ["60 s to a lease with READ and HANDLE", [request(1), lease(1, READ | HANDLE)], {}, 60_000],
    ["the timeout that a client asks for", [request(1, 5000), lease(1, ALL)], {}, 5000],
    ["the server's limit at most", [request(1, 0xffff_ffff), lease(1, ALL)], {}, 90_000],
    ["60 s to a batch oplock", [request(1)], { requestedOplockLevel: BATCH }, 60_000],
    ["version 1 to a batch oplock", [oldRequest], { requestedOplockLevel: BATCH }, "old"],
    ["version 1 to a lease", [oldRequest, oldLease(1)], {}, "old"],
    ["nothing to a lease with READ alone", [request(1), lease(1, READ)], {}, undefined],
    ["nothing to a lease with READ and WRITE", [request(1), lease(1, READ | WRITE)], {}, undefined],
    ["nothing to an exclusive oplock", [request(1)], { requestedOplockLevel: 8 }, undefined],
    ["nothing to a level II oplock", [request(1)], { requestedOplockLevel: 1 }, undefined],
    ["nothing without an oplock", [request(1)], {}, undefined],
    ["nothing to a lease without a request", [lease(1, ALL)], {}, undefined],
    ["nothing to a directory", [request(1), lease(1, READ | HANDLE)], directory, undefined]
  ]
  it.each(granted)("is granted with %s", (_, contexts, options, expected) =>
    withClients(async (connect) => {
      const one = await connect(1)
      const open = await one.create("f", contexts, options)
      assert.strictEqual(open.status, 0)
      assert.strictEqual(timeoutOf(open), expected)
    }, { durableTime: "90 seconds" }))

  it("is not granted to a guest, whom the server cannot recognize", () =>
    withClients(async (connect) => {
      const guest = await connect(1, { user: Credentials.anonymous })
      const open = await guest.create("f", [request(1), lease(1, ALL)])
      assert.strictEqual(open.status, 0)
      assert.isUndefined(timeoutOf(open))
    }))

  it("with a lease is given back to its client alone, by its name, key, CreateGuid and share", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = await lost.create("f", [request(7), lease(1, ALL)])
      const again = await connect(1)
      const right = [reconnect(open, 7), lease(1, ALL)]
      // An open whose client is connected waits for no other.
      assert.strictEqual((await again.create("f", right)).status, status.OBJECT_NAME_NOT_FOUND)
      lost.close()
      await until(async () => (await again.create("g", right)).status, status.INVALID_PARAMETER)
      const refused = async (client: LeaseClient, contexts: ReadonlyArray<Context.Request>) =>
        (await client.create("f", contexts)).status
      const other = { ...open, fileId: { ...open.fileId, persistent: open.fileId.persistent + 1n } }
      for (
        const contexts of [
          [reconnect(open, 8), lease(1, ALL)],
          [reconnect(other, 7), lease(1, ALL)],
          [reconnect(open, 7)],
          [reconnect(open, 7), lease(2, ALL)],
          [reconnect(open, 7), oldLease(1)]
        ]
      ) assert.strictEqual(await refused(again, contexts), status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await refused(await connect(2), right), status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await refused(await connect(1, { share: "other" }), right), status.OBJECT_NAME_NOT_FOUND)
      const ann = await connect(1, { user: Credentials.password("ann", secret) })
      assert.strictEqual(await refused(ann, right), status.ACCESS_DENIED)
      const guest = await connect(1, { user: Credentials.anonymous })
      assert.strictEqual(await refused(guest, right), status.ACCESS_DENIED)

      const back = await again.create("F", right)
      assert.deepInclude(back, { status: 0, fileId: open.fileId, leaseState: ALL })
      assert.strictEqual(await again.write(open.fileId, "text"), 0)
      // It has its client again.
      assert.strictEqual(await refused(await connect(1), right), status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await again.shut(open.fileId), 0)
    }))

  it("with a batch oplock is given back to its user without a lease, by either version", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = await lost.create("f", [request(7)], { requestedOplockLevel: BATCH })
      const old = await lost.create("g", [oldRequest], { requestedOplockLevel: BATCH })
      const ann = await connect(2, { user: Credentials.password("ann", secret) })
      lost.close()
      await until(async () => (await ann.create("f", [reconnect(open, 7)])).status, status.ACCESS_DENIED)
      await until(async () => (await ann.create("g", [oldReconnect(old)])).status, status.ACCESS_DENIED)
      // The FileId names the open, so that another connection of the user can get it.
      const again = await connect(3)
      assert.strictEqual(
        (await again.create("f", [reconnect(open, 7), lease(1, ALL)])).status,
        status.OBJECT_NAME_NOT_FOUND
      )
      // An open of version 1 has no CreateGuid, which counts as zeros.
      assert.strictEqual((await again.create("g", [reconnect(old, 7)])).status, status.OBJECT_NAME_NOT_FOUND)
      const back = await again.create("f", [reconnect(open, 7)])
      assert.deepInclude(back, { status: 0, fileId: open.fileId, oplockLevel: BATCH })
      const oldBack = await again.create("g", [oldReconnect(old)])
      assert.deepInclude(oldBack, { status: 0, fileId: old.fileId, oplockLevel: BATCH })
      assert.strictEqual(await again.shut(open.fileId), 0)
      assert.strictEqual(await again.shut(old.fileId), 0)
    }))

  it("that is to be deleted, or whose lease is being broken, does not wait for its client", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = async (number: number) => lost.create(`${number}`, [request(number), lease(number, ALL)])
      const [doomed, contested, stays] = [await open(1), await open(2), await open(3)]
      assert.strictEqual(await lost.set(doomed.fileId, 13, Uint8Array.of(1)), 0)
      const other = await connect(2)
      const waiting = other.create("2")
      assert.isDefined(await lost.nextBreak())
      const again = await connect(1)
      const statusOf = async (one: Opened, number: number, name = `${number}`) =>
        (await again.create(name, [reconnect(one, number), lease(number, ALL)])).status
      lost.close()
      assert.strictEqual((await waiting).status, 0)
      await until(() => statusOf(stays, 3, "x"), status.INVALID_PARAMETER)
      assert.strictEqual(await statusOf(doomed, 1), status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await statusOf(contested, 2), status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual((await again.create("1", [], { createDisposition: 1 })).status, status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await statusOf(stays, 3), 0)
    }))

  it("that waits gives way to a client that conflicts with it, and not to one that does not", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const options = { shareAccess: 1 }
      const contested = await lost.create("1", [request(1), lease(1, ALL)], options)
      const stays = await lost.create("2", [request(2), lease(2, ALL)], options)
      lost.close()
      const again = await connect(1)
      const reconnected = async (open: Opened, number: number, name = `${number}`) =>
        (await again.create(name, [reconnect(open, number), lease(number, ALL)])).status
      await until(() => reconnected(contested, 1, "x"), status.INVALID_PARAMETER)
      const other = await connect(2)
      // A read of attributes alone disturbs no lease.
      const look = await other.create("2", [], { createDisposition: 1, desiredAccess: 0x80 })
      assert.strictEqual(look.status, 0)
      assert.strictEqual(await other.shut(look.fileId), 0)
      // A write is against the share access of the open.
      assert.strictEqual((await other.create("1")).status, 0)
      assert.strictEqual(await reconnected(contested, 1), status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await reconnected(stays, 2), 0)
    }))

  it.each([["durables"], ["userDurables"]] as const)(
    "waits only within the server's limit %s",
    (limit) =>
      withClients(async (connect) => {
        const lost = await connect(1)
        const opens: Array<Opened> = []
        for (const number of [1, 2, 3]) {
          opens.push(await lost.create(`${number}`, [request(number), lease(number, ALL)]))
        }
        const reconnected = async (client: LeaseClient, number: number, name = `${number}`) =>
          (await client.create(name, [reconnect(opens[number - 1]!, number), lease(number, ALL)])).status
        lost.close()
        const second = await connect(1)
        await until(() => reconnected(second, 2, "x"), status.INVALID_PARAMETER)
        assert.strictEqual(await reconnected(second, 3), status.OBJECT_NAME_NOT_FOUND)
        for (const number of [1, 2]) assert.strictEqual(await reconnected(second, number), 0)
        // Opens that have their client again leave their places to others, here to themselves.
        second.close()
        const third = await connect(1)
        await until(() => reconnected(third, 2, "x"), status.INVALID_PARAMETER)
        for (const number of [1, 2]) assert.strictEqual(await reconnected(third, number), 0)
      }, { [limit]: 2 })
  )

  it("is closed when its client stays away for its timeout, and its file is deleted if that was asked for", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const { status: created } = await lost.create("f", [request(1), lease(1, ALL)], { createOptions: 0x1000 })
      assert.strictEqual(created, 0)
      lost.close()
      // An open for attributes alone leaves the lease to its client.
      const other = await connect(2)
      const look = async () => {
        const seen = await other.create("f", [], { createDisposition: 1, desiredAccess: 0x80 })
        if (seen.status === 0) assert.strictEqual(await other.shut(seen.fileId), 0)
        return seen.status
      }
      await until(look, status.OBJECT_NAME_NOT_FOUND)
    }, { durableTime: "50 millis" }))
})

/** FSCTL_LMR_REQUEST_RESILIENCY with a timeout in milliseconds. */
const resiliency = ({ fileId }: Opened, timeout: number, length = 8): Message.Request => {
  const input = Buffer.alloc(Math.max(8, length), 0xff)
  input.writeUInt32LE(timeout)
  return Requests.fsctl(fileId, Fsctl.FSCTL_LMR_REQUEST_RESILIENCY, input.subarray(0, length))
}

const locked = ({ fileId }: Opened, number: number): Message.Request => {
  const request = Requests.lock(fileId, 0)
  if (request._tag !== "LOCK") throw new Error("not a LOCK")
  return { ...request, body: { ...request.body, lockSequence: { lockSequenceIndex: 1, lockSequenceNumber: number } } }
}

describe("a resilient open", () => {
  it("is granted for a whole request with a timeout within the limit, and to no guest", () =>
    withClients(async (connect) => {
      const one = await connect(1)
      const open = await one.create("f")
      for (let length = 0; length < 8; length++) {
        assert.strictEqual(await one.status(resiliency(open, 1, length)), status.INVALID_PARAMETER, `${length}`)
      }
      for (
        const [timeout, length, expected] of [
          [90_001, 8, status.INVALID_PARAMETER],
          [0xffff_ffff, 8, status.INVALID_PARAMETER],
          [90_000, 8, 0],
          [0, 8, 0],
          [1, 9, 0],
          [1, 4096, 0]
        ] as const
      ) assert.strictEqual(await one.status(resiliency(open, timeout, length)), expected, `${timeout} ${length}`)
      const nothing = { ...open, fileId: { persistent: 99n, volatile: 99n } }
      assert.notStrictEqual(await one.status(resiliency(nothing, 1)), 0)
      const guest = await connect(2, { user: Credentials.anonymous })
      assert.strictEqual(await guest.status(resiliency(await guest.create("g"), 1)), status.NOT_SUPPORTED)
    }, { resilientTime: "90 seconds" }))

  it("does not exist in dialect 2.0.2", () =>
    withClients(async ({ port }) => {
      for (const [dialect, expected] of [[0x0202, status.INVALID_DEVICE_REQUEST], [0x0210, 0]] as const) {
        const client = new RawClient(host, port)
        await client.negotiate(dialect)
        assert.strictEqual(await client.setup(Credentials.password("joe", secret)), 0)
        assert.strictEqual(await client.connect("data"), 0)
        const fileId = await client.open("f")
        if (typeof fileId === "number") return assert.fail("not opened")
        const open = { fileId } as Opened
        assert.strictEqual(statusOf(await client.ask(resiliency(open, 1))), expected)
        client.close()
      }
    }))

  it("keeps its share mode and its locks without an oplock, and is given back to its user with its lock sequences", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = await lost.create("f", [], { shareAccess: 1 })
      assert.strictEqual(await lost.status(resiliency(open, 60_000)), 0)
      assert.strictEqual(await lost.status(locked(open, 3)), 0)
      lost.close()
      const ann = await connect(2, { user: Credentials.password("ann", secret) })
      await until(async () => (await ann.create("f", [oldReconnect(open)])).status, status.ACCESS_DENIED)
      for (let i = 0; i < 2; i++) assert.strictEqual((await ann.create("f")).status, status.SHARING_VIOLATION)
      const again = await connect(1)
      const back = await again.create("f", [oldReconnect(open)])
      assert.deepInclude(back, { status: 0, fileId: open.fileId, oplockLevel: 0 })
      // The LOCK again: its response may have been lost.
      assert.strictEqual(await again.status(locked(open, 3)), 0)
      assert.strictEqual(await again.status(locked(open, 4)), status.LOCK_NOT_GRANTED)
      assert.strictEqual(await again.shut(open.fileId), 0)
      assert.strictEqual((await ann.create("f")).status, 0)
    }))

  it("outlives a LOGOFF, and a new session that replaces its own, and is still found by its CreateGuid", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = await lost.create("f", [request(7)], { requestedOplockLevel: BATCH })
      assert.strictEqual(await lost.status(resiliency(open, 60_000)), 0)
      assert.strictEqual(await lost.status({ _tag: "LOGOFF", body: {} }), 0)
      const again = await connect(2)
      assert.strictEqual((await again.create("f", [reconnect(open, 8)])).status, status.OBJECT_NAME_NOT_FOUND)
      const back = await again.create("f", [reconnect(open, 7)])
      assert.deepInclude(back, { status: 0, fileId: open.fileId, oplockLevel: BATCH })
    }))

  it("is closed after its timeout, and not before, and its file is deleted if that was asked for", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const [brief, long] = [await lost.create("brief", [], { createOptions: 0x1000 }), await lost.create("long")]
      assert.strictEqual(await lost.status(resiliency(brief, 60_000)), 0)
      // The last request decides.
      assert.strictEqual(await lost.status(resiliency(brief, 50)), 0)
      assert.strictEqual(await lost.status(resiliency(long, 60_000)), 0)
      lost.close()
      const again = await connect(1)
      const look = async () => {
        const seen = await again.create("brief", [], { createDisposition: 1, desiredAccess: 0x80 })
        if (seen.status === 0) assert.strictEqual(await again.shut(seen.fileId), 0)
        return seen.status
      }
      await until(look, status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual((await again.create("brief", [oldReconnect(brief)])).status, status.OBJECT_NAME_NOT_FOUND)
      assert.strictEqual((await again.create("long", [oldReconnect(long)])).status, 0)
    }))

  it.each([["durables"], ["userDurables"]] as const)(
    "waits only within the server's limit %s",
    (limit) =>
      withClients(async (connect) => {
        const lost = await connect(1)
        const opens: Array<Opened> = []
        for (const name of ["1", "2", "3"]) {
          const open = await lost.create(name)
          assert.strictEqual(await lost.status(resiliency(open, 60_000)), 0)
          opens.push(open)
        }
        lost.close()
        const again = await connect(1)
        const reconnected = async (i: number) => (await again.create(`${i + 1}`, [oldReconnect(opens[i]!)])).status
        await until(() => reconnected(0), 0)
        assert.deepStrictEqual([await reconnected(1), await reconnected(2)], [0, status.OBJECT_NAME_NOT_FOUND])
      }, { [limit]: 2 })
  )

  const kinds = [["batch oplock", false], ["lease", true]] as const
  it.each(kinds)(
    "is told of the break of its %s when its client returns, and the other client waits for that",
    (_, leases) =>
      withClients(async (connect) => {
        const contexts = leases ? [lease(1, ALL)] : []
        const options = leases ? {} : { requestedOplockLevel: BATCH }
        const lost = await connect(1)
        const open = await lost.create("f", contexts, options)
        assert.strictEqual(await lost.status(resiliency(open, 60_000)), 0)
        const other = await connect(2)
        lost.close()
        const again = await connect(1)
        const reconnected = async (name: string) => (await again.create(name, [oldReconnect(open), ...contexts])).status
        // Another name is refused for a lease, and an open whose client is connected for an oplock.
        if (leases) await until(() => reconnected("x"), status.INVALID_PARAMETER)
        else {await until(
            async () => (await other.create("f", [oldReconnect(open), lease(1, ALL)])).status,
            status.OBJECT_NAME_NOT_FOUND
          )}
        const waiting = other.create("f")
        await until(() => reconnected("f"), 0)
        if (leases) {
          const told = await again.nextBreak()
          assert.deepInclude(told, { currentLeaseState: ALL, newLeaseState: READ | HANDLE })
          assert.strictEqual(await again.acknowledge(told!), 0)
        } else {
          const told = await RawClient.prototype.next.call(again)
          assert.strictEqual(told?.readUInt16LE(12), 18)
          const body = { _tag: "OplockBreakAcknowledgment", oplockLevel: 1, fileId: open.fileId } as const
          assert.strictEqual(await again.status({ _tag: "OPLOCK_BREAK", body }), 0)
        }
        assert.strictEqual((await waiting).status, 0)
        assert.strictEqual(await again.write(open.fileId, "text"), 0)
      })
  )

  it("loses its oplock, and not its place, if its client stays away longer than breakTime", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = await lost.create("f", [], { requestedOplockLevel: BATCH })
      assert.strictEqual(await lost.status(resiliency(open, 60_000)), 0)
      const other = await connect(2)
      lost.close()
      assert.strictEqual((await other.create("f")).status, 0)
      const again = await connect(1)
      assert.deepInclude(await again.create("f", [oldReconnect(open)]), {
        status: 0,
        fileId: open.fileId,
        oplockLevel: 0
      })
    }, { breakTime: "50 millis" }))

  it("keeps a name that is marked for deletion until its timeout", () =>
    withClients(async (connect) => {
      const lost = await connect(1)
      const open = await lost.create("f")
      assert.strictEqual(await lost.status(resiliency(open, 100)), 0)
      assert.strictEqual(await lost.set(open.fileId, 13, Uint8Array.of(1)), 0)
      const other = await connect(2)
      lost.close()
      assert.strictEqual((await other.create("f")).status, status.DELETE_PENDING)
      const look = async () => (await other.create("f", [], { createDisposition: 1 })).status
      await until(look, status.OBJECT_NAME_NOT_FOUND)
    }))
})
