/**
 * Proves that clients can make and follow symbolic links on a server with a memory store and with a folder
 * (STATUS_STOPPED_ON_SYMLINK, MS-SMB2 3.3.5.9), with this project's client.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Transport } from "effect-smb/Protocol"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const host = "127.0.43.6"
const password = Redacted.make("secret")

const stores = {
  memory: MemoryStore.make(),
  folder: Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "links-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    ),
    LocalStore.make
  )
}

/** This project's client follows the links that a server reports. Other tests prove that with the bytes of Windows. */
const client = (store: keyof typeof stores, dialect: "3.0.2" | "3.1.1") =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: password }),
      shares: { data: yield* stores[store] }
    })
    const transport = Layer.effect(
      Transport.Transport,
      Effect.map(Transport.Transport, (tcp) => ({
        connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
          tcp.connect({ ...endpoint, port }, handlers)
      }))
    ).pipe(Layer.provide(TcpTransport.layer()))
    const context = yield* Layer.build(
      SmbClient.layer({ dialects: [dialect] }).pipe(
        Layer.provide([transport, Credentials.layer(Credentials.password("joe", password))])
      )
    )
    return Context.get(context, SmbClient.SmbClient)
  })

const at = (path: string) => `\\\\${host}\\data\\${path}`

describe("symbolic links", () => {
  for (const store of ["memory", "folder"] as const) {
    for (const dialect of ["3.0.2", "3.1.1"] as const) {
      it.live(`made by a client are followed, read and removed by it, in a ${store} store and dialect ${dialect}`, () =>
        Effect.scoped(Effect.gen(function*() {
          const smb = yield* client(store, dialect)
          yield* smb.makeDirectory(at("real"))
          yield* smb.makeDirectory(at("real\\deep"))
          yield* smb.writeFile(at("real\\deep\\file"), "here")
          yield* smb.makeLink(at("link"), "real\\deep\\file")
          yield* smb.makeLink(at("way"), "real", { directory: true })
          assert.strictEqual(yield* smb.readFileString(at("link")), "here")
          assert.strictEqual(yield* smb.readFileString(at("way\\deep\\file")), "here")
          // A file that is created below a link is created in the link's target.
          yield* smb.writeFile(at("way\\new"), "there")
          assert.strictEqual(yield* smb.readFileString(at("real\\new")), "there")
          yield* smb.writeFile(at("way\\deep\\file:more"), "stream")
          assert.strictEqual(yield* smb.readFileString(at("real\\deep\\file:more")), "stream")
          // So is a new name, and the file that an atomic write renames to it.
          yield* smb.writeFile(at("way\\whole"), "whole", { atomic: true })
          yield* smb.rename(at("way\\whole"), at("way\\deep\\renamed"))
          assert.strictEqual(yield* smb.readFileString(at("real\\deep\\renamed")), "whole")
          const taken = yield* Effect.flip(smb.rename(at("real\\new"), at("way\\deep\\renamed")))
          assert.strictEqual(taken._tag === "SmbError" ? taken.reason._tag : taken._tag, "ObjectNameCollision")
          assert.include(taken.message, `the new name was ${at("way\\deep\\renamed")}`)
          const nowhere = yield* Effect.flip(smb.rename(at("real\\new"), at("way\\nowhere\\new")))
          assert.strictEqual(nowhere._tag === "SmbError" ? nowhere.reason._tag : nowhere._tag, "ObjectPathNotFound")
          assert.strictEqual((yield* smb.stat(at("link"), { follow: false })).type, "symlink")
          assert.strictEqual(yield* smb.readLink(at("way")), "real")
          const missing = yield* Effect.flip(smb.readFile(at("way\\nothing")))
          assert.strictEqual(missing._tag === "SmbError" ? missing.reason._tag : missing._tag, "ObjectNameNotFound")
          const other = yield* Effect.flip(smb.readFile(at("real\\nowhere\\nothing")))
          assert.strictEqual(other._tag === "SmbError" ? other.reason._tag : other._tag, "ObjectPathNotFound")
          yield* smb.remove(at("way"))
          assert.strictEqual(yield* smb.readFileString(at("real\\new")), "there")
        })))
    }
  }

  it.live("in a circle fail with an SmbError, and a stream of the share's root can be written and read", () =>
    Effect.scoped(Effect.gen(function*() {
      const smb = yield* client("folder", "3.1.1")
      yield* smb.makeLink(at("one"), "two")
      yield* smb.makeLink(at("two"), "one")
      const error = yield* Effect.flip(smb.readFile(at("one")))
      assert.strictEqual(error._tag, "SmbError")
      yield* smb.writeFile(at(":note"), "of the share")
      assert.strictEqual(yield* smb.readFileString(at(":note")), "of the share")
    })))
})
