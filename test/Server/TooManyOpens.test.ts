/**
 * Proves how the server handles one open more than a limit allows: it breaks the handle leases of files that the same
 * user's clients only keep open, and no leases of other users.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import type * as Limits from "../../src/Server/Limits.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { LeaseFlags, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import { createRequest, durable, HANDLE, key, lease, LeaseClient, opened, READ, statusOf } from "./LeaseClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.36.13"
const secret = Redacted.make("secret")
const tooMany = NtStatus.STATUS_TOO_MANY_OPENED_FILES
const pending = NtStatus.STATUS_PENDING

const within = async (
  limits: Partial<Limits.Limits>,
  use: (
    connect: (guid: number, user?: string) => Promise<LeaseClient>,
    opens: () => Promise<number>
  ) => Promise<void>
): Promise<void> => {
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: secret, ann: secret }),
      shares: { data: MemoryStore.make({ capacity: 1024 * 1024 }) },
      signing: "enabled",
      limits
    }).pipe(Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([]))))
  )
  const clients: Array<LeaseClient> = []
  try {
    await use(
      async (guid, user = "joe") => {
        const client = new LeaseClient(host, server.port, guid)
        clients.push(client)
        assert.isTrue(await client.begin("data", Credentials.password(user, secret)))
        return client
      },
      async () => (await Effect.runPromise(server.statistics)).opens
    )
  } finally {
    for (const client of clients) client.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Opens folders with leases, to keep their listings, as Linux and Windows do. */
const keepFolders = async (client: LeaseClient, from: number, count: number): Promise<Array<FileId>> => {
  const files: Array<FileId> = []
  for (let at = from; at < from + count; at++) {
    const { fileId, leaseState, status } = await client.create(`d${at}`, [lease(at, READ | HANDLE)], Requests.directory)
    assert.deepStrictEqual([status, leaseState], [0, READ | HANDLE])
    files.push(fileId)
  }
  return files
}

describe("one open more than allowed", () => {
  for (const limit of ["opens", "userOpens", "serverOpens"] as const) {
    it(`succeeds once the client closes a folder whose lease was broken for it, with limit ${limit}`, () =>
      within({ [limit]: 20 }, async (connect, opens) => {
        const one = await connect(1)
        const files = await keepFolders(one, 1, 20)
        const first = statusOf(await one.ask(createRequest("one more")))
        assert.strictEqual(first, pending)
        // The server breaks the leases of the oldest ones, eight at once.
        for (let at = 1; at <= 8; at++) {
          assert.deepInclude(await one.nextBreak(), {
            leaseKey: key(at),
            newLeaseState: READ,
            flags: LeaseFlags.SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED
          })
        }
        one.say(Requests.close(files[3]!))
        const answers = [await one.next(), await one.next()]
        const made = answers.find((answer) => answer!.readUInt16LE(12) === 5)
        assert.deepStrictEqual(answers.map(statusOf), [0, 0])
        assert.strictEqual(opened(made).status, 0)
        assert.strictEqual(await opens(), 20)
        assert.isUndefined(await one.nextBreak(50))
      }))
  }

  it("is refused when the client acknowledges each break and closes no file", () =>
    within({ opens: 2 }, async (connect) => {
      const one = await connect(1)
      await keepFolders(one, 1, 2)
      assert.strictEqual(statusOf(await one.ask(createRequest("one more"))), pending)
      for (let i = 0; i < 2; i++) {
        const told = (await one.nextBreak())!
        one.say({
          _tag: "OPLOCK_BREAK",
          body: { _tag: "LeaseBreakAcknowledgment", leaseKey: told.leaseKey, leaseState: told.newLeaseState }
        })
      }
      const answers = [await one.next(), await one.next(), await one.next()].map(statusOf)
      assert.deepStrictEqual(answers.toSorted(), [0, 0, tooMany].toSorted())
      // The server does not break a lease a second time for a file that is in use.
      assert.strictEqual(statusOf(await one.ask(createRequest("one more"))), tooMany)
    }))

  it("breaks no lease of a watched or locked file, and none of another user", () =>
    within({ serverOpens: 4 }, async (connect) => {
      const [one, two] = [await connect(1), await connect(2, "ann")]
      const theirs = await keepFolders(two, 1, 1)
      const [watched] = await keepFolders(one, 2, 1)
      assert.strictEqual(statusOf(await one.ask(Requests.notify(watched!))), pending)
      const { fileId } = await one.create("locked", [lease(3, READ | HANDLE)])
      assert.strictEqual(statusOf(await one.ask(Requests.lock(fileId, 0))), 0)
      assert.strictEqual((await one.create("plain")).status, 0)
      assert.strictEqual(statusOf(await one.ask(createRequest("one more"))), tooMany)
      assert.isUndefined(await one.nextBreak(50))
      assert.isUndefined(await two.nextBreak(50))
      assert.strictEqual(await two.shut(theirs[0]!), 0)
      assert.strictEqual((await one.create("one more")).status, 0)
    }))

  it("breaks a batch oplock too, and succeeds once its file is closed", () =>
    within({ opens: 1 }, async (connect) => {
      const one = await connect(1)
      const { fileId, oplockLevel } = await one.create("a", [], {
        requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
      })
      assert.strictEqual(oplockLevel, 9)
      assert.strictEqual(statusOf(await one.ask(createRequest("b"))), pending)
      const told = (await one.nextBreak()) as unknown as { readonly _tag: string; readonly oplockLevel: number }
      assert.deepInclude(told, { _tag: "OplockBreak", oplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_II })
      one.say(Requests.close(fileId))
      assert.deepStrictEqual([await one.next(), await one.next()].map(statusOf), [0, 0])
    }))

  it("replaces a durable open whose client is gone", () =>
    within({ userOpens: 2 }, async (connect, opens) => {
      const one = await connect(1)
      const kept = await one.create("a", [lease(1, READ | HANDLE), durable(1)])
      assert.strictEqual(kept.leaseState, READ | HANDLE)
      one.close()
      const two = await connect(2)
      assert.strictEqual((await two.create("b")).status, 0)
      assert.strictEqual(await opens(), 2)
      assert.strictEqual((await two.create("c")).status, 0)
      assert.strictEqual(await opens(), 2)
      assert.strictEqual((await two.create("d")).status, tooMany)
    }))

  it("is refused for each of 35 of 40 concurrent CREATE requests with a limit of 5", () =>
    within({ opens: 5 }, async (connect, opens) => {
      const one = await connect(1)
      for (let at = 0; at < 40; at++) one.say(createRequest(`f${at}`))
      const answers = []
      for (let at = 0; at < 40; at++) answers.push(statusOf(await one.next()))
      assert.strictEqual(answers.filter((status) => status === 0).length, 5)
      assert.strictEqual(answers.filter((status) => status === tooMany).length, 35)
      assert.strictEqual(await opens(), 5)
    }))
})
