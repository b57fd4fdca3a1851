/**
 * Proves that a file is one file by each share that leads to it: share modes, byte-range locks, leases, pending deletions
 * and notifications of one share count for the other, and a copy of a file onto itself keeps its bytes. A model of MS-FSA
 * 2.1.5.1.2.1 says which opens the server must refuse.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, type Scope } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import type { ShareStore, StoreError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, ShareAccess } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import { random } from "../random.ts"
import { HANDLE, lease, LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.78"
const secret = Redacted.make("secret")
const joe = Credentials.password("joe", secret)
const existing = { createDisposition: D.FILE_OPEN }
const toDelete = { ...existing, desiredAccess: A.DELETE }

const folder = Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.makeTempDirectoryScoped({ prefix: "effect-smb-shares-" })
)

type Two = readonly [ShareStore, ShareStore]

/** Two stores with the same files. */
const pairs: Record<string, Effect.Effect<Two, StoreError | Error, FileSystem.FileSystem | Scope.Scope>> = {
  "one MemoryStore": Effect.map(MemoryStore.make(), (store) => [store, store]),
  "a MemoryStore and a store that an app makes of it": Effect.map(
    MemoryStore.make(),
    (store) => [store, { ...store, stat: (path) => store.stat(path) }]
  ),
  "two LocalStores over one folder": Effect.flatMap(
    folder,
    (path) => Effect.all([LocalStore.make(path), LocalStore.make(`${path}/.`, { label: "other" })])
  ),
  "two FileSystemStores over one folder": Effect.gen(function*() {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* folder]
    return yield* Effect.all([FileSystemStore.make(fs, path), FileSystemStore.make(fs, `${path}/`)])
  })
}

const serve = ([one, other]: Two) =>
  SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: secret }),
    shares: { one, other: { store: other, comment: "the same files" } },
    signing: "enabled"
  })

for (const [what, make] of Object.entries(pairs)) {
  describe(`two shares of ${what}`, () => {
    const shared = (title: string, body: (one: LeaseClient, other: LeaseClient) => Promise<void>) =>
      it.live(title, () =>
        Effect.gen(function*() {
          const { port } = yield* serve(yield* make)
          const client = (guid: number, share: string) =>
            Effect.acquireRelease(
              Effect.promise(async () => {
                const made = new LeaseClient(host, port, guid)
                assert.isTrue(await made.begin(share, joe))
                return made
              }),
              (made) => Effect.sync(() => made.close())
            )
          const [one, other] = [yield* client(1, "one"), yield* client(2, "other")]
          yield* Effect.promise(async () => {
            const { fileId, status } = await one.create("f")
            assert.strictEqual(status, 0)
            assert.strictEqual(await one.write(fileId, "precious"), 0)
            await one.shut(fileId)
            await body(one, other)
          })
        }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

    const text = async (client: LeaseClient): Promise<string> => {
      const { fileId } = await client.create("f", [], existing)
      const answer = (await client.ask(Requests.read(fileId, 100)))!
      await client.shut(fileId)
      return answer.subarray(64 + 16).toString()
    }

    shared("refuse what the share modes of all opens forbid, and allow the rest", async (one, other) => {
      const below = random(20)
      const rights = [
        [A.FILE_READ_DATA, ShareAccess.FILE_SHARE_READ],
        [A.FILE_WRITE_DATA, ShareAccess.FILE_SHARE_WRITE],
        [A.DELETE, ShareAccess.FILE_SHARE_DELETE]
      ] as const
      interface Open {
        readonly client: LeaseClient
        readonly fileId: FileId
        /** The share modes that its rights need from others. */
        readonly needs: number
        readonly shares: number
      }
      let opens: Array<Open> = []
      const seen = { refusedByOther: 0, allowedNextToOther: 0 }
      for (let step = 0; step < 120; step++) {
        if (opens.length > 3) {
          const [closed] = opens.splice(below(opens.length), 1)
          assert.strictEqual(await closed!.client.shut(closed!.fileId), 0)
          continue
        }
        const client = below(2) === 0 ? one : other
        const held = rights.filter(() => below(3) === 0)
        const needs = held.reduce((all, [, share]) => all | share, 0)
        // Most opens share much: otherwise few could be open together.
        const shares = below(8) | below(8)
        const against = opens.filter((open) =>
          needs !== 0 && open.needs !== 0 && ((needs & ~open.shares) !== 0 || (open.needs & ~shares) !== 0)
        )
        const desiredAccess = held.reduce((all, [right]) => all | right, A.FILE_READ_ATTRIBUTES as number)
        const { fileId, status } = await client.create(step % 2 === 0 ? "f" : "F", [], {
          ...existing,
          desiredAccess,
          shareAccess: shares
        })
        assert.strictEqual(status, against.length > 0 ? NtStatus.STATUS_SHARING_VIOLATION : 0, `step ${step}`)
        if (against.length > 0 && against.every((open) => open.client !== client)) seen.refusedByOther++
        if (against.length > 0) continue
        if (opens.some((open) => open.client !== client)) seen.allowedNextToOther++
        opens = [...opens, { client, fileId, needs, shares }]
      }
      assert.isAbove(seen.refusedByOther, 5)
      assert.isAbove(seen.allowedNextToOther, 5)
    })

    shared("enforce each other's byte-range locks", async (one, other) => {
      const [first, second] = [(await one.create("f")).fileId, (await other.create("f")).fileId]
      assert.strictEqual(await one.status(Requests.lock(first, 0)), 0)
      assert.strictEqual(await other.status(Requests.lock(second, 0)), NtStatus.STATUS_LOCK_NOT_GRANTED)
      assert.strictEqual(await other.status(Requests.read(second, 10)), NtStatus.STATUS_FILE_LOCK_CONFLICT)
      await one.shut(first)
      assert.strictEqual(await other.status(Requests.lock(second, 0)), 0)
    })

    shared("break each other's leases before a write is read", async (one, other) => {
      const held = await one.create("f", [lease(1, READ | WRITE | HANDLE)])
      assert.strictEqual(held.leaseState, READ | WRITE | HANDLE)
      const opening = other.create("f", [], existing)
      const broken = await one.nextBreak()
      assert.strictEqual(broken?.newLeaseState, READ | HANDLE)
      assert.strictEqual(await one.write(held.fileId, "newbytes"), 0)
      assert.strictEqual(await one.acknowledge(broken!), 0)
      const { fileId, status } = await opening
      assert.strictEqual(status, 0)
      const answer = (await other.ask(Requests.read(fileId, 100)))!
      assert.strictEqual(answer.subarray(64 + 16).toString(), "newbytes")
    })

    shared("keep a file whose deletion is pending until the last open of both is closed", async (one, other) => {
      const kept = await other.create("f", [], existing)
      const { fileId } = await one.create("f", [], toDelete)
      assert.strictEqual(await one.set(fileId, "FileDispositionInformation", Uint8Array.of(1)), 0)
      assert.strictEqual((await other.create("f", [], existing)).status, NtStatus.STATUS_DELETE_PENDING)
      await one.shut(fileId)
      assert.strictEqual((await one.create("f", [], existing)).status, NtStatus.STATUS_DELETE_PENDING)
      const answer = (await other.ask(Requests.read(kept.fileId, 100)))!
      assert.strictEqual(answer.subarray(64 + 16).toString(), "precious")
      await other.shut(kept.fileId)
      assert.strictEqual((await one.create("f", [], existing)).status, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    })

    shared("report the changes of each to a CHANGE_NOTIFY of the other", async (one, other) => {
      for (const [watcher, changer, name] of [[one, other, "x"], [other, one, "y"]] as const) {
        const { fileId } = await watcher.create("", [], { ...existing, ...Requests.directory })
        watcher.say(Requests.notify(fileId))
        assert.strictEqual(statusOf(await watcher.next()), NtStatus.STATUS_PENDING)
        const made = await changer.create(name)
        assert.strictEqual(made.status, 0)
        const answer = (await watcher.next())!
        assert.strictEqual(statusOf(answer), 0)
        // The first FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1): FILE_ACTION_ADDED and the name.
        const first = answer.subarray(answer.readUInt16LE(66))
        assert.deepStrictEqual([first.readUInt32LE(4), first.subarray(12, 14).toString("utf16le")], [1, name])
      }
    })

    shared("copy chunks of a file onto itself, and keep its bytes", async (one) => {
      const source = (await one.create("f", [], existing)).fileId
      const answer = (await one.ioctl(source, Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY))!
      const sourceKey = Uint8Array.from(answer.subarray(64 + 48, 64 + 48 + 24))
      const chunks = [{ sourceOffset: 0n, targetOffset: 0n, length: 8 }]
      assert.strictEqual(await one.connect("other"), 0)
      const target = (await one.create("f", [], existing)).fileId
      const input = Codec.encode(Fsctl.SrvCopychunkCopy)({ sourceKey, chunks })
      assert.strictEqual(await one.status(Requests.fsctl(target, Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK, input)), 0)
      assert.strictEqual(await text(one), "precious")
    })

    it.live("keep the bytes of a file that a client copies from one to the other", () =>
      Effect.gen(function*() {
        const { port } = yield* serve(yield* make)
        yield* Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const at = (share: string) => `//${host}:${port}/${share}/f`
          yield* smb.writeFile(at("one"), "precious")
          const result = yield* Effect.result(smb.copy(at("one"), at("other")))
          assert.strictEqual(result._tag, "Failure")
          assert.strictEqual(yield* smb.readFileString(at("one")), "precious")
          assert.strictEqual(yield* smb.readFileString(at("other")), "precious")
        }).pipe(
          Effect.scoped,
          Effect.provide(
            SmbClient.layer().pipe(Layer.provide([TcpTransport.layer(), Credentials.layer(joe)]))
          )
        )
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
  })
}

describe("shares of a folder inside another served folder", () => {
  it.live("are refused when both are FileSystemStores, with a message that names the folders and the shares", () =>
    Effect.gen(function*() {
      const [fs, path] = [yield* FileSystem.FileSystem, yield* folder]
      yield* fs.makeDirectory(`${path}/a`)
      yield* fs.makeDirectory(`${path}/ab`)
      const make = (name: string) => FileSystemStore.make(fs, `${path}${name}`)
      for (const [first, second] of [["", "/a"], ["/a", ""]] as const) {
        const exit = yield* Effect.exit(Effect.scoped(serve([yield* make(first), yield* make(second)])))
        const text = exit._tag === "Failure" ? String(exit.cause) : ""
        assert.include(text, `${path}/a lies in ${path}`)
        assert.include(text, "the shares one and other")
      }
      // Folders that only begin alike are served.
      yield* serve([yield* make("/a"), yield* make("/ab")])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
