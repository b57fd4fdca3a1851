/**
 * Proves that concurrent readers of a served folder get the right bytes from reused buffers, and that a share with
 * access-based enumeration lists only what the user can read.
 */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { GenericAccess } from "../../src/Smb2/Message/Constants.ts"

const host = "127.0.28.6"

const users = UserStore.inMemory({ joe: Redacted.make("secret"), ann: Redacted.make("secret") })

const client = (name: string, options: SmbClient.Options = {}) =>
  Effect.map(
    Layer.build(
      SmbClient.layer(options).pipe(
        Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password(name, Redacted.make("secret")))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shares-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

it.live("a server gives three concurrent clients the bytes of each file that they read, from reused buffers", () =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({ host, port: 0, users, shares: { data: LocalStore.make(yield* folder) } })
    const base = `\\\\${host}:${port}\\data`
    const writer = yield* client("joe")
    const sizes = [1, 4096, 4097, 65_535, 65_536, 100_000, 1_048_577, 3_000_000]
    yield* Effect.forEach(
      sizes,
      (size, i) => writer.writeFile(`${base}\\${i}`, new Uint8Array(size).fill(i + 1)),
      { concurrency: "unbounded" }
    )
    const readers = yield* Effect.all([
      client("joe", { signing: "if-required" }),
      client("ann", { signing: "required" }),
      client("ann", { encryption: "required" })
    ])
    for (let round = 0; round < 3; round++) {
      yield* Effect.forEach(
        readers,
        (smb) =>
          Effect.forEach(sizes, (size, i) =>
            Effect.map(smb.readFile(`${base}\\${i}`), (bytes) => {
              assert.strictEqual(bytes.length, size)
              assert.isTrue(bytes.every((byte) => byte === i + 1))
            }), { concurrency: "unbounded" }),
        { concurrency: "unbounded" }
      )
    }
  }).pipe(Effect.scoped))

it.live("a share with accessBasedEnumeration lists only the files that the user can read, and another share lists all", () =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users,
      shares: { some: { store: MemoryStore.make(), accessBasedEnumeration: true }, all: MemoryStore.make() }
    })
    const joe = yield* client("joe")
    const ann = yield* client("ann")
    const names = (smb: SmbClient.Client, share: string) =>
      Effect.map(
        Stream.runCollect(smb.list(`\\\\${host}:${port}\\${share}`)),
        (all) => all.map(({ name }) => name).toSorted()
      )
    for (const share of ["some", "all"]) {
      const base = `\\\\${host}:${port}\\${share}`
      yield* joe.writeFile(`${base}\\open`, "x")
      yield* joe.writeFile(`${base}\\closed`, "x")
      yield* joe.makeDirectory(`${base}\\private`)
      for (const name of ["closed", "private"]) {
        const { dacl, owner, ...rest } = yield* joe.security.get(`${base}\\${name}`)
        yield* joe.security.set(`${base}\\${name}`, {
          ...rest,
          owner: undefined,
          group: undefined,
          sacl: undefined,
          dacl: {
            ...dacl!,
            aces: [{ _tag: "Basic", aceType: 0, aceFlags: 0, mask: GenericAccess.FILE_ALL_ACCESS, sid: owner! }]
          }
        })
      }
      assert.deepStrictEqual(yield* names(joe, share), ["closed", "open", "private"])
    }
    assert.deepStrictEqual(yield* names(ann, "some"), ["open"])
    assert.deepStrictEqual(yield* names(ann, "all"), ["closed", "open", "private"])
  }).pipe(Effect.scoped))
