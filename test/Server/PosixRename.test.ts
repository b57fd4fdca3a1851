/**
 * Proves FileRenameInformationEx with POSIX semantics (MS-FSCC 2.4.43): it replaces a file that is open, and the
 * handles of the replaced file stay usable.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Latch, Redacted, type Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import { Codec, FileInformation, NtStatus as Status } from "effect-smb/Codec"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore, StoreError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, Command, CreateDisposition as D, ShareAccess } from "../../src/Smb2/Message/Constants.ts"
import { HANDLE, lease, LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import { Client } from "./people.ts"
import * as Requests from "./requests.ts"
import { fileOf } from "./SigningClient.ts"

const { NtStatus } = Status
const host = "127.0.43.38"
const joe = Credentials.password("joe", Redacted.make("secret"))
const encode = Codec.encode(FileInformation.FileRenameInformationEx)
const { FILE_RENAME_POSIX_SEMANTICS, FILE_RENAME_REPLACE_IF_EXISTS } = FileInformation.FileRenameFlags
const both = FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS

const renamed = (file: FileId, fileName: string, flags: number = both) =>
  Requests.set(file, "file", "FileRenameInformationEx", encode({ flags, rootDirectory: 0n, fileName }))

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "posix-rename-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const world = Effect.fnUntraced(function*(store: Effect.Effect<ShareStore, StoreError, Scope.Scope>) {
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: store },
    signing: "enabled"
  })
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = new Client(host, port)
      assert.isTrue(await made.logOn("data", joe))
      return made
    }),
    (made) => Effect.sync(() => made.close())
  )
  return { client, port }
})

const made = async (client: Client, name: string, content: string): Promise<FileId> => {
  const file = await client.must(name)
  assert.strictEqual(await client.status(Requests.write(file, Buffer.from(content))), 0)
  return file
}

const textOf = async (client: Client, file: FileId): Promise<string> =>
  (await client.ask(Requests.read(file, 100)))!.subarray(64 + 16).toString()

const stores = {
  MemoryStore: MemoryStore.make(),
  LocalStore: Effect.flatMap(folder, (path) => LocalStore.make(path))
}

describe("a rename with POSIX semantics", () => {
  for (const [name, store] of Object.entries(stores)) {
    it.live(`replaces an open file, whose handle still reads the old content, in a ${name}`, () =>
      Effect.scoped(Effect.flatMap(world(store), ({ client }) =>
        Effect.promise(async () => {
          await client.status(Requests.close(await made(client, "target", "old")))
          const held = await client.must("target", { createDisposition: D.FILE_OPEN })
          const source = await made(client, "source", "new")
          // With one of the two flags only, the rename is refused as always.
          const { STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_COLLISION } = NtStatus
          const refusals = [[FILE_RENAME_REPLACE_IF_EXISTS, STATUS_ACCESS_DENIED], [
            FILE_RENAME_POSIX_SEMANTICS,
            STATUS_OBJECT_NAME_COLLISION
          ]] as const
          for (const [flags, status] of refusals) {
            assert.strictEqual(await client.status(renamed(source, "target", flags)), status)
          }
          assert.strictEqual(
            await client.status(Requests.set(held, "file", "FileDispositionInformation", Uint8Array.of(1))),
            0
          )
          // MS-FSA 2.1.5.15.11: the name is taken by a link that is deleted.
          assert.strictEqual(
            await client.status(renamed(source, "target", FILE_RENAME_REPLACE_IF_EXISTS)),
            NtStatus.STATUS_DELETE_PENDING
          )
          const plain = Codec.encode(FileInformation.FileRenameInformation)
          for (
            const [replaceIfExists, status] of [
              [true, NtStatus.STATUS_DELETE_PENDING],
              [false, STATUS_OBJECT_NAME_COLLISION]
            ] as const
          ) {
            const value = plain({ replaceIfExists, rootDirectory: 0n, fileName: "target" })
            assert.strictEqual(
              await client.status(Requests.set(source, "file", "FileRenameInformation", value)),
              status
            )
          }
          assert.strictEqual(await client.status(renamed(source, "target")), 0)
          assert.strictEqual(await textOf(client, held), "old")
          assert.strictEqual(await client.text("target"), "new")
          // The pending deletion was of the file's old name.
          assert.strictEqual(await client.status(Requests.close(held)), 0)
          assert.strictEqual(await client.status(Requests.close(source)), 0)
          assert.strictEqual(await client.text("target"), "new")
          assert.strictEqual(await client.text("source"), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
        }))))
  }

  it.live("makes a CREATE of the replaced name wait until the rename is done, and open the new file", () =>
    Effect.scoped(Effect.gen(function*() {
      const [begun, goesOn] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
      const slow = Effect.map(MemoryStore.make(), (store): ShareStore => ({
        ...store,
        rename: (...how) => begun.open.pipe(Effect.andThen(goesOn.await), Effect.andThen(store.rename(...how)))
      }))
      const { client, port } = yield* world(slow)
      const other = new Client(host, port)
      yield* Effect.addFinalizer(() => Effect.sync(() => other.close()))
      yield* Effect.promise(async () => {
        assert.isTrue(await other.logOn("data", joe))
        await client.status(Requests.close(await made(client, "target", "old")))
        const answered = client.status(renamed(await made(client, "source", "new"), "target"))
        await Effect.runPromise(begun.await)
        other.say(Requests.create("target", { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_DATA }))
        other.say(Requests.echo)
        assert.strictEqual((await other.next())?.readUInt16LE(12), Command.ECHO)
        goesOn.openUnsafe()
        assert.strictEqual(await answered, 0)
        const file = fileOf(await other.next())
        assert.strictEqual(await textOf(other, file), "new")
      })
    })))

  it.live("is refused by an open that does not share DELETE, and breaks the handle lease of another client", () =>
    Effect.scoped(Effect.flatMap(world(MemoryStore.make()), ({ client, port }) =>
      Effect.promise(async () => {
        const source = await made(client, "source", "new")
        await client.status(Requests.close(await made(client, "target", "old")))
        const alone = await client.must("target", {
          createDisposition: D.FILE_OPEN,
          shareAccess: ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE
        })
        assert.strictEqual(await client.status(renamed(source, "target")), NtStatus.STATUS_SHARING_VIOLATION)
        await client.status(Requests.close(alone))
        const other = new LeaseClient(host, port, 5)
        assert.isTrue(await other.begin("data", joe))
        const { fileId, leaseState } = await other.create("target", [lease(1, READ | WRITE | HANDLE)])
        assert.strictEqual(leaseState, READ | WRITE | HANDLE)
        const answered = client.status(renamed(source, "target"))
        const broken = (await other.nextBreak())!
        assert.strictEqual(broken.newLeaseState & HANDLE, 0)
        assert.strictEqual(await other.shut(fileId), 0)
        // An interim response may come first.
        const status = await answered
        const last = status === NtStatus.STATUS_PENDING ? (await client.next())!.readUInt32LE(8) : status
        assert.strictEqual(last, 0)
        assert.strictEqual(await client.text("target"), "new")
        other.close()
      }))))
})
