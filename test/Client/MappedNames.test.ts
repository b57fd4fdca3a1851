/**
 * Proves that a client with `names: "mapped"` sees the files of a Unix server under their own names, and reaches them by
 * these names in every operation: against this project's server over a folder, whose disk has the real names.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import { Transport } from "effect-smb/Protocol"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { toPrivateUse } from "../../src/Codec/ReservedCharacters.ts"
import * as MappedNames from "../../src/Protocol/MappedNames.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { random } from "../random.ts"

const host = "127.0.43.79"
const password = Redacted.make("secret")
const at = (path: string) => `\\\\${host}\\data\\${path}`

const served = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "effect-smb-client-names-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const server = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: password }),
    shares: { data: yield* LocalStore.make(folder) }
  })
  const { port } = server
  const transport = Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (tcp) => ({
      connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
        tcp.connect({ ...endpoint, port }, handlers)
    }))
  ).pipe(Layer.provide(TcpTransport.layer()))
  const context = yield* Layer.build(
    SmbClient.layer({ names: "mapped" }).pipe(
      Layer.provide([transport, Credentials.layer(Credentials.password("joe", password))])
    )
  )
  return {
    server,
    smb: Context.get(context, SmbClient.SmbClient),
    on: (...names: ReadonlyArray<string>) => join(folder, ...names),
    names: () => Fs.readdirSync(folder).filter((name) => name !== LocalStore.sidecarName).toSorted()
  }
})

/** Names on the server's disk; a backslash is U+F026 in the client's paths, where it separates names. */
const names = ["11:05.jpg", "what?*", "q\"<>|", "line\nend\u0001", "end.", "blank ", "back\\slash", "f::$DATA", "plain"]
const called = (name: string) => name.replace("\\", "\uf026")

describe.skipIf(process.platform === "win32")("a client with mapped names", () => {
  it.live("is also a client with the names of SMB by withNames, over the same connections", () =>
    Effect.scoped(Effect.gen(function*() {
      const { on, server, smb } = yield* served
      Fs.writeFileSync(on("a:b"), "text")
      const shown = (client: SmbClient.Client) =>
        Effect.map(Stream.runCollect(client.list(at(""), { pattern: "a*" })), (found) => found.map(({ name }) => name))
      const plain = smb.withNames("unchanged")
      assert.deepStrictEqual(yield* shown(smb), ["a:b"])
      assert.deepStrictEqual(yield* shown(plain), ["a\uf022b"])
      assert.deepStrictEqual(yield* shown(plain.withNames("mapped").withNames("mapped")), ["a:b"])
      assert.strictEqual(yield* plain.withNames("mapped").readFileString(at("a:b")), "text")
      assert.strictEqual((yield* server.statistics).connections, 1)
    })))

  it.live("lists, reads, writes, renames, copies and removes files by their names on the server", () =>
    Effect.scoped(Effect.gen(function*() {
      const { names: onDisk, on, smb } = yield* served
      for (const name of names) Fs.writeFileSync(on(name), name)
      const listed = yield* Stream.runCollect(smb.list(at("")))
      assert.deepStrictEqual(listed.map(({ name }) => name).toSorted(), names.map(called).toSorted())
      for (const { name, path } of listed) {
        assert.strictEqual(path, at(name))
        assert.strictEqual(called(yield* smb.readFileString(path)), name)
        assert.strictEqual((yield* smb.stat(path)).name, name)
        yield* smb.rename(path, `${path}:`)
        yield* smb.copy(`${path}:`, path)
        yield* smb.writeFile(`${path}:`, "new")
      }
      assert.deepStrictEqual(onDisk(), names.flatMap((name) => [name, `${name}:`]).toSorted())
      for (const name of names) assert.strictEqual(Fs.readFileSync(on(`${name}:`)).toString(), "new")
      yield* smb.makeDirectory(at("a:b\\c?"), { recursive: true })
      yield* smb.writeFile(at("a:b\\c?\\end."), "deep")
      assert.strictEqual(Fs.readFileSync(on("a:b", "c?", "end.")).toString(), "deep")
      yield* smb.remove(at("a:b"), { recursive: true })
      for (const name of names) {
        yield* smb.remove(at(called(name)))
        yield* smb.remove(at(called(`${name}:`)))
      }
      assert.deepStrictEqual(onDisk(), [])
    })))

  it.live("is told of changes and errors by these names, and follows links to them", () =>
    Effect.scoped(Effect.gen(function*() {
      const { smb } = yield* served
      const missing = yield* Effect.flip(smb.readFile(at("no:ne?")))
      assert.include(missing.message, at("no:ne?"))
      const started = yield* Deferred.make<void>()
      const changes = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(smb.watch(at(""), { onStart: Deferred.succeed(started, undefined) }), 1))
      )
      yield* Deferred.await(started)
      yield* smb.writeFile(at("11:05.jpg"), "here")
      const [change] = yield* Fiber.join(changes)
      assert.deepStrictEqual(change, { _tag: "Change", action: "added", name: "11:05.jpg", path: at("11:05.jpg") })
      yield* smb.makeLink(at("li:nk"), "11:05.jpg")
      assert.strictEqual(yield* smb.readLink(at("li:nk")), "11:05.jpg")
      assert.strictEqual(yield* smb.readFileString(at("li:nk")), "here")
    })))

  it("knows each name of a server by one name, which leads to that name, and to no other directory", () => {
    const pick = random(79)
    const characters = Array.from("ab:. \u0001\\\uf001\uf020\uf022\uf026\uf028\uf029\uf02a/")
    for (let turn = 0; turn < 20_000; turn++) {
      const plain = Array.from({ length: 1 + pick(5) }, () => characters[pick(characters.length)]!).join("")
      if (plain.includes("/") || plain === "." || plain === "..") continue
      const name = toPrivateUse(plain)
      const shown = MappedNames.shown(name)
      if (MappedNames.sent(shown) !== name) assert.fail(JSON.stringify([plain, name, shown, MappedNames.sent(shown)]))
      if (/[\\/]/.test(shown)) assert.fail(JSON.stringify([name, shown]))
    }
    // A server that wants to lead the client elsewhere.
    for (const name of ["\uf029", ".\uf029", "..", "."]) assert.strictEqual(MappedNames.shown(name), name)
  })
})
