/**
 * Proves that the command needs at most seven round trips for its first look at an smbd, and ten to put a small file there,
 * counted by a proxy between the two. Three requests of the ten go out at once. If one is answered before the others are
 * sent, the proxy counts more round trips. A round trip begins with bytes from the client after bytes from the server. Not counted: the TCP connection, and
 * what the command sends when it ends, whose responses it does not wait for.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Header from "../../src/Smb2/Header.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import * as Lab from "./Lab.ts"

const main = fileURLToPath(new URL("../../src/Cli/main.ts", import.meta.url))
const proxied = "127.0.56.1"

/** The packets since the last run: `true` for the client's. */
const packets: Array<boolean> = []
let ended = false

const watch = ({ bytes, direction }: Lab.Packet): Lab.Verdict => {
  const command = bytes.length >= 68 ? Header.read(Header.view(bytes.subarray(4))).command : undefined
  ended ||= direction === "toServer" && (command === Command.TREE_DISCONNECT || command === Command.LOGOFF)
  if (!ended) packets.push(direction === "toServer")
  return bytes
}

const run = (...args: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    packets.length = 0
    ended = false
    const { code, stderr, stdout } = await Lab.execute(process.execPath, [main, ...args], {
      env: { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }
    })
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    return { stdout, trips: packets.filter((isClient, i) => isClient && packets[i - 1] !== true).length, ended }
  })

class Servers extends Context.Service<Servers, Lab.Server>()("test/lab/RoundTrips/Servers") {
  static readonly layer = Layer.effect(
    Servers,
    Effect.gen(function*() {
      const { server } = yield* Lab.servers({ server: { address: "127.0.56.2", shares: [{ name: "data" }] } })
      yield* server.write("data", "d/hello.txt", "hello\n")
      yield* Lab.proxy({ listen: { address: proxied }, target: { address: server.address }, onPacket: watch })
      return server
    })
  )
}

layer(Servers.layer, { excludeTestServices: true, timeout: "60 seconds" })("the command with an smbd", (it) => {
  // The server supports DFS, so two of the seven ask whether the share is a namespace.
  it.effect("lists, shows and reads a file in at most seven round trips each, and does not wait at its end", () =>
    Effect.gen(function*() {
      yield* Servers
      const share = `//${proxied}/data/d`
      const list = yield* run("ls", share)
      assert.strictEqual(list.stdout, "hello.txt\n")
      const stat = yield* run("stat", "--json", `${share}/hello.txt`)
      assert.deepInclude(JSON.parse(stat.stdout), { name: "hello.txt", type: "file", size: 6, links: 1 })
      const cat = yield* run("cat", `${share}/hello.txt`)
      assert.strictEqual(cat.stdout, "hello\n")
      for (const { ended, trips } of [list, stat, cat]) {
        assert.isTrue(ended)
        assert.isAtMost(trips, 7)
      }
    }))

  // After the six to log on: is the target a directory; the old file, the rights and the abandoned parts at once; the part;
  // its rename.
  it.effect("gets a small file in at most seven, and puts one in ten, whether its name is taken or not", () =>
    Effect.gen(function*() {
      const server = yield* Servers
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "round-trips-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const [here, there] = [join(folder, "hello.txt"), `//${proxied}/data/d/put.txt`]
      const get = yield* run("get", `//${proxied}/data/d/hello.txt`, here)
      assert.isAtMost(get.trips, 7)
      for (const content of ["hello\n", "again\n"]) {
        writeFileSync(here, content)
        const put = yield* run("put", here, there)
        assert.isTrue(put.ended)
        assert.isAtMost(put.trips, 12)
        assert.strictEqual(readFileSync(server.path("data", "d/put.txt"), "utf8"), content)
        assert.deepStrictEqual(readdirSync(server.path("data", "d")).toSorted(), ["hello.txt", "put.txt"])
      }
    }))
})
