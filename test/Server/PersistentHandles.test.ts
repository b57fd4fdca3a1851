/**
 * Proves which opens are persistent (MS-SMB2 3.3.5.9.10), and which client gets them back from a server that starts
 * after the first one has ended at once, as by SIGKILL (3.3.5.9.12): with raw clients of dialect 3.0, over a store in
 * memory. What other clients get while it waits is in `PersistentConflicts.test.ts`; of locks, leases, deletions and
 * replays in `PersistentState.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as OpenStore from "../../src/Server/OpenStore.ts"
import * as ServerMetrics from "../../src/Server/ServerMetrics.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { HANDLE, key, lease, READ, WRITE } from "./LeaseClient.ts"
import { ann, failed, granted, PERSISTENT_HANDLES, reconnect, request, withRestarts } from "./Restarts.ts"

const host = "127.0.38.17"
const ALL = READ | HANDLE | WRITE
const BATCH = 9
const { STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_NOT_FOUND } = NtStatus
/** SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY. */
const CONTINUOUS_AVAILABILITY = 0x10

describe("a continuously available share", () => {
  it("is announced with persistent handles to clients that have them, and the other share is not", () =>
    withRestarts(host, async ({ connect }) => {
      const one = await connect(1)
      assert.strictEqual(one.serverCapabilities & PERSISTENT_HANDLES, PERSISTENT_HANDLES)
      assert.strictEqual(one.shareCapabilities & CONTINUOUS_AVAILABILITY, CONTINUOUS_AVAILABILITY)
      const two = await connect(2, { share: "other" })
      assert.strictEqual(two.shareCapabilities & CONTINUOUS_AVAILABILITY, 0)
      const three = await connect(3, { capabilities: 0 })
      assert.strictEqual(three.serverCapabilities & PERSISTENT_HANDLES, 0)
    }))

  it("makes an open persistent without an oplock or a lease, for 60 s or the time that the client asks for", () =>
    withRestarts(host, async ({ connect }) => {
      const one = await connect(1)
      assert.deepStrictEqual(granted(await one.create("a", [request(1)])), { timeout: 60_000, flags: 2 })
      assert.deepStrictEqual(granted(await one.create("b", [request(2, 5000)])), { timeout: 5000, flags: 2 })
      const longest = await one.create("c", [request(3, 0xffff_ffff), lease(3, READ)])
      assert.deepStrictEqual(granted(longest), { timeout: 90_000, flags: 2 })
    }, { limits: { persistentTime: "90 seconds" } }))

  it("gives no persistent open to a client without the capability, by another share, to a directory, or to a guest", () =>
    withRestarts(host, async ({ connect, opens }) => {
      const batch = { requestedOplockLevel: BATCH }
      const without = await connect(1, { capabilities: 0 })
      assert.deepStrictEqual(granted(await without.create("a", [request(1)], batch)), { timeout: 60_000, flags: 0 })
      assert.isUndefined(granted(await without.create("b", [request(2)])))
      const other = await connect(2, { share: "other" })
      assert.deepStrictEqual(granted(await other.create("c", [request(1)], batch)), { timeout: 60_000, flags: 0 })
      const one = await connect(3)
      const directory = { createOptions: 1, desiredAccess: 0x0010_0081 }
      assert.isUndefined(granted(await one.create("d", [request(1)], directory)))
      assert.deepStrictEqual(granted(await one.create("e", [request(2, 0, 0)], batch)), { timeout: 60_000, flags: 0 })
      const guest = await connect(4, { user: Credentials.anonymous })
      assert.isUndefined(granted(await guest.create("f", [request(1)], batch)))
      assert.strictEqual(opens().commits.length, 0)
    }))

  it.each([["durables"], ["userDurables"]] as const)(
    "makes no more opens persistent than the limit %s allows",
    (limit) =>
      withRestarts(host, async ({ connect }) => {
        const one = await connect(1)
        const first = await one.create("a", [request(1)])
        assert.strictEqual(granted(first)?.flags, 2)
        assert.isUndefined(granted(await one.create("b", [request(2)])))
        assert.strictEqual(await one.shut(first.fileId), 0)
        assert.strictEqual(granted(await one.create("c", [request(3)]))?.flags, 2)
      }, { limits: { [limit]: 1 } })
  )

  it("has an open in its OpenStore before the CREATE is answered, and until the CLOSE is answered", () =>
    withRestarts(host, async ({ connect, opens }) => {
      const one = await connect(1)
      const open = await one.create("a", [request(1)])
      assert.deepStrictEqual([...opens().entries.values()].map(({ part }) => part), ["open"])
      // One commit before the file is made, one when it is open; a file that exists needs one.
      assert.strictEqual(opens().commits.length, 2)
      assert.strictEqual((await one.create("a", [request(2)])).status, 0)
      assert.strictEqual(opens().commits.length, 3)
      // Nothing else is written: not for other opens, and not for what an open does with its file.
      const other = await one.create("b")
      assert.strictEqual(await one.write(open.fileId, "text"), 0)
      assert.strictEqual(await one.shut(other.fileId), 0)
      assert.strictEqual(opens().commits.length, 3)
      assert.strictEqual(await one.shut(open.fileId), 0)
      assert.strictEqual(opens().entries.size, 1)
      assert.strictEqual(opens().commits.length, 4)
    }))

  it("says that an open is not persistent if its OpenStore cannot be written", () =>
    withRestarts(host, async ({ connect, crash, opens }) => {
      const one = await connect(1)
      opens().before = () => Effect.fail(failed())
      assert.isUndefined(granted(await one.create("a", [request(1)])))
      const batch = await one.create("b", [request(2)], { requestedOplockLevel: BATCH })
      assert.deepStrictEqual(granted(batch), { timeout: 60_000, flags: 0 })
      opens().before = () => Effect.void
      assert.strictEqual(granted(await one.create("c", [request(3)]))?.flags, 2)
      await crash()
      const again = await connect(1)
      const lost = await again.create("b", [reconnect(batch, 2)])
      assert.strictEqual(lost.status, STATUS_OBJECT_NAME_NOT_FOUND)
    }))

  it("does not start without an OpenStore, and not over a store whose files cannot be recognized later", async () => {
    const reasonOf = async (openStore: OpenStore.OpenStore["Service"] | undefined, lastingIdentities: boolean) => {
      const scope = Scope.makeUnsafe()
      const memory = await Effect.runPromise(MemoryStore.make())
      const store = {
        ...memory,
        volume: Effect.map(memory.volume, (volume) => ({
          ...volume,
          supports: { ...volume.supports, lastingIdentities }
        }))
      }
      const made = SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({}),
        openStore,
        shares: { data: { store, continuousAvailability: true } }
      })
      const error = await Effect.runPromise(Effect.flip(Scope.provide(made, scope)))
      await Effect.runPromise(Scope.close(scope, Exit.void))
      assert.include(error.message, "data")
      return error._tag === "OpenStoreError" ? error.reason : undefined
    }
    assert.deepStrictEqual(await reasonOf(undefined, true), { _tag: "NoOpenStore", share: "data" })
    const unsuitable = await reasonOf(OpenStore.inMemory(), false)
    assert.deepStrictEqual(unsuitable, { _tag: "ShareStoreUnsuitable", share: "data" })
  })

  it("does not start while another server uses the OpenStore, and starts when that server has stopped", async () => {
    const openStore = OpenStore.inMemory()
    const make = (scope: Scope.Scope) =>
      Scope.provide(
        SmbServer.make({
          host,
          port: 0,
          users: UserStore.inMemory({ joe: Redacted.make("secret") }),
          openStore,
          shares: { data: { store: MemoryStore.make(), continuousAvailability: true } }
        }),
        scope
      )
    const [first, second] = [Scope.makeUnsafe(), Scope.makeUnsafe()]
    await Effect.runPromise(make(first))
    const error = await Effect.runPromise(Effect.flip(make(second)))
    assert.deepStrictEqual(error._tag === "OpenStoreError" && error.reason, { _tag: "InUse", store: "memory" })
    await Effect.runPromise(Scope.close(first, Exit.void))
    await Effect.runPromise(make(second))
    await Effect.runPromise(Scope.close(second, Exit.void))
  })
})

describe("a persistent open", () => {
  it("is given back by the next server to its user, with its FileId, CreateGuid and the persistent flag", () =>
    withRestarts(host, async ({ connect, crash, statistics }) => {
      const lost = await connect(1)
      const open = await lost.create("a", [request(7)])
      assert.strictEqual(await lost.write(open.fileId, "text"), 0)
      await crash()
      assert.strictEqual((await statistics()).opens, 1)
      const again = await connect(2)
      const statusOf = async (...contexts: Parameters<typeof again.create>[1] & {}) =>
        (await again.create("a", contexts)).status
      assert.strictEqual(await statusOf(reconnect(open, 7, 0)), STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await statusOf(reconnect(open, 8)), STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await statusOf(reconnect(open, 7), lease(1, ALL)), STATUS_OBJECT_NAME_NOT_FOUND)
      const stranger = await connect(3, { user: ann })
      assert.strictEqual((await stranger.create("a", [reconnect(open, 7)])).status, STATUS_ACCESS_DENIED)
      const guest = await connect(3, { user: Credentials.anonymous })
      assert.strictEqual((await guest.create("a", [reconnect(open, 7)])).status, STATUS_ACCESS_DENIED)
      const other = await connect(1, { share: "other" })
      assert.strictEqual((await other.create("a", [reconnect(open, 7)])).status, STATUS_OBJECT_NAME_NOT_FOUND)
      const back = await again.create("a", [reconnect(open, 7)])
      assert.deepInclude(back, { status: 0, fileId: open.fileId })
      assert.strictEqual(await again.write(open.fileId, "more"), 0)
      // It has its client again.
      assert.strictEqual(await statusOf(reconnect(open, 7)), STATUS_OBJECT_NAME_NOT_FOUND)
      assert.strictEqual(await again.shut(open.fileId), 0)
    }))

  it("is found by its CreateGuid if the server has no open with the FileId, by clients that ask for that alone", () =>
    withRestarts(host, async ({ connect, crash }) => {
      const lost = await connect(1)
      const open = await lost.create("a", [request(7)])
      await crash()
      const other = { fileId: { persistent: open.fileId.persistent + 77n, volatile: 0n } }
      const without = await connect(1, { capabilities: 0 })
      const refused = await without.create("a", [reconnect(other, 7)])
      assert.strictEqual(refused.status, STATUS_OBJECT_NAME_NOT_FOUND)
      const again = await connect(1)
      assert.deepInclude(await again.create("a", [reconnect(other, 7)]), { status: 0, fileId: open.fileId })
    }))

  it("with a lease is given back only to its client, by its key and its name", () =>
    withRestarts(host, async ({ connect, crash }) => {
      const lost = await connect(1)
      const open = await lost.create("a", [request(7), lease(1, ALL)])
      assert.strictEqual(open.leaseState, ALL)
      await crash()
      const refused = await (await connect(2)).create("a", [reconnect(open, 7), lease(1, ALL)])
      assert.strictEqual(refused.status, STATUS_OBJECT_NAME_NOT_FOUND)
      const again = await connect(1)
      for (const contexts of [[reconnect(open, 7)], [reconnect(open, 7), lease(2, ALL)]]) {
        assert.strictEqual((await again.create("a", contexts)).status, STATUS_OBJECT_NAME_NOT_FOUND)
      }
      const elsewhere = await again.create("b", [reconnect(open, 7), lease(1, ALL)])
      assert.strictEqual(elsewhere.status, NtStatus.STATUS_INVALID_PARAMETER)
      const back = await again.create("a", [reconnect(open, 7), lease(1, ALL)])
      assert.deepInclude(back, { status: 0, fileId: open.fileId, leaseState: ALL })
    }))

  it("keeps its place over several restarts, next to the opens of later servers with other numbers", () =>
    withRestarts(host, async ({ connect, crash }) => {
      const first = await (await connect(1)).create("a", [request(1)])
      await crash()
      const second = await (await connect(2)).create("b", [request(2)])
      await crash()
      const third = await (await connect(3)).create("c", [request(3)])
      const ids = [first, second, third].map(({ fileId }) => fileId.persistent)
      assert.strictEqual(new Set(ids).size, 3)
      // Lists of open files show the low half.
      assert.strictEqual(new Set(ids.map((id) => id & 0xffff_ffffn)).size, 3)
      const again = await connect(4)
      assert.strictEqual((await again.create("a", [reconnect(first, 1)])).status, 0)
      assert.strictEqual((await again.create("b", [reconnect(second, 2)])).status, 0)
    }))

  it("whose file has gone, or is another one now, is not given back", () =>
    withRestarts(host, async ({ connect, crash, opens, statistics }) => {
      const lost = await connect(1)
      const [gone, replaced] = [await lost.create("gone", [request(1)]), await lost.create("replaced", [request(2)])]
      await crash(async (files) => {
        await Effect.runPromise(files.remove(["gone"]))
        await Effect.runPromise(files.remove(["replaced"]))
        await Effect.runPromise(Effect.scoped(files.open(["replaced"], { mode: "new", type: "file" })))
      })
      assert.strictEqual((await statistics()).opens, 0)
      assert.strictEqual(opens().entries.size, 0)
      const again = await connect(1)
      assert.strictEqual((await again.create("gone", [reconnect(gone, 1)])).status, STATUS_OBJECT_NAME_NOT_FOUND)
      const other = await again.create("replaced", [reconnect(replaced, 2)])
      assert.strictEqual(other.status, STATUS_OBJECT_NAME_NOT_FOUND)
    }))

  it("of a lost connection is given back by the same server", () =>
    withRestarts(host, async ({ connect, statistics }) => {
      const lost = await connect(1)
      const open = await lost.create("a", [request(1)])
      lost.close()
      const again = await connect(1)
      while ((await statistics()).sessions > 1) await new Promise((resolve) => setTimeout(resolve, 2))
      assert.strictEqual((await again.create("a", [reconnect(open, 1)])).status, 0)
    }))

  it("counts as restored or lost, then as reclaimed or expired", () =>
    withRestarts(host, async ({ connect, crash, statistics }) => {
      const count = (
        counter: { readonly valueUnsafe: (context: Context.Context<never>) => { readonly count: number } }
      ) => counter.valueUnsafe(Context.empty()).count
      const { expiredOpens, reclaimedOpens, restoredOpens } = ServerMetrics
      const counts = () => [
        count(restoredOpens.of("restored")),
        count(restoredOpens.of("lost")),
        count(reclaimedOpens.of("persistent")),
        count(expiredOpens.of("persistent"))
      ]
      const before = counts()
      const lost = await connect(1)
      const open = await lost.create("a", [request(1)])
      assert.strictEqual((await lost.create("gone", [request(2)])).status, 0)
      assert.strictEqual((await lost.create("late", [request(3, 1)])).status, 0)
      await crash((files) => Effect.runPromise(Effect.orDie(files.remove(["gone"]))))
      assert.strictEqual((await (await connect(1)).create("a", [reconnect(open, 1)])).status, 0)
      while ((await statistics()).opens > 1) await new Promise((resolve) => setTimeout(resolve, 2))
      assert.deepStrictEqual(counts().map((now, i) => now - before[i]!), [2, 1, 1, 1])
    }))

  it("of an earlier server has a number that a later server gives to no other open", () =>
    withRestarts(host, async ({ connect, crash }) => {
      const old = await (await connect(1)).create("a", [request(1, 0, 0)], { requestedOplockLevel: BATCH })
      await crash()
      const lost = await connect(1)
      const next = await lost.create("b", [{ _tag: "DurableHandleRequest" }], { requestedOplockLevel: BATCH })
      assert.notStrictEqual(next.fileId.persistent, old.fileId.persistent)
    }))
})

it("refuses opens of another version, and damaged ones", async () => {
  const lines: Array<readonly [string, string]> = []
  await withRestarts(host, async ({ connect, opens }) => {
    await (await connect(1)).create("a", [request(1)])
    for (const { part, value } of opens().entries.values()) lines.push([part, value])
  })
  const [[part, value] = ["", ""]] = lines
  assert.strictEqual(part, "open")
  const reasonOf = async (entries: ReadonlyArray<OpenStore.Entry>) => {
    const scope = Scope.makeUnsafe()
    const made = SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      openStore: { claim: Effect.succeed({ place: "here", entries, commit: () => Effect.void }) },
      shares: { data: { store: MemoryStore.make(), continuousAvailability: true } }
    })
    const result = await Effect.runPromise(Effect.match(Scope.provide(made, scope), {
      onFailure: (error) => error._tag === "OpenStoreError" ? error.reason : undefined,
      onSuccess: () => "started"
    }))
    await Effect.runPromise(Scope.close(scope, Exit.void))
    return typeof result === "string" ? result : result?._tag
  }
  const parsed = JSON.parse(value) as Record<string, unknown>
  const entry = (changes: object, part = "open") => ({
    open: 5n,
    part,
    value: JSON.stringify({ ...parsed, ...changes })
  })
  assert.strictEqual(await reasonOf([entry({})]), "started")
  assert.strictEqual(await reasonOf([entry({ version: 2 })]), "OtherVersion")
  for (
    const wrong of [
      [entry({ path: "a" })],
      [entry({ createGuid: "12" })],
      [entry({ grantedAccess: -1 })],
      [entry({}, "something")],
      [{ open: 5n, part: "open", value: "{" }],
      [{ ...entry({}), open: -1n }],
      [{ ...entry({}), open: 1n << 63n }],
      [entry({}), { open: 5n, part: "locks/1-0", value: "X" }],
      [entry({}), { open: 5n, part: "locks/0-1", value: "" }],
      [entry({}), { open: 5n, part: "locks/a-1", value: "X" }],
      [entry({}), { open: 5n, part: "sequences", value: "[[65,1]]" }],
      [entry({}), { open: 5n, part: "renaming", value: "7" }],
      [{ open: 6n, part: "locks/0-1", value: "X" }],
      [{ open: 6n, part: "creating", value: "{}" }],
      [entry({}), { open: 5n, part: "creating", value: "{}" }]
    ]
  ) assert.strictEqual(await reasonOf(wrong), "Damaged", JSON.stringify(wrong, (_, one) => String(one)))
  assert.isTrue(key(1).length === 16)
})
