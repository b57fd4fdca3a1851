/**
 * Proves that symbolic links which local programs made in a served folder, and which lead nowhere or out of the folder,
 * lead no client anywhere, and that a client that knows their names can rename and remove the links themselves.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Client, rename } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.39"
const asLink = { createDisposition: D.FILE_OPEN, createOptions: O.FILE_OPEN_REPARSE_POINT }

const world = Effect.gen(function*() {
  const outside = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "local-links-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const path = join(outside, "share")
  Fs.mkdirSync(join(path, "d"), { recursive: true })
  Fs.writeFileSync(join(outside, "secret"), "secret")
  Fs.symlinkSync("nowhere", join(path, "d", "nowhere"))
  Fs.symlinkSync("../../secret", join(path, "d", "out"))
  Fs.writeFileSync(join(path, "target"), "target")
  Fs.symlinkSync("../target", join(path, "d", "in"))
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: LocalStore.make(path) },
    signing: "enabled"
  })
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = new Client(host, port)
      assert.isTrue(await made.logOn("data", Credentials.password("joe", Redacted.make("secret"))))
      return made
    }),
    (made) => Effect.sync(() => made.close())
  )
  return { client, outside, path }
})

it.live("a link that leads nowhere or out of the share can be renamed and removed, but not read, written or followed", () =>
  Effect.scoped(Effect.flatMap(world, ({ client, outside, path }) =>
    Effect.promise(async () => {
      for (const name of ["nowhere", "out"]) {
        const at = `d\\${name}`
        // Following it, overwriting it and creating a file there are refused.
        for (const createDisposition of [D.FILE_OPEN, D.FILE_OPEN_IF, D.FILE_OVERWRITE_IF, D.FILE_SUPERSEDE]) {
          assert.strictEqual(await client.open(at, { createDisposition }), NtStatus.STATUS_ACCESS_DENIED)
        }
        const link = await client.must(at, asLink)
        for (const request of [Requests.read(link, 10), Requests.write(link, Buffer.from("x"))]) {
          assert.strictEqual(await client.status(request), NtStatus.STATUS_ACCESS_DENIED)
        }
        const standard = (await client.ask(Requests.query(link, "file", "FileStandardInformation")))!
        assert.strictEqual(standard.readBigUInt64LE(64 + 8 + 8), 0n)
        assert.strictEqual(await client.status(rename(link, `d\\${name}2`)), 0)
        assert.strictEqual(await client.status(Requests.close(link)), 0)
        assert.isTrue(Fs.lstatSync(join(path, "d", `${name}2`)).isSymbolicLink())
        const going = await client.must(`d\\${name}2`, { ...asLink, desiredAccess: A.DELETE })
        assert.strictEqual(
          await client.status(Requests.set(going, "file", "FileDispositionInformation", Uint8Array.of(1))),
          0
        )
        assert.strictEqual(await client.status(Requests.close(going)), 0)
        assert.deepStrictEqual(Fs.readdirSync(join(path, "d")).filter((one) => one.startsWith(name)), [])
      }
      assert.strictEqual(Fs.readFileSync(join(outside, "secret"), "utf8"), "secret")
    }))))

it.live("a link to a file in the share is followed, also with FILE_OPEN_REPARSE_POINT", () =>
  Effect.scoped(Effect.flatMap(world, ({ client, path }) =>
    Effect.promise(async () => {
      const file = await client.must("d\\in", asLink)
      assert.include((await client.ask(Requests.read(file, 10)))!.toString(), "target")
      await client.status(Requests.close(file))
      // A link whose target appeared after the open is removed itself.
      Fs.symlinkSync("later.target", join(path, "d", "later"))
      const later = await client.must("d\\later", { ...asLink, desiredAccess: A.DELETE })
      Fs.writeFileSync(join(path, "d", "later.target"), "there")
      assert.strictEqual(
        await client.status(Requests.set(later, "file", "FileDispositionInformation", Uint8Array.of(1))),
        0
      )
      assert.strictEqual(await client.status(Requests.close(later)), 0)
      assert.deepStrictEqual(Fs.readdirSync(join(path, "d")).filter((one) => one.startsWith("later")), ["later.target"])
      // A handle of a link never removes a file.
      const nowhere = await client.must("d\\nowhere", { ...asLink, desiredAccess: A.DELETE })
      assert.strictEqual(
        await client.status(Requests.set(nowhere, "file", "FileDispositionInformation", Uint8Array.of(1))),
        0
      )
      Fs.writeFileSync(join(path, "d", "nowhere.new"), "new")
      Fs.renameSync(join(path, "d", "nowhere.new"), join(path, "d", "nowhere"))
      // Another program has put a file in the link's place: that one stays.
      assert.strictEqual(await client.status(Requests.close(nowhere)), NtStatus.STATUS_FILE_CLOSED)
      assert.strictEqual(Fs.readFileSync(join(path, "d", "nowhere"), "utf8"), "new")
    }))))
