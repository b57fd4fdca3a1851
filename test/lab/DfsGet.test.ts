/**
 * Proves that the command `get` continues a download at the next DFS target when the first one dies: two smbd servers
 * hold the file, and a proxy in front of the first one fails after some responses.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { main } from "../command.ts"
import * as Lab from "./Lab.ts"

const root = "127.0.41.1"
const behind = "127.0.41.2"
const other = "127.0.41.3"
/** A proxy for `behind`, which the referral names. It fails when a test wants it to. */
const first = "127.0.41.4"
const firstName = `\\\\${first}\\data\\large.bin`
const otherName = `\\\\${other}\\data\\large.bin`

const large = randomBytes(24 * 1024 * 1024)

const make = Effect.gen(function*() {
  const servers = yield* Lab.servers({
    root: { address: root, shares: [{ name: "dfs", dfs: { both: [`${first}\\data`, `${other}\\data`] } }] },
    one: { address: behind, shares: [{ name: "data" }] },
    two: { address: other, shares: [{ name: "data" }] }
  })
  const proxy = yield* Lab.proxy({ listen: { address: first }, target: { address: behind } })
  for (const server of [servers.one, servers.two]) {
    yield* server.write("data", "large.bin", large)
    yield* server.write("data", "small.txt", "small")
  }
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-smb-get-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  return { ...servers, proxy, folder }
})

class World extends Context.Service<World, Effect.Success<typeof make>>()("test/lab/DfsGet/World") {
  static readonly layer = Layer.effect(World, make)
}

const env = { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }

/** Responses of 1 MiB. Eight requests are under way at once: at the twelfth request the client has written the fourth. */
const some = 12

const literally = (text: string): string => text.replace(/[\\.]/g, "\\$&")

/** Runs `get` while the first target sends `answers` responses with data and is then gone; 0: it refuses connections. */
const get = (answers: number, replica: "same" | "older", ...args: ReadonlyArray<string>) =>
  getWhile(answers, "cut", replica, args)

/** As `get`, with the way in which the target fails. */
const getWhile = Effect.fnUntraced(function*(
  answers: number,
  then: "cut" | "drop",
  replica: "same" | "older",
  args: ReadonlyArray<string>
) {
  const { folder, one, proxy, two } = yield* World
  utimesSync(one.path("data", "large.bin"), 1_700_000_000, 1_700_000_000)
  utimesSync(two.path("data", "large.bin"), 1_700_000_000, replica === "same" ? 1_700_000_000 : 1_600_000_000)
  let given = 0
  yield* proxy.refuse(answers === 0)
  yield* proxy.onPacket(({ bytes, direction }) => {
    if (direction === "toClient" && bytes.length > 100_000 && ++given > answers) return then
    return given > answers ? then : bytes
  })
  return yield* Effect.promise(() => Lab.execute(process.execPath, [main, "get", ...args], { env, cwd: folder }))
})

const path = `//${root}/dfs/both/large.bin`

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("effect-smb get, a target dying", (it) => {
  it.effect("continues at the next target, and says so on standard error", () =>
    Effect.gen(function*() {
      const { folder } = yield* World
      const { code, stderr, stdout } = yield* get(some, "same", path, "told.bin")
      assert.deepStrictEqual([code, stdout], [0, ""])
      const line = new RegExp(
        `^effect-smb: ${literally(firstName)} went away at byte (\\d+) \\([^\\n]+\\): ` +
          `reading on at ${literally(otherName)}\\n$`
      )
      assert.match(stderr, line)
      const offset = Number(line.exec(stderr)![1])
      assert.isAbove(offset, 0)
      assert.isBelow(offset, large.length)
      assert.isTrue(readFileSync(join(folder, "told.bin")).equals(large))
    }))

  it.effect("says so with --json as an object on standard error", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* get(some, "same", "--json", path, "json.bin")
      assert.strictEqual(code, 0)
      const asked = `\\\\${root}\\dfs\\both\\large.bin`
      const { message, offset, ...told } = JSON.parse(stderr)
      assert.deepStrictEqual(told, { warning: "TargetChanged", path: asked, from: firstName, to: otherName })
      assert.isString(message)
      assert.isAbove(offset, 0)
      assert.deepStrictEqual(JSON.parse(stdout), { path: asked, local: "json.bin", size: large.length })
    }))

  it.effect("fails with TargetDiffers, and keeps no file, if the next target has an older file", () =>
    Effect.gen(function*() {
      const { folder } = yield* World
      const { code, stderr } = yield* get(some, "older", path, "never.bin")
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /^effect-smb: \S+ went away at byte \d+, and \S+ is another file [^\n]+ again from the start\n$/
      )
      assert.deepStrictEqual(readdirSync(folder).filter((name) => name.includes("never")), [])
      const json = yield* get(some, "older", "--json", path, "never.bin")
      assert.strictEqual(JSON.parse(json.stderr).reason, "TargetDiffers")
    }))

  it.effect("copies the other files of a tree after one file failed", () =>
    Effect.gen(function*() {
      const { folder } = yield* World
      const { code, stderr } = yield* get(some, "older", "-r", `//${root}/dfs/both`, "tree")
      assert.strictEqual(code, 1)
      assert.match(stderr, /is another file[^\n]+\neffect-smb: 1 entry could not be copied\n$/)
      assert.deepStrictEqual(readdirSync(join(folder, "tree")), ["small.txt"])
    }))

  it.effect("--resume continues at another target with the part of the first one", () =>
    Effect.gen(function*() {
      const { folder } = yield* World
      assert.strictEqual((yield* get(some, "older", "--resume", path, "resumed.bin")).code, 1)
      const part = readdirSync(folder).find((name) => name.startsWith(".resumed.bin."))!
      const kept = readFileSync(join(folder, part))
      assert.isAbove(kept.length, 0)
      // The existing part is not read again: a second read would correct this byte.
      kept[0]! ^= 0xff
      writeFileSync(join(folder, part), kept)
      const { code, stderr } = yield* get(0, "same", "--resume", path, "resumed.bin")
      assert.deepStrictEqual([code, stderr], [0, ""])
      const whole = readFileSync(join(folder, "resumed.bin"))
      assert.strictEqual(whole[0], kept[0])
      assert.isTrue(whole.subarray(1).equals(large.subarray(1)))
    }))

  it.effect("continues at the next target when a target does not respond within --timeout", () =>
    Effect.gen(function*() {
      const { folder } = yield* World
      const { code, stderr } = yield* getWhile(some, "drop", "same", ["--timeout", "2", path, "hung.bin"])
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /went away at byte \d+ \([^\n]*did not answer in time[^\n]*\): reading on at/)
      assert.isTrue(readFileSync(join(folder, "hung.bin")).equals(large))
    }))

  it.effect("continues at the next target when it writes to standard output", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* get(some, "same", path, "-")
      assert.strictEqual(code, 0)
      assert.match(stderr, /reading on at/)
      // `execute` decodes output as text: the expected bytes are decoded in the same way.
      assert.strictEqual(stdout, large.toString("utf8"))
    }))
})
