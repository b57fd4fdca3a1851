/**
 * Proves the command `effect-smb dfs` and other commands on DFS namespaces of smbd: resolve, cache and tree, as text,
 * JSON and Mermaid.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { createSocket } from "node:dgram"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { main } from "../command.ts"
import * as Lab from "./Lab.ts"

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

/** A name server that never responds, and counts its questions. */
const listeningNameServer = (address: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = createSocket("udp4")
      const questions = { count: 0, socket }
      socket.on("message", () => questions.count++)
      await new Promise<void>((resolve) => socket.bind(53, address, resolve))
      return questions
    }),
    ({ socket }) => Effect.sync(() => socket.close())
  )

const objects = (text: string): ReadonlyArray<Record<string, any>> =>
  text.trimEnd().split("\n").map((line) => JSON.parse(line))

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("effect-smb dfs on smbd", (it) => {
  it.effect("resolve --trace prints each step to a link's target", () =>
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

  it.effect("resolve --trace prints that a target is dead and goes on, or fails when no target is left", () =>
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

  it.effect("resolve --trace --json follows an interlink, and prints one object for each step", () =>
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

  it.effect("cache prints the cached referrals and their remaining time", () =>
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
        { target: `\\\\${dead}\\data`, setBoundary: true, dead: true },
        { target: `\\\\${data}\\data`, setBoundary: false, dead: false }
      ])
      assert.isAtMost(link!.timeToLive, 600)
      assert.isAbove(link!.timeToLive, 500)
    }))

  it.effect("cache prints a link whose targets are all dead, and fails with NoTargetLeft", () =>
    Effect.gen(function*() {
      const path = `//${root}/dfs/dead/a.txt`
      const { code, stderr, stdout } = yield* run("cache", path)
      assert.strictEqual(code, 1)
      assert.match(stderr, /^effect-smb: No target of [^\n]+\n$/)
      assert.include(stdout, `\\\\${root}\\dfs\\dead  link, forgotten (NoTargetLeft)\n    \\\\${dead}\\data  dead\n`)
      const [, link] = objects((yield* run("cache", "--json", path)).stdout)
      assert.deepStrictEqual([link!.prefix, link!.error, link!.targets], [
        `\\\\${root}\\dfs\\dead`,
        "NoTargetLeft",
        [{ target: `\\\\${dead}\\data`, dead: true }]
      ])
    }))

  it.effect("resolve --dns sends no question for a server that is given by its address, and refuses a host name", () =>
    Effect.gen(function*() {
      const questions = yield* listeningNameServer("127.0.34.1")
      const { stdout } = yield* run("resolve", "--trace", "--dns", "127.0.34.1", `//${root}/dfs/link`)
      assert.notMatch(stdout, /look for controllers/)
      assert.strictEqual(questions.count, 0)
      const { code, stderr } = yield* run("resolve", "--dns", "nowhere", `//${root}/dfs/link`)
      assert.strictEqual(code, 2)
      assert.match(stderr, /--dns.*the address of a name server/)
    }).pipe(Effect.scoped))

  it.effect("tree prints the links with their targets and whether these respond", () =>
    Effect.gen(function*() {
      const json = yield* run("tree", "--json", `//${root}/dfs`)
      // Two targets are dead, and one link has no other.
      assert.strictEqual(json.code, 1)
      assert.match(JSON.parse(json.stderr).message, /2 targets do not answer, and 1 link has no other/)
      const [drawn] = objects(json.stdout)
      const seen = drawn!.links.flatMap(({ path, targets }: any) =>
        targets.map(({ state, target }: any) => `${path.slice(`\\\\${root}\\dfs\\`.length)} ${target} ${state}`)
      )
      assert.deepStrictEqual(seen.toSorted(), [
        `dead \\\\${dead}\\data down`,
        `dead-first \\\\${data}\\data up`,
        `dead-first \\\\${dead}\\data down`,
        `inter \\\\${data}\\dfs\\deep up`,
        `link \\\\${data}\\data up`
      ])
      const text = (yield* run("tree", `//${root}/dfs`)).stdout
      assert.include(text, `  \\\\${root}\\dfs\\link\n    -> \\\\${data}\\data  up\n`)
      const page = (yield* run("tree", "--format", "mermaid", `//${root}/dfs`)).stdout
      assert.match(page, /^flowchart LR\n {2}root\["[^"]+"\]\n/)
      assert.match(page, /link\d -\. down \.-> target\d_0\["\\\\127\.0\.30\.9\\data"\]/)
    }))

  it.effect("tree of a folder in the namespace prints the folder's target", () =>
    Effect.gen(function*() {
      const { root: keeper } = yield* World
      yield* keeper.write("dfs", "folder/file.txt", "file")
      assert.strictEqual(
        (yield* run("tree", `//${root}/dfs/folder`)).stdout,
        `\\\\${root}\\dfs\\folder\n  -> \\\\${root}\\dfs\\folder  up\n`
      )
    }))

  it.effect("ls -r and get -r continue after a link without a working target, and name it", () =>
    Effect.gen(function*() {
      const { one, root: keeper } = yield* World
      yield* keeper.write("dfs", "in-root.txt", "root")
      yield* one.write("data", "a.txt", "one")
      const command = (...args: ReadonlyArray<string>) =>
        Effect.promise(() => Lab.execute(process.execPath, [main, ...args], { env }))
      for (const pattern of ["", "/*"]) {
        const listed = yield* command("ls", "-r", `//${root}/dfs${pattern}`)
        assert.strictEqual(listed.code, 1)
        const lines = listed.stdout.trimEnd().split("\n")
        assert.includeMembers(lines, ["in-root.txt", "link/a.txt", "dead-first/a.txt", "inter/a.txt", "dead/"])
        assert.match(
          listed.stderr,
          /^effect-smb: No target of \S+\\dfs\\dead can be used [^\n]+\neffect-smb: 1 entry could not be listed\n$/
        )
      }
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-smb-dfs-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const got = yield* command("get", "--json", "-r", `//${root}/dfs`, folder)
      assert.strictEqual(got.code, 1)
      assert.deepStrictEqual(objects(got.stderr).map(({ error, reason }) => reason ?? error), [
        "NoTargetLeft",
        "Incomplete"
      ])
      assert.strictEqual(readFileSync(join(folder, "inter", "a.txt"), "utf8"), "one")
      assert.deepStrictEqual(readdirSync(join(folder, "dead")), [])
    }))

  it.effect("mv fails between two shares, names both, and leaves the file unchanged", () =>
    Effect.gen(function*() {
      const { one } = yield* World
      yield* one.write("data", "kept.txt", "kept")
      const command = (...args: ReadonlyArray<string>) =>
        Effect.promise(() => Lab.execute(process.execPath, [main, ...args], { env }))
      const [from, to] = [`//${root}/dfs/link/kept.txt`, `//${root}/dfs/kept.txt`]
      const moved = yield* command("mv", from, to)
      assert.deepStrictEqual([moved.code, moved.stderr], [
        1,
        `effect-smb: \\\\${root}\\dfs\\link\\kept.txt: cannot be renamed to \\\\${root}\\dfs\\kept.txt, since the one ` +
        `is on \\\\${data}\\data and the other on \\\\${root}\\dfs: copy and remove\n`
      ])
      assert.strictEqual((yield* command("cat", from)).stdout, "kept")
    }))
})
