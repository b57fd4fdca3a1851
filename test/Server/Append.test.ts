/**
 * Proves that writes to the end of a file (an offset of all ones, MS-SMB2 2.2.21) lose nothing, and that an open with
 * FILE_APPEND_DATA alone only appends. The server serves a folder; the client sends raw requests.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask } from "../../src/Smb2/Message/Constants.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.36.14"
const theEnd = 0xffff_ffff_ffff_ffffn

/** A folder that is served, and a client that has logged on to it. */
const served = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "append-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: LocalStore.make(folder) },
    signing: "enabled",
    guest: "anonymous"
  })
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new RawClient(host, port)),
    (made) => Effect.sync(() => made.close())
  )
  assert.isTrue(yield* Effect.promise(() => client.logOn("data")))
  const open = (name: string, desiredAccess: number) =>
    Effect.map(Effect.promise(() => client.open(name, { desiredAccess })), (file): FileId => {
      if (typeof file === "number") assert.fail(`status ${file.toString(16)}`)
      return file
    })
  return { client, open, onDisk: (name: string) => readFileSync(join(folder, name), "latin1") }
})

it.live("a server loses none of 40 concurrent writes to the end of a file", () =>
  Effect.scoped(Effect.gen(function*() {
    const { client, onDisk, open } = yield* served
    const file = yield* open("log", AccessMask.FILE_WRITE_DATA | AccessMask.FILE_READ_ATTRIBUTES)
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}\n`)
    for (const line of lines) client.say(Requests.write(file, Buffer.from(line), theEnd), 1)
    for (const line of lines) {
      assert.strictEqual(statusOf(yield* Effect.promise(() => client.next(10_000))), 0, line)
    }
    assert.deepStrictEqual(onDisk("log").trimEnd().split("\n").sort(), lines.map((line) => line.trimEnd()).sort())
  })))

// As on Windows: a user with the right to append only writes to the end, no matter at which offset.
it.live("an open with FILE_APPEND_DATA alone writes to the end of the file, no matter at which offset", () =>
  Effect.scoped(Effect.gen(function*() {
    const { client, onDisk, open } = yield* served
    const all = yield* open("log", AccessMask.FILE_WRITE_DATA)
    const status = (file: FileId, text: string, offset: bigint) =>
      Effect.map(Effect.promise(() => client.ask(Requests.write(file, Buffer.from(text), offset))), statusOf)
    assert.strictEqual(yield* status(all, "first", 0n), 0)
    const end = yield* open("log", AccessMask.FILE_APPEND_DATA)
    assert.strictEqual(yield* status(end, ", then", 0n), 0)
    assert.strictEqual(yield* status(end, " more", theEnd), 0)
    assert.strictEqual(onDisk("log"), "first, then more")
  })))
