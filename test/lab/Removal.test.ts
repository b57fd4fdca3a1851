/**
 * Removal and walks over real servers' links: DFS links, links of the server's own file system, and two at once.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { type ClientError, Credentials, DfsAdapter, SmbClient, TcpTransport } from "effect-smb"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { main } from "../command.ts"
import * as Lab from "./Lab.ts"

const root = "127.0.44.1"
const data = "127.0.44.2"
const environment = { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password, NO_COLOR: "1" }

const smb = (args: ReadonlyArray<string>, cwd = "/") =>
  Effect.promise(() => Lab.execute(process.execPath, [main, ...args], { cwd, env: environment }))

const client = (dialects: ReadonlyArray<"NT1" | "3.1.1">) =>
  DfsAdapter.layerWithoutDiscovery().pipe(
    Layer.provide(SmbClient.layer({ dialects, signing: "if-required" })),
    Layer.provide([
      TcpTransport.layer(),
      Credentials.layer(Credentials.password(Lab.user.name, Redacted.make(Lab.user.password)))
    ])
  )

class Servers extends Context.Service<Servers, { readonly top: Lab.Server; readonly two: Lab.Server }>()(
  "test/lab/Removal/Servers"
) {}

const layerServers = Layer.effect(
  Servers,
  Effect.map(
    Lab.servers({
      root: {
        address: root,
        minimumDialect: "NT1",
        shares: [{
          name: "dfs",
          dfs: {
            share: `${data}\\two`,
            folder: `${data}\\two\\folder`,
            "tree/inside": `${data}\\two`,
            interlink: `${root}\\dfs\\share`
          }
        }, { name: "data" }]
      },
      two: { address: data, shares: [{ name: "two" }] }
    }),
    ({ root, two }) => ({ top: root, two })
  )
)

/** Everything below a folder of this machine; links are not followed. */
const all = (folder: string, below = ""): Array<string> =>
  readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = below === "" ? entry.name : `${below}/${entry.name}`
    return entry.isDirectory() ? [name].concat(all(folder, name)) : [name]
  }).toSorted()

layer(layerServers, { timeout: 60_000, excludeTestServices: true })("removal", (it) => {
  it.effect("a DFS link and a share's root are refused by every form of their names, and nothing behind them is gone", () =>
    Effect.gen(function*() {
      const { top, two } = yield* Servers
      yield* two.write("two", "precious.txt", "1")
      yield* two.write("two", "folder/deep/precious.txt", "1")
      const before = all(two.path("two"))
      const links = [
        `//${root}/dfs/share`,
        `//${root}/dfs/folder`,
        `//${root}/dfs/interlink`,
        `//${root}/dfs/share/`,
        `//${root}/dfs/./share//`,
        `//${root}/dfs/share/folder/..`,
        `\\\\${root}\\dfs\\share\\.`,
        `smb://${root}/dfs/share`,
        `smb://${root}/dfs/fol%64er/`
      ]
      for (const dialects of [["3.1.1"], ["NT1"]] as const) {
        yield* Effect.gen(function*() {
          const client = yield* SmbClient.SmbClient
          const refused = (effect: Effect.Effect<void, ClientError>, kind: string, path: string) =>
            Effect.gen(function*() {
              const error = yield* Effect.flip(effect)
              assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink", `${path}: ${error.message}`)
              assert.strictEqual(error.reason.kind, kind)
              assert.deepStrictEqual(all(two.path("two")), before)
            })
          const shares = dialects[0] === "NT1"
            ? [`//${root}/dfs`]
            : [`//${data}/two`, `//${data}/two/`, `//${data}/two/x/..`, `smb://${data}/two/.`]
          for (const [kind, paths] of [["link", dialects[0] === "NT1" ? [] : links], ["share", shares]] as const) {
            for (const path of paths) {
              for (const options of [{ recursive: true }, { recursive: true, force: true }, {}]) {
                yield* refused(client.remove(path, options), kind, path)
              }
              yield* refused(client.rename(path, `//${root}/dfs/elsewhere`), kind, path)
            }
          }
          if (dialects[0] === "NT1") return
          // A rename onto one of them is refused too.
          yield* top.write("data", "source/f", "1")
          yield* refused(
            client.rename(`//${root}/data/source`, `//${root}/dfs/folder`, { replace: true }),
            "link",
            "onto"
          )
          rmSync(top.path("data", "source"), { recursive: true })
        }).pipe(Effect.provide(client(dialects)))
      }
      const run1 = yield* smb(["rm", "-r", "--json", `//${root}/dfs/folder`])
      assert.deepStrictEqual([run1.code, run1.stdout], [2, ""], run1.stderr)
      assert.deepInclude(JSON.parse(run1.stderr), { error: "RemovalError", reason: "RootOrLink" })
      const moved = yield* smb(["mv", `//${root}/dfs/share`, `//${root}/dfs/elsewhere`])
      assert.deepStrictEqual([moved.code, moved.stdout], [2, ""], moved.stderr)
      assert.match(moved.stderr, /is a DFS link to/)
      assert.strictEqual((yield* smb(["rm", `//${root}/dfs/share`])).code, 2)
      const token = yield* smb(["rm", "-r", `//${root}/dfs/share/@GMT-2026.01.02-03.04.05`])
      assert.notStrictEqual(token.code, 0)
      assert.deepStrictEqual(all(two.path("two")), before)
      // What lies below a link is no link.
      yield* two.write("two", "below/x/f", "1")
      assert.strictEqual((yield* smb(["rm", "-r", `//${root}/dfs/share/below`])).code, 0)
      assert.deepStrictEqual(all(two.path("two")), before)
      // In a tree, the link stays, with what it leads to; the rest goes.
      yield* top.write("dfs", "tree/a/f", "1")
      yield* top.write("dfs", "tree/b", "1")
      const run = yield* smb(["rm", "-r", "--json", `//${root}/dfs/tree`])
      assert.strictEqual(run.code, 1)
      const [link, last] = run.stderr.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.strictEqual(link?.reason, "AcrossShares")
      assert.deepInclude(last, { error: "RemovalError", reason: "RemovalIncomplete", removed: 3, failed: 1 })
      assert.deepStrictEqual(readdirSync(top.path("dfs", "tree")), ["inside"])
      assert.deepStrictEqual(all(two.path("two")), before)
    }))

  it.effect("a removal does not enter symbolic links of smbd's file system, out of the tree or back into it", () =>
    Effect.gen(function*() {
      const { top } = yield* Servers
      for (const dialect of ["3.1.1", "NT1"] as const) {
        yield* top.write("data", "precious/f", "1")
        yield* top.write("data", "precious/deep/f", "1")
        yield* top.write("data", "x/d/f", "1")
        yield* top.write("data", "x/d/e/f", "1")
        const link = (target: string, ...names: ReadonlyArray<string>) =>
          Effect.sync(() => symlinkSync(target, top.path("data", ...names)))
        yield* link("../precious", "x", "out")
        yield* link("../../precious/deep", "x", "d", "out")
        yield* link(".", "x", "self")
        yield* link("..", "x", "up")
        yield* link("../precious/f", "x", "file")
        yield* link("nowhere", "x", "dangling")
        const run = yield* smb([
          "rm",
          "-r",
          `//${root}/data/x`,
          "--dialect",
          dialect.toLowerCase(),
          "--signing",
          "if-required"
        ])
        assert.strictEqual(run.code, 1, run.stderr)
        assert.match(run.stderr, /x\\out is a link that the server follows/)
        assert.match(run.stderr, /entries could not be removed, 4 were/)
        assert.deepStrictEqual(all(top.path("data", "precious")), ["deep", "deep/f", "f"])
        assert.deepStrictEqual(all(top.path("data", "x")).filter((name) => name !== "dangling").toSorted(), [
          "d",
          "d/out",
          "out",
          "self",
          "up"
        ])
        yield* Effect.gen(function*() {
          const client = yield* SmbClient.SmbClient
          for (const name of ["x/out", "x/self", "x/up", "x/d/out"]) {
            const itself = yield* Effect.flip(client.remove(`//${root}/data/${name}`, { recursive: true }))
            assert(itself._tag === "RemovalError" && itself.reason._tag === "RootOrLink", name)
          }
        }).pipe(Effect.provide(client([dialect])))
        assert.deepStrictEqual(all(top.path("data", "precious")), ["deep", "deep/f", "f"])
        rmSync(top.path("data", "x"), { recursive: true })
      }
      // A link from one folder of the tree to another goes with them.
      yield* top.write("data", "x/a/deep/f", "1")
      yield* top.write("data", "x/b/f", "1")
      symlinkSync("../a/deep", top.path("data", "x", "b", "link"))
      const run = yield* smb(["rm", "-r", `//${root}/data/x`])
      assert.deepStrictEqual([run.code, run.stderr], [0, ""])
      assert.isFalse(existsSync(top.path("data", "x")))
    }))

  it.effect("a folder and a link to it in one listing are refused by themselves, and removed with their tree", () =>
    Effect.gen(function*() {
      const { top } = yield* Servers
      yield* top.write("data", "twins/other/deep/f", "1")
      symlinkSync("other", top.path("data", "twins", "lnk"))
      for (const dialect of ["3.1.1", "NT1"] as const) {
        yield* Effect.gen(function*() {
          const client = yield* SmbClient.SmbClient
          for (const [name, twin] of [["lnk", "other"], ["other", "lnk"]] as const) {
            const error = yield* Effect.flip(client.remove(`//${root}/data/twins/${name}`, { recursive: true }))
            assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink", error.message)
            assert.deepInclude(error.reason, { kind: "server-link", target: `\\\\${root}\\data\\twins\\${twin}` })
          }
        }).pipe(Effect.provide(client([dialect])))
        assert.deepStrictEqual(all(top.path("data", "twins")), ["lnk", "other", "other/deep", "other/deep/f"])
      }
      const plain = yield* smb(["rm", "-r", `//${root}/data/twins/lnk`])
      assert.strictEqual(plain.code, 2)
      assert.match(plain.stderr, /one of the names is a link on the server/)
      const run = yield* smb(["rm", "-r", `//${root}/data/twins`])
      assert.deepStrictEqual([run.code, run.stderr], [0, ""])
      assert.isFalse(existsSync(top.path("data", "twins")))
      // What leads back from the real folder keeps both, and is the one that is named.
      mkdirSync(top.path("data", "back"), { mode: 0o777 })
      yield* top.write("data", "back/a/f", "1")
      symlinkSync("../../back", top.path("data", "back", "a", "toproot"))
      symlinkSync("a", top.path("data", "back", "ina"))
      const back = yield* smb(["rm", "-r", `//${root}/data/back`])
      assert.strictEqual(back.code, 1)
      assert.match(back.stderr, /back\\(a|ina)\\toproot is a link that the server follows/)
      assert.notMatch(back.stderr, /back\\(a|ina) is a link/)
      rmSync(top.path("data", "back"), { recursive: true })
    }))

  it.effect("a link is removed before the file that it leads to, and a link without a target is reported", () =>
    Effect.gen(function*() {
      const { top } = yield* Servers
      for (let i = 0; i < 6; i++) {
        yield* top.write("data", `libs/lib/lib${i}.so.1.2`, "1")
        symlinkSync(`lib${i}.so.1.2`, top.path("data", "libs", "lib", `lib${i}.so.1`))
        symlinkSync(`lib${i}.so.1`, top.path("data", "libs", "lib", `lib${i}.so`))
      }
      const run = yield* smb(["rm", "-r", `//${root}/data/libs`])
      assert.deepStrictEqual([run.code, run.stderr], [0, ""])
      assert.isFalse(existsSync(top.path("data", "libs")))
      yield* top.write("data", "hidden/f", "1")
      symlinkSync("nowhere", top.path("data", "hidden", "dangling"))
      const hidden = yield* smb(["rm", "-r", `//${root}/data/hidden`])
      assert.strictEqual(hidden.code, 1)
      assert.match(hidden.stderr, /the server lists nothing in it, so that it hides something/)
      rmSync(top.path("data", "hidden"), { recursive: true })
    }))

  it.effect("a walk ends at a link to a folder above it, and says so", () =>
    Effect.gen(function*() {
      const { top } = yield* Servers
      yield* top.write("data", "loop/d/f", "1")
      symlinkSync(".", top.path("data", "loop", "self"))
      symlinkSync("..", top.path("data", "loop", "d", "up"))
      const list = yield* smb(["ls", "-r", `//${root}/data/loop`])
      assert.strictEqual(list.code, 0)
      assert.deepStrictEqual(list.stdout.trimEnd().split("\n").toSorted(), ["d/", "d/f", "d/up/", "self/"])
      assert.match(list.stderr, /leads back to a folder above it/)
      const here = mkdtempSync(join(tmpdir(), "effect-smb-loop-"))
      const get = yield* smb(["get", "-r", `//${root}/data/loop`, join(here, "copy")])
      assert.strictEqual(get.code, 0, get.stderr)
      assert.deepStrictEqual(all(join(here, "copy")), ["d", "d/f", "d/up", "self"])
      rmSync(here, { recursive: true })
      rmSync(top.path("data", "loop"), { recursive: true })
    }))

  it.effect("two removals of one tree at once both succeed", () =>
    Effect.gen(function*() {
      const { top } = yield* Servers
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 20; i++) {
          yield* top.write("data", `many/${i}/f`, "1")
          for (let j = 0; j < 20; j++) yield* top.write("data", `many/${i}/${j}`, "1")
        }
        const runs = yield* Effect.all(
          [smb(["rm", "-r", `//${root}/data/many`]), smb(["rm", "-r", `//${root}/data/many`])],
          { concurrency: 2 }
        )
        for (const run of runs) {
          // The one that comes when all is done finds nothing.
          if (run.code !== 0) assert.match(run.stderr, /data\\many: .*OBJECT_NAME_NOT_FOUND to CREATE/)
        }
        assert.isTrue(runs.some(({ code }) => code === 0))
        assert.isFalse(existsSync(top.path("data", "many")))
      }
    }))

  it.effect("all of several paths are checked before anything is removed", () =>
    Effect.gen(function*() {
      const { top, two } = yield* Servers
      yield* two.write("two", "judged", "1")
      yield* top.write("data", "judged/q1/f", "1")
      yield* top.write("data", "judged/q2/f", "1")
      symlinkSync("../q1", top.path("data", "judged", "q2", "out"))
      const [q1, q2] = [`//${root}/data/judged/q1`, `//${root}/data/judged/q2`]
      const before = all(top.path("data", "judged"))
      for (
        const args of [
          ["-r", q1, `//${root}/dfs/share`, q2],
          ["-r", "-f", q1, `//${root}/data`, q2],
          ["-r", q1, `${q2}/out`],
          ["-r", "--dfs", "off", q1, `//${root}/dfs/share`],
          ["-r", "--dfs", "off", `//${root}/dfs/share/judged`],
          [`${q1}/f`, q2]
        ]
      ) {
        const run = yield* smb(["rm", ...args])
        assert.deepStrictEqual([run.code, run.stdout], [2, ""], `${args.join(" ")}: ${run.stderr}`)
        assert.deepStrictEqual(all(top.path("data", "judged")), before)
      }
      assert.isTrue(existsSync(top.path("data", "judged", "q1", "f")))
      const link = yield* smb(["rm", `//${root}/dfs/share`])
      assert.strictEqual(link.code, 2)
      assert.match(link.stderr, /is a DFS link/)
      const moved = yield* smb(["mv", "--dfs", "off", `//${root}/dfs/share`, `//${root}/dfs/other`])
      assert.deepStrictEqual([moved.code, moved.stdout], [2, ""], moved.stderr)
      rmSync(top.path("data", "judged"), { recursive: true })
      rmSync(two.path("two", "judged"))
    }))

  it.effect("removes the other paths after an error, and exits with status 1", () =>
    Effect.gen(function*() {
      const { top } = yield* Servers
      mkdirSync(top.path("data", "paths"), { mode: 0o777 })
      yield* top.write("data", "paths/f", "1")
      const run = yield* smb(["rm", `//${root}/data/paths/none`, `//${root}/data/paths/f`])
      assert.strictEqual(run.code, 1)
      assert.match(run.stderr, /paths\\none.*\n.*1 entry could not be removed\n$/)
      assert.deepStrictEqual(readdirSync(top.path("data", "paths")), [])
    }))
})
