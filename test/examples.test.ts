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
  it("quote code that compiles: every block stands in a file of examples", () => {
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

  it("quote them too where the sources show how something is used", () => {
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

  it.effect("say what the servers in memory do", () =>
    Effect.map(failover, (seen) => assert.deepStrictEqual(seen, { before: "hello", after: "2 targets failed" })))

  it.effect("answer a web server's requests, and those that name no file with 404", () =>
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

  it("quote code that takes what the package gives, and nothing beside it but the kit for stores", () => {
    for (const example of globSync("examples/*.ts", { cwd: root })) {
      for (const [, from] of read(example).matchAll(/^(?:import|export) .*from "([^"]+)"$/gm)) {
        assert.match(from!, /^(?:effect|@effect|effect-smb)(?:\/|$)|^\.\.\/test\/store\/conformance\.ts$/, example)
      }
    }
  })

  it.live("have a store of one's own that a server can serve", () =>
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

  it("link to what is there", () => {
    for (const page of pages) {
      for (const [, target, heading] of read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
        const there = target === "" ? page : join(dirname(page), target!)
        assert(existsSync(join(root, there)), `${page}: ${target}`)
        if (heading === undefined) continue
        // As GitHub makes anchors of headings.
        const anchors = [...read(there).matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
          text!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
        )
        assert.include(anchors, heading, `${page}: ${target}`)
      }
    }
  })
})
