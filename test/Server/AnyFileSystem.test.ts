/**
 * Proves that a server serves any Effect FileSystem through FileSystemStore, to this project's client over TCP. A
 * client is told that a feature which such a store cannot keep (links, streams) does not exist or is not possible.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { type ClientError, Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Transport } from "effect-smb/Protocol"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as FileSystemStore from "../../src/Server/Store/FileSystemStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const host = "127.0.43.3"
const password = Redacted.make("secret")

it.live("a server lets clients read, write, list, rename, copy and remove files in any Effect FileSystem", () =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: password }),
      shares: { data: FileSystemStore.make(fs, folder) }
    })
    const transport = Layer.effect(
      Transport.Transport,
      Effect.map(Transport.Transport, (tcp) => ({
        connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
          tcp.connect({ ...endpoint, port }, handlers)
      }))
    ).pipe(Layer.provide(TcpTransport.layer()))
    const context = yield* Layer.build(
      SmbClient.layer().pipe(
        Layer.provide([transport, Credentials.layer(Credentials.password("joe", password))])
      )
    )
    const smb = Context.get(context, SmbClient.SmbClient)
    const at = (path: string) => `\\\\${host}\\data\\${path}`
    const reason = (effect: Effect.Effect<unknown, ClientError>) =>
      Effect.map(Effect.flip(effect), (error) => (error._tag === "SmbError" ? error.reason._tag : error._tag))

    yield* smb.makeDirectory(at("Folder"))
    yield* smb.writeFile(at("Folder\\a.txt"), "hello")
    assert.strictEqual(readFileSync(join(folder, "Folder", "a.txt"), "utf8"), "hello")
    assert.strictEqual(yield* smb.readFileString(at("FOLDER\\A.TXT")), "hello")
    yield* smb.writeFile(at("Folder\\a.txt"), "again")
    assert.strictEqual(yield* smb.readFileString(at("Folder\\a.txt")), "again")
    const listed = yield* Stream.runCollect(smb.list(at("Folder")))
    assert.deepStrictEqual(listed.map(({ name, size }) => [name, size]), [["a.txt", 5n]])
    yield* smb.makeDirectory(at("Other"))
    yield* smb.rename(at("Folder\\a.txt"), at("Other\\b.txt"))
    yield* smb.copy(at("Other\\b.txt"), at("Other\\c.txt"))
    yield* smb.truncate(at("Other\\c.txt"), 2n)
    assert.strictEqual(yield* smb.readFileString(at("Other\\c.txt")), "ag")
    assert.strictEqual((yield* smb.stat(at("Other\\b.txt"))).size, 5n)
    // The store keeps no descriptors: the share alone decides what users may do.
    assert.isDefined((yield* smb.security.get(at("Other\\b.txt"))).owner)
    assert.strictEqual(yield* reason(smb.readLink(at("Other\\b.txt"))), "NotAReparsePoint")
    assert.strictEqual(yield* reason(smb.writeFile(at("Other\\b.txt:stream"), "x")), "ObjectNameInvalid")
    yield* smb.remove(at("Other"), { recursive: true })
    yield* smb.remove(at("Folder"))
    assert.isFalse(existsSync(join(folder, "Folder")))
    assert.isFalse(existsSync(join(folder, "Other")))
  })).pipe(Effect.provide(NodeFileSystem.layer)))
