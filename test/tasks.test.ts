/** The code of docs/tasks does what the pages say, with servers in memory. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { SmbClient, TestNamespace, VirtualTime } from "effect-smb"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Tasks from "../examples/tasks.ts"

const folder = "//nas/data"

const World = TestNamespace.layerClient({
  "//corp/data/link": ["//nas/data"],
  files: {
    "//nas/data/a.txt": "0123456789",
    "//nas/data/2026/b.txt": "12345",
    "//nas/data/inbox/one.txt": "one",
    "//nas/data/inbox/two.txt": "two"
  }
})

describe("the code of docs/tasks", () => {
  it.effect("reads a text, and nothing for a missing file, a missing folder and a missing share", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Tasks.readIfExists(`${folder}/a.txt`), Option.some("0123456789"))
      for (const path of [`${folder}/none`, `${folder}/none/x`, "//nas/none/x"]) {
        assert.deepStrictEqual(yield* Tasks.readIfExists(path), Option.none())
      }
      assert.strictEqual(yield* Tasks.readEnd(`${folder}/a.txt`, 3n), "789")
      assert.strictEqual(yield* Tasks.readEnd(`${folder}/a.txt`, 30n), "0123456789")
    }).pipe(Effect.provide(World)))

  it.effect("replaces a file as a whole, claims a name once, and measures a tree", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* Tasks.replace(`${folder}/a.txt`, "new")
      assert.strictEqual(yield* smb.readFileString(`${folder}/a.txt`), "new")
      assert.isFalse(yield* smb.exists(`${folder}/a.txt.part`))
      assert.isTrue(yield* Tasks.claim(`${folder}/leader`, "one"))
      assert.isFalse(yield* Tasks.claim(`${folder}/leader`, "two"))
      assert.strictEqual(yield* smb.readFileString(`${folder}/leader`), "one")
      assert.deepStrictEqual((yield* Tasks.folders(folder)).toSorted(), ["2026", "inbox"])
      assert.strictEqual(yield* Tasks.sizeOf(folder), BigInt("new".length + 5 + 6 + "one".length))
    }).pipe(Effect.provide(World)))

  it.effect("polls while its server restarts, and handles each file once", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const poller = Tasks.poll("//corp/data/link/inbox", (text) => Effect.sync(() => void seen.push(text)))
      const { exit } = yield* VirtualTime.run(Effect.timeoutOption(
        Effect.andThen(
          Effect.forkScoped(poller),
          Effect.gen(function*() {
            const smb = yield* SmbClient.SmbClient
            yield* Effect.sleep("5 minutes")
            yield* smb.writeFile("//nas/data/inbox/three.txt", "three")
            yield* Effect.sleep("2 minutes")
            return (yield* Stream.runCollect(smb.list("//nas/data/inbox/done"))).map(({ name }) => name).toSorted()
          })
        ).pipe(Effect.scoped),
        "1 hour"
      ))
      assert.deepStrictEqual(seen.toSorted(), ["one", "three", "two"])
      assert.deepStrictEqual(
        exit._tag === "Success" ? exit.value : exit,
        Option.some(["one.txt", "three.txt", "two.txt"])
      )
    }).pipe(Effect.provide(TestNamespace.layerClient({
      "//corp/data/link": ["//nas/data"],
      files: { "//nas/data/inbox/one.txt": "one", "//nas/data/inbox/two.txt": "two" },
      faults: [
        { server: "nas", is: "down" },
        { at: "3 minutes", server: "nas", is: "up" }
      ]
    }))))

  it.effect("has a client for tests that reads its file", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.strictEqual(yield* smb.readFileString("//nas/media/readme.txt"), "hello")
    }).pipe(Effect.provide([Tasks.TestClient, NodeServices.layer])))

  it("is on pages that the index names, each of them once", () => {
    const pages = fileURLToPath(new URL("../docs/tasks/", import.meta.url))
    const index = readFileSync(`${pages}README.md`, "utf8")
    const named = [...index.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, name]) => name!)
    assert.deepStrictEqual(named.toSorted(), readdirSync(pages).filter((name) => name !== "README.md").toSorted())
  })
})
