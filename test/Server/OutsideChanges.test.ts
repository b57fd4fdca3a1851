/**
 * Proves that the server notices what other programs change in a served folder: it reports the changes to watching
 * clients, breaks oplocks and leases, and grants none where a store cannot report changes. The other programs are real
 * calls of the file system, or a scripted `changes` of a store.
 */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer, Logger, Redacted, References, Stream } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Codec } from "effect-smb/Codec"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { type ShareStore, storeError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import {
  CreateDisposition,
  GenericAccess,
  ImpersonationLevel,
  OplockLevel,
  ShareAccess
} from "../../src/Smb2/Message/Constants.ts"
import type * as CreateContext from "../../src/Smb2/Message/CreateContext.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as LeaseClient from "./LeaseClient.ts"
import { link } from "./people.ts"
import { RawClient } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.28.14"

const joe = Credentials.password("joe", Redacted.make("secret"))

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "outside-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** A server that serves a folder, and a client of it. */
const world = Effect.gen(function*() {
  const path = yield* folder
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: LocalStore.make(path) },
    signing: "enabled"
  })
  const { smb } = yield* Effect.map(
    Layer.build(
      SmbClient.layer({}).pipe(
        Layer.provide([TcpTransport.layer(), Credentials.layer(joe)])
      )
    ),
    (context) => ({ smb: Context.get(context, SmbClient.SmbClient) })
  )
  return { path, port, smb, base: `\\\\${host}:${port}\\data` }
})

/** A server with a memory store that reports changes as `changes` does, and the events that it logs about that. */
const told = Effect.fnUntraced(function*(changes: NonNullable<ShareStore["changes"]>) {
  const events: Array<unknown> = []
  const logger = Logger.make(({ fiber }) => {
    const { event } = fiber.getRef(References.CurrentLogAnnotations)
    if (event === "changes not told") events.push(event)
  })
  const store = yield* MemoryStore.make()
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: { ...store, changes } },
    signing: "enabled"
  }).pipe(Effect.provide(Logger.layer([logger])))
  const client = new LeaseClient.LeaseClient(host, port, 7)
  yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
  assert.isTrue(yield* Effect.promise(() => client.begin("data", joe)))
  const create = (...how: Parameters<LeaseClient.LeaseClient["create"]>) => Effect.promise(() => client.create(...how))
  return { client, create, events, port }
})

const rwh = LeaseClient.READ | LeaseClient.WRITE | LeaseClient.HANDLE
const busy = storeError("Busy")

const { SMB2_OPLOCK_LEVEL_BATCH: batch, SMB2_OPLOCK_LEVEL_EXCLUSIVE: exclusive, SMB2_OPLOCK_LEVEL_LEASE } = OplockLevel

/** Opens with an oplock of this level. Returns the response. */
const open = (raw: RawClient, name: string, requestedOplockLevel: number, lease?: CreateContext.Request) =>
  Effect.promise(async () => {
    const answer = await raw.ask({
      _tag: "CREATE",
      body: {
        securityFlags: 0,
        requestedOplockLevel,
        impersonationLevel: ImpersonationLevel.Impersonation,
        smbCreateFlags: 0n,
        desiredAccess: GenericAccess.FILE_GENERIC_READ | GenericAccess.FILE_GENERIC_WRITE,
        fileAttributes: 0,
        shareAccess: ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE,
        createDisposition: CreateDisposition.FILE_OPEN,
        createOptions: 0,
        name,
        createContexts: lease === undefined ? [] : [lease]
      }
    } as Message.Request)
    assert.strictEqual(answer?.readUInt32LE(8), 0)
    const decoded = Codec.decode("CREATE", Codec.at(Header.size, Message.messages.CREATE.response))(answer!)
    assert(decoded._tag === "Success")
    return decoded.success
  })

it.live("a CHANGE_NOTIFY gives each change by another program once, and below subfolders only if it is recursive", () =>
  Effect.gen(function*() {
    const { base, path, smb } = yield* world
    Fs.mkdirSync(join(path, "d"))
    const flat: Array<string> = []
    const deep: Array<string> = []
    for (const [seen, recursive] of [[flat, false], [deep, true]] as const) {
      const started = yield* Latch.make()
      yield* Effect.forkScoped(
        Stream.runForEach(
          smb.watch(base, { recursive, onStart: Effect.asVoid(started.open) }),
          (change) =>
            Effect.sync(() => seen.push(change._tag === "Change" ? `${change.action} ${change.name}` : change._tag))
        )
      )
      yield* started.await
    }
    const until = (isSeen: (seen: ReadonlyArray<string>) => boolean, act = () => {}) =>
      Effect.gen(function*() {
        while (![flat, deep].every(isSeen)) {
          act()
          yield* Effect.sleep(5)
        }
      })
    // Changes before the platform begins to watch are not reported.
    let probes = 0
    yield* until(
      (seen) => seen.some((line) => line.startsWith(seen === flat ? "added probe" : "added d\\probe")),
      () => {
        for (const folder of [path, join(path, "d")]) Fs.writeFileSync(join(folder, `probe${probes}`), "x")
        probes++
      }
    )
    Fs.writeFileSync(join(path, "theirs"), "x")
    Fs.writeFileSync(join(path, "d", "deep"), "x")
    yield* smb.writeFile(`${base}\\ours`, "y")
    yield* until((seen) => seen.includes("added theirs"))
    Fs.rmSync(join(path, "theirs"))
    yield* until((seen) => seen.includes("removed theirs"))
    // Everything before this change was reported before it.
    Fs.writeFileSync(join(path, "last"), "x")
    yield* until((seen) => seen.includes("added last"))
    // The later change of the new file's content may be reported too.
    const of = (seen: ReadonlyArray<string>, name: string) =>
      seen.filter((line) => line.endsWith(` ${name}`) && !line.startsWith("modified"))
    for (const seen of [flat, deep]) {
      assert.deepStrictEqual(of(seen, "theirs"), ["added theirs", "removed theirs"])
      assert.deepStrictEqual(of(seen, "ours"), ["added ours"])
    }
    assert.deepStrictEqual(of(flat, "d\\deep"), [])
    assert.deepStrictEqual(of(deep, "d\\deep"), ["added d\\deep"])
  }).pipe(Effect.scoped))

it.live("an oplock or lease of a file is broken when another program changes or replaces the file", () =>
  Effect.gen(function*() {
    const { path, port } = yield* world
    for (const name of ["one", "two", "three"]) Fs.writeFileSync(join(path, name), "old")
    const raw = new RawClient(host, port)
    assert.isTrue(yield* Effect.promise(() => raw.logOn("data", joe)))
    const one = yield* open(raw, "one", batch)
    const two = yield* open(raw, "two", exclusive)
    assert.deepStrictEqual([one.oplockLevel, two.oplockLevel], [batch, exclusive])
    Fs.appendFileSync(join(path, "one"), "new")
    const broken = yield* Effect.promise(() => raw.next(2000))
    assert(broken !== undefined)
    const notice = Codec.decode("break", Codec.at(Header.size, Message.messages.OPLOCK_BREAK.response))(broken)
    assert(notice._tag === "Success")
    assert.deepStrictEqual(notice.success, { _tag: "OplockBreak", oplockLevel: 0, fileId: one.fileId })

    // The oplock of the second file is kept: the next two messages are the response and the break of the third file.
    const leaseKey = new Uint8Array(16).fill(5)
    const three = yield* open(raw, "three", SMB2_OPLOCK_LEVEL_LEASE, {
      _tag: "RequestLease",
      leaseKey,
      leaseState: rwh,
      leaseFlags: 0
    })
    assert.strictEqual(three.oplockLevel, SMB2_OPLOCK_LEVEL_LEASE)
    // Another file replaces it, as editors do.
    Fs.writeFileSync(join(path, "new"), "new")
    Fs.renameSync(join(path, "new"), join(path, "three"))
    const lost = yield* Effect.promise(() => raw.next(2000))
    assert(lost !== undefined)
    const lease = Codec.decode("break", Codec.at(Header.size, Message.messages.OPLOCK_BREAK.response))(lost)
    assert(lease._tag === "Success" && lease.success._tag === "LeaseBreakNotification")
    const { currentLeaseState, newLeaseState } = lease.success
    assert.deepStrictEqual([lease.success.leaseKey, currentLeaseState, newLeaseState], [leaseKey, rwh, 0])
    raw.close()
  }).pipe(Effect.scoped))

it.live("a directory lease is broken when another program creates a file in the directory", () =>
  Effect.gen(function*() {
    const { path, port } = yield* world
    for (const name of ["d", join("d", "below"), "other"]) Fs.mkdirSync(join(path, name))
    const client = new LeaseClient.LeaseClient(host, port, 3)
    assert.isTrue(yield* Effect.promise(() => client.begin("data", joe)))
    const { leaseState } = yield* Effect.promise(() =>
      client.create("d", [LeaseClient.lease(4, LeaseClient.READ | LeaseClient.HANDLE)], Requests.directory)
    )
    assert.strictEqual(leaseState, LeaseClient.READ | LeaseClient.HANDLE)
    // Changes in other directories break nothing here: a lease of the root is broken first, for the last of them.
    const root = yield* Effect.promise(() =>
      client.create("", [LeaseClient.lease(5, LeaseClient.READ | LeaseClient.HANDLE)], {
        createOptions: 1,
        desiredAccess: 0x0010_0081
      })
    )
    assert.strictEqual(root.leaseState, LeaseClient.READ | LeaseClient.HANDLE)
    for (const name of ["d/below/x", "other/x", "x"]) Fs.writeFileSync(join(path, name), "x")
    assert.deepStrictEqual((yield* Effect.promise(() => client.nextBreak()))?.leaseKey, LeaseClient.key(5))
    Fs.writeFileSync(join(path, "d", "theirs"), "x")
    const broken = yield* Effect.promise(() => client.nextBreak())
    assert.deepStrictEqual(broken?.leaseKey, LeaseClient.key(4))
    assert.strictEqual(broken?.newLeaseState, 0)
    client.close()
  }).pipe(Effect.scoped))

it.live("no oplock or lease is granted when the store cannot listen for changes, and the log says so once", () =>
  Effect.gen(function*() {
    const { create, events } = yield* told(() => Stream.fail(busy))
    for (const [name, number] of [["one", 1], ["two", 2]] as const) {
      assert.strictEqual((yield* create(name, [LeaseClient.lease(number, rwh)])).leaseState, 0)
    }
    assert.strictEqual((yield* create("three", [], { requestedOplockLevel: batch })).oplockLevel, 0)
    const asked = LeaseClient.READ | LeaseClient.HANDLE
    assert.strictEqual((yield* create("d", [LeaseClient.lease(3, asked)], Requests.directory)).leaseState, 0)
    assert.deepStrictEqual(events, ["changes not told"])
  }).pipe(Effect.scoped))

it.live("a lease is granted only after the store has begun to listen", () =>
  Effect.gen(function*() {
    const listens = yield* Latch.make()
    const asked = yield* Latch.make()
    const { create, port } = yield* told((_directory, { onStart = () => Effect.void }) =>
      Stream.fromEffect(
        asked.open.pipe(Effect.andThen(listens.await), Effect.andThen(onStart(true)), Effect.andThen(Effect.never))
      )
    )
    const opened = yield* Effect.forkChild(create("one", [LeaseClient.lease(1, rwh)]))
    yield* asked.await
    // A response would have come before those of a whole logon.
    const other = new LeaseClient.LeaseClient(host, port, 8)
    yield* Effect.addFinalizer(() => Effect.sync(() => other.close()))
    assert.isTrue(yield* Effect.promise(() => other.begin("data", joe)))
    assert.isUndefined(opened.pollUnsafe())
    yield* listens.open
    assert.strictEqual((yield* Fiber.join(opened)).leaseState, rwh)
  }).pipe(Effect.scoped))

it.live("leases in a folder are broken when the store stops listening there, and a lease in another folder stays", () =>
  Effect.gen(function*() {
    const fails = yield* Latch.make()
    const { client, create } = yield* told((directory, { onStart = () => Effect.void }) =>
      Stream.fromEffect(
        Effect.andThen(
          onStart(true),
          directory.length === 0 ? Effect.andThen(fails.await, Effect.fail(busy)) : Effect.never
        )
      )
    )
    yield* create("d", [], Requests.directory)
    assert.strictEqual((yield* create("one", [LeaseClient.lease(1, rwh)])).leaseState, rwh)
    assert.strictEqual((yield* create("d\\two", [LeaseClient.lease(2, rwh)])).leaseState, rwh)
    yield* fails.open
    const lost = yield* Effect.promise(() => client.nextBreak())
    assert.deepStrictEqual([lost?.leaseKey, lost?.newLeaseState], [LeaseClient.key(1), 0])
    // The other lease still exists, with all its rights.
    assert.strictEqual((yield* create("d\\two", [LeaseClient.lease(2, rwh)])).leaseState, rwh)
    assert.isUndefined(yield* Effect.promise(() => client.nextBreak(0)))
  }).pipe(Effect.scoped))

it.live("a lease stays when its client changes the file, and when another program changes other files", () =>
  Effect.gen(function*() {
    const { path, port } = yield* world
    for (const name of ["held", "last", "other"]) Fs.writeFileSync(join(path, name), "old")
    const client = new LeaseClient.LeaseClient(host, port, 3)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    yield* Effect.promise(async () => {
      assert.isTrue(await client.begin("data", joe))
      const held = await client.create("held", [LeaseClient.lease(1, rwh)])
      assert.strictEqual(held.leaseState, rwh)
      assert.strictEqual((await client.create("last", [LeaseClient.lease(2, rwh)])).leaseState, rwh)
      assert.strictEqual(await client.write(held.fileId, "by the client"), 0)
      const endOfFile = new Uint8Array(8).fill(3, 0, 1)
      assert.strictEqual(await client.set(held.fileId, 20, endOfFile), 0)
      Fs.appendFileSync(join(path, "other"), "more")
      Fs.renameSync(join(path, "other"), join(path, "another"))
      Fs.rmSync(join(path, "another"))
      // A change of the last file is reported after all of these, and breaks its lease alone.
      Fs.appendFileSync(join(path, "last"), "more")
      assert.deepStrictEqual((await client.nextBreak())?.leaseKey, LeaseClient.key(2))
      assert.strictEqual((await client.create("held", [LeaseClient.lease(1, rwh)])).leaseState, rwh)
      assert.isUndefined(await client.nextBreak(0))
      // The lease is not just forgotten: a change by another program breaks it.
      Fs.appendFileSync(join(path, "held"), "by another program")
      assert.deepStrictEqual((await client.nextBreak())?.leaseKey, LeaseClient.key(1))
    })
  }).pipe(Effect.scoped))

it.live("a lease is broken when another program moves its folder away", () =>
  Effect.gen(function*() {
    const { path, port } = yield* world
    Fs.mkdirSync(join(path, "d"))
    Fs.writeFileSync(join(path, "d", "f"), "old")
    const client = new LeaseClient.LeaseClient(host, port, 3)
    assert.isTrue(yield* Effect.promise(() => client.begin("data", joe)))
    const { leaseState } = yield* Effect.promise(() => client.create("d\\f", [LeaseClient.lease(4, rwh)]))
    assert.strictEqual(leaseState, rwh)
    Fs.renameSync(join(path, "d"), join(path, "away"))
    const broken = yield* Effect.promise(() => client.nextBreak())
    assert.deepStrictEqual([broken?.leaseKey, broken?.newLeaseState], [LeaseClient.key(4), 0])
    client.close()
  }).pipe(Effect.scoped))

/** Ways in which a path comes to lead to another directory: the server must listen to the new one then. */
const swaps: Record<
  string,
  { readonly at: string; readonly begin: (path: string) => void; readonly swap: (path: string) => void }
> = {
  "a folder above has been moved away, and another one has its path": {
    at: "a\\b",
    begin: (path) => Fs.mkdirSync(join(path, "a", "b"), { recursive: true }),
    swap: (path) => {
      Fs.renameSync(join(path, "a"), join(path, "away"))
      Fs.mkdirSync(join(path, "a", "b"), { recursive: true })
    }
  },
  "a symbolic link leads to another folder": {
    at: "link",
    begin: (path) => {
      for (const name of ["one", "two"]) Fs.mkdirSync(join(path, name))
      Fs.symlinkSync("one", join(path, "link"))
    },
    swap: (path) => {
      Fs.unlinkSync(join(path, "link"))
      Fs.symlinkSync("two", join(path, "link"))
    }
  }
}
for (const [name, { at, begin, swap }] of Object.entries(swaps)) {
  it.live(`a lease is broken by a change in the folder that holds the file, also if ${name}`, () =>
    Effect.gen(function*() {
      const { path, port } = yield* world
      const file = join(path, ...at.split("\\"), "f")
      begin(path)
      Fs.writeFileSync(file, "old")
      const client = new LeaseClient.LeaseClient(host, port, 3)
      yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
      yield* Effect.promise(async () => {
        assert.isTrue(await client.begin("data", joe))
        const before = await client.create(`${at}\\f`, [LeaseClient.lease(1, rwh)])
        assert.strictEqual(before.leaseState, rwh)
        assert.strictEqual(await client.shut(before.fileId), 0)
        swap(path)
        Fs.writeFileSync(file, "other")
        assert.strictEqual((await client.create(`${at}\\f`, [LeaseClient.lease(2, rwh)])).leaseState, rwh)
        Fs.appendFileSync(file, "more")
        const broken = await client.nextBreak()
        assert.deepStrictEqual([broken?.leaseKey, broken?.newLeaseState], [LeaseClient.key(2), 0])
      })
    }).pipe(Effect.scoped))
}

it.live("no lease is granted for a file with a symbolic link or a hard link to it in another folder", () =>
  Effect.gen(function*() {
    const { path, port } = yield* world
    Fs.mkdirSync(join(path, "d"))
    for (const name of ["led", "linked", "given"]) Fs.writeFileSync(join(path, "d", name), "old")
    Fs.symlinkSync(join("d", "led"), join(path, "led"))
    Fs.linkSync(join(path, "d", "linked"), join(path, "linked"))
    const client = new LeaseClient.LeaseClient(host, port, 3)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    yield* Effect.promise(async () => {
      assert.isTrue(await client.begin("data", joe))
      const granted = async (name: string, number: number) =>
        (await client.create(name, [LeaseClient.lease(number, rwh)])).leaseState
      assert.deepStrictEqual([await granted("led", 1), await granted("linked", 2), await granted("d\\linked", 3)], [
        0,
        0,
        0
      ])
      // A lease is broken when a client gives the file another name.
      const { fileId, leaseState } = await client.create("d\\given", [LeaseClient.lease(5, rwh)])
      assert.strictEqual(leaseState, rwh)
      assert.strictEqual(await client.status(link(fileId, "given")), 0)
      assert.deepStrictEqual((await client.nextBreak())?.leaseKey, LeaseClient.key(5))
    })
  }).pipe(Effect.scoped))

it.live("a watch of a new client sees the new folder at a path after the old parent folder was moved away", () =>
  Effect.gen(function*() {
    const { path, port } = yield* world
    const clients = [new RawClient(host, port), new RawClient(host, port)]
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(async () => {
      for (const [turn, client] of clients.entries()) {
        Fs.mkdirSync(join(path, "a", "b"), { recursive: true })
        assert.isTrue(await client.logOn("data", joe))
        const folder = await client.open("a\\b", Requests.directory)
        assert(typeof folder === "object")
        // Changes before the platform begins to watch are not reported.
        for (let count = 0, told = ""; !told.includes(`turn ${turn}`); count++) {
          assert.isBelow(count, 100)
          assert.strictEqual((await client.ask(Requests.notify(folder)))?.readUInt32LE(8), NtStatus.STATUS_PENDING)
          let answer: Buffer | undefined
          for (let tries = 0; answer === undefined && tries < 30; tries++) {
            Fs.writeFileSync(join(path, "a", "b", `turn ${turn} ${count} ${tries}`), "")
            answer = await client.next(50)
          }
          told = answer?.toString("utf16le") ?? assert.fail("nothing is told")
        }
        if (turn === 0) Fs.renameSync(join(path, "a"), join(path, "away"))
      }
    })
  }).pipe(Effect.scoped))

it.live("no lease is granted, and nothing is logged, when other machines can change the files unseen", () =>
  Effect.gen(function*() {
    const { create, events } = yield* told((_directory, { onStart = () => Effect.void }) =>
      Stream.fromEffect(Effect.andThen(onStart(false), Effect.never))
    )
    assert.strictEqual((yield* create("one", [LeaseClient.lease(1, rwh)])).leaseState, 0)
    // The user of the server cannot change that: no log.
    assert.deepStrictEqual(events, [])
  }).pipe(Effect.scoped))

it("isNetworkType is true for NFS, CIFS and SMB2 file systems, and false for local ones", () => {
  for (const nfs of [0x6969n, 0xff534d42n, 0xfe534d42n]) assert.isTrue(Local.isNetworkType(nfs))
  for (const own of [0xef53n, 0x58465342n, 0x01021994n, 0x794c7630n]) assert.isFalse(Local.isNetworkType(own))
})
