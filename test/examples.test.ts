/**
 * The documents and the examples: quoted code is in files of examples that compile, examples do what the documents
 * say, import only public modules, and all links of the documents lead to existing files and headings.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import {
  type ClientError,
  Credentials,
  SmbClient,
  SmbServer,
  TcpTransport,
  TestTransport,
  UncPath,
  UserStore
} from "effect-smb"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { texts } from "../examples/ownStore.ts"
import { failover } from "../examples/testing.ts"
import { serveFile } from "../examples/web.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root })
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

  it("have examples that import only Effect, this package and the conformance kit for stores", () => {
    for (const example of globSync("examples/*.ts", { cwd: root })) {
      for (const [, from] of read(example).matchAll(/^(?:import|export) .*from "([^"]+)"$/gm)) {
        assert.match(from!, /^(?:effect|@effect|effect-smb)(?:\/|$)|^\.\.\/test\/store\/conformance\.ts$/, example)
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
