/**
 * Proves the rename of a named stream (MS-FSA 2.1.5.15.11.1) with stores in memory and in a folder: which names are
 * right, what happens to a stream that has the name, to the handles of both, and to what was open before.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as StreamRename from "../../src/Server/internal/Command/StreamRename.ts"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Client, rename, secret } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.68"

describe("the name of a stream", () => {
  const { STATUS_INVALID_PARAMETER: invalid, STATUS_OBJECT_TYPE_MISMATCH: mismatch } = NtStatus
  const long = "x".repeat(255)
  const cases: ReadonlyArray<readonly [string, string | number]> = [
    [":s", "s"],
    [":s:$DATA", "s"],
    [":s:$data", "s"],
    [`:${long}`, long],
    [`:${long}x`, invalid],
    ["::$DATA", ""],
    [":", invalid],
    ["::", invalid],
    [":s:", invalid],
    [":s:$DATA:", invalid],
    [":s:$DATA:x", invalid],
    [":a/b", invalid],
    [":a\\b", invalid],
    [":a\0b", invalid],
    [":s:$INDEX_ALLOCATION", mismatch],
    [":s:$OTHER", mismatch],
    // MS-FSCC 2.1.5.3: characters that no file name can have.
    [":a*b?\"<>|", "a*b?\"<>|"]
  ]
  it.each(cases)("%j is read as %j", (text, expected) => assert.strictEqual(StreamRename.parse(text), expected))
})

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "stream-rename-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

for (
  const [where, make] of [
    ["memory", MemoryStore.make()],
    ["a folder", Effect.flatMap(folder, (path) => LocalStore.make(path))]
  ] as const
) {
  describe(`a stream of a file in ${where}`, () => {
    const test = (title: string, run: (ann: Client) => Promise<void>) =>
      it.live(title, () =>
        Effect.scoped(Effect.gen(function*() {
          const store: ShareStore = yield* make
          const { port } = yield* SmbServer.make({
            host,
            port: 0,
            users: UserStore.inMemory({ ann: secret }),
            shares: { data: { store } },
            signing: "enabled"
          })
          const ann = new Client(host, port)
          yield* Effect.addFinalizer(() => Effect.sync(() => ann.close()))
          yield* Effect.promise(async () => {
            assert.isTrue(await ann.logOn("data", Credentials.password("ann", secret)))
            await run(ann)
          })
        })))

    const write = async (ann: Client, name: string, text: string) => {
      const file = await ann.must(name)
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from(text))), 0)
      return file
    }
    const close = (ann: Client, file: Awaited<ReturnType<Client["must"]>>) => ann.status(Requests.close(file))

    test("gets another name, by which it is found, also while it is open", async (ann) => {
      await close(ann, await write(ann, "f", "main"))
      const file = await write(ann, "f:old", "text")
      assert.strictEqual(await ann.status(rename(file, ":new:$DATA")), 0)
      assert.strictEqual(await ann.text("f:new"), "text")
      assert.strictEqual(await ann.text("f:old"), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      // Its handle works, also for a second rename that changes the case only.
      assert.strictEqual(await ann.status(rename(file, ":NEW")), 0)
      assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("more"))), 0)
      await close(ann, file)
      assert.strictEqual(await ann.text("f:new"), "more")
      assert.strictEqual(await ann.text("f"), "main")
    })

    test("takes the name of another stream only if it may, and if that stream is not open", async (ann) => {
      const file = await write(ann, "f:one", "one")
      const other = await write(ann, "f:two", "two")
      assert.strictEqual(await ann.status(rename(file, ":two", false)), NtStatus.STATUS_OBJECT_NAME_COLLISION)
      assert.strictEqual(await ann.status(rename(file, ":TWO", true)), NtStatus.STATUS_ACCESS_DENIED)
      await close(ann, other)
      assert.strictEqual(await ann.status(rename(file, ":two", false)), NtStatus.STATUS_OBJECT_NAME_COLLISION)
      assert.strictEqual(await ann.status(rename(file, ":two", true)), 0)
      await close(ann, file)
      assert.strictEqual(await ann.text("f:two"), "one")
      assert.strictEqual(await ann.text("f:one"), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    })

    test("of a directory too, is deleted under its new name", async (ann) => {
      await close(ann, await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE }))
      const file = await write(ann, "d:old", "text")
      assert.strictEqual(await ann.status(rename(file, ":new")), 0)
      assert.strictEqual(
        await ann.status(Requests.set(file, "file", "FileDispositionInformation", Uint8Array.of(1))),
        0
      )
      await close(ann, file)
      for (const name of ["d:new", "d:old"]) {
        assert.strictEqual(await ann.text(name), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      }
    })

    test("is not renamed without the right, to a file's name, or to and from the file's own data", async (ann) => {
      const stream = await write(ann, "f:s", "text")
      const main = await ann.must("f")
      assert.strictEqual(await ann.status(rename(stream, "g")), NtStatus.STATUS_INVALID_PARAMETER)
      assert.strictEqual(await ann.status(rename(stream, "::$DATA", true)), NtStatus.STATUS_NOT_SUPPORTED)
      assert.strictEqual(await ann.status(rename(main, ":t")), NtStatus.STATUS_NOT_SUPPORTED)
      await close(ann, stream)
      const reader = await ann.must("f:s", { desiredAccess: A.FILE_READ_DATA, createDisposition: D.FILE_OPEN })
      assert.strictEqual(await ann.status(rename(reader, ":t")), NtStatus.STATUS_ACCESS_DENIED)
      assert.strictEqual(await ann.text("f:s"), "text")
      const directory = await ann.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
      assert.strictEqual(await ann.status(rename(directory, ":t")), NtStatus.STATUS_INVALID_PARAMETER)
    })
  })
}
