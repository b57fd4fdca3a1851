/**
 * What the command does and says when its connection is lost: `get` and `put` go on and arrive whole, a line tells of the
 * loss and of the return, and `--reconnect never` ends with the connection. The own server, behind a proxy that cuts.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FileSystem } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Reconnecting from "../../src/Cli/Reconnecting.ts"
import { TransportError } from "../../src/Protocol/Errors.ts"
import { proxy } from "../lab/Proxy.ts"
import { run } from "./commandLine.ts"
import { server } from "./served.ts"

const size = 20_000_000
const content = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 9)) & 0xff))
const env = { SMB_USER: "joe", SMB_PASSWORD: "secret" }

/** A server behind a proxy that cuts the connection each time that 5 MB have passed, three times in all. */
const cut = Effect.gen(function*() {
  const { port } = yield* server()
  let moved = 0
  let left = 3
  const front = yield* proxy({
    listen: { address: "127.0.0.1", port: 0 },
    target: { address: "127.0.0.1", port },
    onPacket: ({ bytes }) => {
      moved += bytes.length
      if (left === 0 || moved < 5_000_000) return bytes
      moved = 0
      left--
      return "cut"
    }
  })
  const here = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  Fs.writeFileSync(join(here, "f"), content)
  return { base: `//127.0.0.1:${front.port}/data`, straight: `//127.0.0.1:${port}/data`, here }
})

describe("the command", () => {
  it.live("puts and gets a file through cuts, and says in a line each that it was lost and is back", () =>
    Effect.gen(function*() {
      const { base, here, straight } = yield* cut
      const put = yield* run(["put", "-q", join(here, "f"), `${base}/f`], { env })
      assert.strictEqual(put.code, 0, put.stderr)
      assert.match(
        put.stderr,
        /^(effect-smb: the connection to \/\/127.0.0.1\/data is lost: trying again \.\.\.\neffect-smb: \/\/127.0.0.1\/data is back after less than a second\n){3}$/
      )
      const got = yield* run(["get", "-q", `${straight}/f`, join(here, "back")], { env })
      assert.deepStrictEqual([got.code, got.stderr], [0, ""])
      assert.isTrue(Fs.readFileSync(join(here, "back")).equals(content))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("gets a file through cuts with --json, and tells each in an object", () =>
    Effect.gen(function*() {
      const { base, here, straight } = yield* cut
      yield* run(["put", "-q", join(here, "f"), `${straight}/f`], { env })
      const got = yield* run(["get", "-q", "--json", `${base}/f`, join(here, "back")], { env })
      assert.strictEqual(got.code, 0, got.stderr)
      const told = got.stderr.trimEnd().split("\n").map((line) => JSON.parse(line).notice)
      assert.deepStrictEqual(told, ["Lost", "Back", "Lost", "Back", "Lost", "Back"])
      assert.isTrue(Fs.readFileSync(join(here, "back")).equals(content))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("ends with the connection by --reconnect never, and refuses another word", () =>
    Effect.gen(function*() {
      const { base, here } = yield* cut
      const args = ["put", "-q", "--retries", "0", join(here, "f"), `${base}/f`]
      const put = yield* run(["--reconnect", "never", ...args], { env })
      assert.strictEqual(put.code, 1)
      assert.notInclude(put.stderr, "trying again")
      const wrong = yield* run(["--reconnect", "soon", ...args], { env })
      assert.include(wrong.stderr, "a number of seconds from 0 to 86400, or never, not soon")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it("says how long the loss was, and nothing of what happens in between", () => {
    const place = { server: "nas", port: 445, share: "media" }
    const cause = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })
    const message = (after: Duration.Input) =>
      Reconnecting.report({ _tag: "Back", ...place, attempts: 1, after: Duration.fromInputUnsafe(after) })?.message
    assert.strictEqual(message("400 millis"), "//nas/media is back after less than a second")
    assert.strictEqual(message("3 seconds"), "//nas/media is back after 3 s")
    assert.isUndefined(Reconnecting.report({ _tag: "Trying", ...place, attempt: 2 }))
    assert.isUndefined(Reconnecting.report({ _tag: "GivenUp", ...place, cause }))
  })
})
