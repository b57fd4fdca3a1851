import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"
import * as Lab from "./Lab.ts"

const main = fileURLToPath(new URL("../../src/Cli/main.ts", import.meta.url))
const root = "127.0.30.1"
const data = "127.0.30.2"
const dead = "127.0.30.9"

const servers = Lab.servers({
  root: {
    address: root,
    shares: [{
      name: "dfs",
      dfs: {
        link: `${data}\\data`,
        "dead-first": [`${dead}\\data`, `${data}\\data`],
        dead: `${dead}\\data`,
        inter: `${data}\\dfs\\deep`
      }
    }]
  },
  one: { address: data, shares: [{ name: "data" }, { name: "dfs", dfs: { deep: `${data}\\data` } }] }
})

class World extends Context.Service<World, Effect.Success<typeof servers>>()("test/lab/DfsCommand/World") {
  static readonly layer = Layer.effect(World, servers)
}

const env = { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }

const run = (...args: ReadonlyArray<string>) =>
  Effect.promise(() => Lab.execute(process.execPath, [main, "dfs", ...args], { env }))

const objects = (text: string): ReadonlyArray<Record<string, any>> =>
  text.trimEnd().split("\n").map((line) => JSON.parse(line))

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("effect-smb dfs on smbd", (it) => {
  it.effect("resolve --trace tells the steps to a link's target", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* run("resolve", "--trace", `//${root}/dfs/link/a.txt`)
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      const lines = stdout.trimEnd().split("\n")
      assert.deepStrictEqual(lines.slice(0, 7), [
        `step  2  \\\\${root}\\dfs\\link\\a.txt: nothing is known`,
        `step  6  ask ${root} for the root \\${root}\\dfs`,
        `step  6  \\\\${root}\\dfs: \\\\${root}\\dfs (600 s)`,
        `step  8  try \\\\${root}\\dfs\\link\\a.txt, target of the root`,
        `step  8  ask ${root} which link lies on the way to \\${root}\\dfs\\link\\a.txt`,
        `step  8  \\\\${root}\\dfs\\link: \\\\${data}\\data (600 s)`,
        `step  8  try \\\\${data}\\data\\a.txt, target of the link`
      ])
      assert.deepStrictEqual(lines.slice(-3), [
        "status:    link",
        `resolved:  \\\\${data}\\data\\a.txt`,
        `target 1:  \\\\${data}\\data\\a.txt`
      ])
    }))

  it.effect("resolve --trace passes over a dead target, and says so", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("resolve", "--trace", `//${root}/dfs/dead-first/a.txt`)
      assert.strictEqual(code, 0)
      assert.match(stdout, /step +6 +\\\\127\.0\.30\.9 cannot be used: .*refused the connection/)
      assert.include(stdout, `resolved:  \\\\${data}\\data\\a.txt\n`)
      const dead = yield* run("resolve", "--trace", `//${root}/dfs/dead/a.txt`)
      assert.strictEqual(dead.code, 1)
      assert.match(dead.stdout, /step 14 +it ends here: No target of [^\n]+\n$/)
      assert.match(dead.stderr, /^effect-smb: No target of [^\n]+\n$/)
    }))

  it.effect("resolve --trace follows an interlink, one object a step in JSON", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("resolve", "--trace", "--json", `//${root}/dfs/inter/a.txt`)
      assert.strictEqual(code, 0)
      const found = objects(stdout)
      assert.deepStrictEqual(
        found.filter(({ _tag }) => _tag === "Answered").map(({ kind, prefix, step, targets }) => ({
          kind,
          prefix,
          step,
          targets
        })),
        [
          { kind: "root", prefix: `\\\\${root}\\dfs`, step: 6, targets: [`\\\\${root}\\dfs`] },
          { kind: "link", prefix: `\\\\${root}\\dfs\\inter`, step: 8, targets: [`\\\\${data}\\dfs\\deep`] },
          { kind: "root", prefix: `\\\\${data}\\dfs`, step: 6, targets: [`\\\\${data}\\dfs`] },
          { kind: "link", prefix: `\\\\${data}\\dfs\\deep`, step: 8, targets: [`\\\\${data}\\data`] }
        ]
      )
      for (const note of found.slice(0, -1)) assert.isString(note.explanation)
      assert.strictEqual(found.at(-1)!.resolvedPath, `\\\\${data}\\data\\a.txt`)
    }))

  it.effect("cache shows what was learned, and for how long", () =>
    Effect.gen(function*() {
      const paths = [`//${root}/dfs/dead-first/a.txt`, `//${root}/dfs/link`]
      const { code, stdout } = yield* run("cache", ...paths)
      assert.strictEqual(code, 0)
      assert.match(stdout, /^\\\\127\.0\.30\.1\\dfs {2}root, \d+ s left\n {2}\* \\\\127\.0\.30\.1\\dfs\n/)
      const found = objects((yield* run("cache", "--json", ...paths)).stdout)
      assert.deepStrictEqual(found.map(({ kind }) => kind), ["root", "link", "link", "absent"])
      const [, link] = found
      assert.strictEqual(link!.prefix, `\\\\${root}\\dfs\\dead-first`)
      assert.deepStrictEqual(link!.targets, [
        { target: `\\\\${dead}\\data`, setBoundary: true },
        { target: `\\\\${data}\\data`, setBoundary: false }
      ])
      assert.isAtMost(link!.timeToLive, 600)
      assert.isAbove(link!.timeToLive, 500)
    }))
})
