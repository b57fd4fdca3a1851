import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { failover } from "../examples/testing.ts"

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

  it.effect("say what the servers in memory do", () =>
    Effect.map(failover, (seen) => assert.deepStrictEqual(seen, { before: "hello", after: "NoTargetLeft" })))

  it("link to what is there", () => {
    for (const page of pages) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        assert(existsSync(join(root, dirname(page), target!)), `${page}: ${target}`)
      }
    }
  })
})
