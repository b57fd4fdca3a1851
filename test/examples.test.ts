/**
 * The documents and the examples: quoted code is in files of examples that compile, examples do what the documents
 * say, import only public modules, and all links of the documents lead to existing files and headings.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import {
  type ClientError,
  Credentials,
  MemoryStore,
  Smb,
  SmbClient,
  SmbFileSystem,
  SmbServer,
  TcpTransport,
  TestTransport,
  UncPath,
  UserStore
} from "effect-smb"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpRouter, HttpServer } from "effect/http"
import { existsSync, globSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Films, program, Settings, theme, Uploads } from "../examples/fileSystem.ts"
import { texts } from "../examples/ownStore.ts"
import { failover } from "../examples/testing.ts"
import { newPages, serveFile } from "../examples/web.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
/** Without the generated reference. */
const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root })
  .filter((path) => !path.replaceAll("\\", "/").startsWith("docs/api/"))
const lines = (text: string) => text.split("\n").map((line) => line.trim()).filter((line) => line !== "").join("\n")

describe("the documents", () => {
  it("quote only code that is in a file of examples", () => {
    const examples = globSync("examples/*.ts", { cwd: root }).map((path) => lines(read(path)))
    let blocks = 0
    for (const page of pages) {
      for (const [, block] of read(page).matchAll(/^```ts\n(.*?)^```$/gms)) {
        blocks++
        assert(examples.some((example) => example.includes(lines(block!))), `${page} quotes no example:\n${block}`)
      }
    }
    assert.isAbove(blocks, 5)
  })

  it("and the docstrings of src quote only code that is in a file of examples", () => {
    const examples = globSync("examples/*.ts", { cwd: root }).map((path) => lines(read(path)))
    let blocks = 0
    for (const source of globSync("src/**/*.ts", { cwd: root })) {
      for (const [, block] of read(source).matchAll(/^ \* @example\n \* ```ts\n(.*?)^ \* ```$/gms)) {
        blocks++
        const code = lines(block!.replace(/^ \* ?/gm, ""))
        assert(examples.some((example) => example.includes(code)), `${source} quotes no example:\n${block}`)
      }
    }
    assert.isAbove(blocks, 15)
  })

  it.effect("have a failover example whose DfsError names two failed targets after the server is down", () =>
    Effect.map(failover, (seen) => assert.deepStrictEqual(seen, { before: "hello", after: "2 targets failed" })))

  it.effect("have a web example that lists pages, also if a server has a name that no URL can carry", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.fromResult(UncPath.parse("//nas/data/t"))
      const pages = yield* Stream.runCollect(newPages(folder, 0))
      assert.deepStrictEqual(pages.toSorted(), ["/d/%C3%A4%20b.html", "/x.html"])
    }).pipe(Effect.provide(
      SmbClient.layer().pipe(Layer.provide([
        TestTransport.layerFiles(
          { data: { t: { "x.html": "", "\ud800.html": "", "y.txt": "", d: { "ä b.html": "" } } } },
          { user: "joe", password: "s" }
        ),
        Credentials.layer(Credentials.password("joe", Redacted.make("s")))
      ]))
    )))

  it.effect("have a web example that serves files, and gives 404 for all other requests", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.fromResult(UncPath.parse("//nas/data/t"))
      const answers = []
      for (
        const request of [
          "/x",
          "/d/y%20z",
          "/",
          "/d",
          "/d/",
          "/none",
          "/x/y",
          "/%zz",
          "/%E0%A4%A",
          "/..%2fsecret",
          "/x:$DATA"
        ]
      ) {
        const { body, status } = yield* serveFile(folder, request)
        answers.push(`${request} ${status} ${new TextDecoder().decode(body)}`.trimEnd())
      }
      assert.deepStrictEqual(answers, [
        "/x 200 one",
        "/d/y%20z 200 two",
        "/ 404",
        "/d 404",
        "/d/ 404",
        "/none 404",
        "/x/y 404",
        "/%zz 404",
        "/%E0%A4%A 404",
        "/..%2fsecret 404",
        "/x:$DATA 404"
      ])
    }).pipe(Effect.provide(
      SmbClient.layer().pipe(Layer.provide([
        TestTransport.layerFiles({ data: { t: { x: "one", d: { "y z": "two" } }, secret: "s" } }, {
          user: "joe",
          password: "s"
        }),
        Credentials.layer(Credentials.password("joe", Redacted.make("s")))
      ]))
    )))

  it("have examples that import only Effect, Node and this package", () => {
    for (const example of globSync("examples/*.ts", { cwd: root })) {
      for (const [, from] of read(example).matchAll(/^(?:import|export) .*from "([^"]+)"$/gm)) {
        assert.match(from!, /^(?:effect|@effect|effect-smb)(?:\/|$)|^node:/, example)
      }
    }
  })

  it.live("have an example of an app's own read-only store that a server serves", () =>
    Effect.gen(function*() {
      const { port } = yield* SmbServer.make({
        host: "127.0.0.1",
        port: 0,
        users: UserStore.inMemory({ joe: Redacted.make("secret") }),
        shares: { notes: texts({ "One.txt": "1", "two.txt": "22" }) }
      })
      const credentials = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
      const Smb = SmbClient.layer().pipe(Layer.provide([TcpTransport.layer(), credentials]))
      yield* Effect.provide(
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const at = (name: string) => `//127.0.0.1:${port}/notes/${name}`
          const found = yield* Stream.runCollect(smb.list(at("")))
          assert.deepStrictEqual(found.map(({ name, size }) => [name, size]), [["One.txt", 1n], ["two.txt", 2n]])
          assert.strictEqual(yield* smb.readFileString(at("TWO.txt")), "22")
          const reasonOf = (effect: Effect.Effect<unknown, ClientError>) =>
            Effect.map(Effect.flip(effect), (error) => error._tag === "SmbError" ? error.reason._tag : error._tag)
          assert.strictEqual(yield* reasonOf(smb.readFile(at("three"))), "ObjectNameNotFound")
          assert.strictEqual(yield* reasonOf(smb.readFile(at("One.txt/x"))), "ObjectPathNotFound")
          for (
            const change of [
              smb.writeFile(at("three"), "3"),
              smb.writeFile(at("one.txt"), "3"),
              smb.remove(at("one.txt"))
            ]
          ) {
            assert.match(yield* reasonOf(change), /^(?:MediaWriteProtected|AccessDenied)$/)
          }
        }),
        Smb
      )
    }))

  /** The files of a share of this project's server. */
  const Share = Layer.unwrap(Effect.map(
    SmbServer.make({
      host: "127.0.49.31",
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: { data: MemoryStore.make() }
    }),
    ({ port }) =>
      SmbFileSystem.layer(`//127.0.49.31:${port}/data`).pipe(
        Layer.provide(Smb.layer({ user: "joe", password: Redacted.make("secret") }))
      )
  ))

  it.live("have a program, and a store of values, that use Effect's FileSystem on a share", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      assert.deepStrictEqual(yield* program, ["reports/2026/january.txt"])
      assert.deepStrictEqual((yield* theme.pipe(Effect.provide(Settings)))._tag, "Some")
      // The key is a file's name.
      assert.deepStrictEqual(yield* fs.readDirectory("/settings"), ["user%2Fjoe%3F"])
    }).pipe(Effect.provide(Share)))

  it.live("have a web server that streams films of a share with ranges, and takes uploads onto it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const film = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)
      yield* fs.writeFile("/film.mkv", film)
      yield* fs.makeDirectory("/inbox")
      const client = yield* HttpClient.HttpClient
      const { address } = yield* HttpServer.HttpServer
      assert(address._tag === "InetAddressV4")
      const url = (path: string) => `http://127.0.49.31:${address.port}${path}`
      const get = (path: string, range?: string) =>
        Effect.gen(function*() {
          const request = HttpClientRequest.get(url(path))
          const response = yield* client.execute(
            range === undefined ? request : HttpClientRequest.setHeader(request, "range", range)
          )
          return { status: response.status, headers: response.headers, body: Buffer.from(yield* response.arrayBuffer) }
        })
      const whole = yield* get("/film.mkv")
      assert.strictEqual(whole.status, 200)
      assert.isTrue(whole.body.equals(film))
      const part = yield* get("/film.mkv", "bytes=100000-199999")
      assert.strictEqual(part.status, 206)
      assert.strictEqual(part.headers["content-range"], "bytes 100000-199999/300000")
      assert.isTrue(part.body.equals(film.subarray(100_000, 200_000)))
      assert.isTrue((yield* get("/film.mkv", "bytes=-7")).body.equals(film.subarray(-7)))
      assert.strictEqual((yield* get("/film.mkv", "bytes=300000-")).status, 416)
      for (const path of ["/none.mkv", "/film.mkv::$DATA", "/..%2f..%2fetc/passwd", "/..%5cfilm.mkv"]) {
        assert.strictEqual((yield* get(path)).status, 404, path)
      }
      const form = new FormData()
      form.append("files", new File(["one"], "one.txt"))
      form.append("files", new File([film], "../two?.bin"))
      const answer = yield* client.execute(
        HttpClientRequest.bodyFormData(HttpClientRequest.post(url("/uploads")), form)
      )
      assert.strictEqual(answer.status, 200)
      const names = (yield* fs.readDirectory("/inbox")).toSorted()
      assert.deepStrictEqual(names, ["one.txt", "two?.bin"])
      assert.strictEqual(yield* fs.readFileString("/inbox/one.txt"), "one")
      assert.isTrue(Buffer.from(yield* fs.readFile("/inbox/two?.bin")).equals(film))
      // The temporary folder of the upload is gone.
      assert.deepStrictEqual((yield* fs.readDirectory("/")).toSorted(), ["film.mkv", "inbox"])
    }).pipe(
      Effect.provide(
        HttpRouter.serve(Layer.mergeAll(Films, Uploads), { disableLogger: true, disableListenLog: true }).pipe(
          Layer.provideMerge(NodeHttpServer.layerServer(createServer, { host: "127.0.49.31", port: 0 })),
          Layer.provide(SmbFileSystem.layerPath),
          Layer.provideMerge(Share)
        )
      ),
      Effect.provide(FetchHttpClient.layer)
    ))

  it("link only to existing files and headings", () => {
    for (const page of pages) {
      for (const [, target, heading] of read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
        const there = target === "" ? page : join(dirname(page), target!)
        assert(existsSync(join(root, there)), `${page}: ${target}`)
        if (heading === undefined) continue
        // GitHub makes the anchors of headings in this way.
        const anchors = [...read(there).matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
          text!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
        )
        assert.include(anchors, heading, `${page}: ${target}`)
      }
    }
  })
})
