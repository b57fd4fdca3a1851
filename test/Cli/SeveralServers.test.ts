/**
 * Subcommands that take several paths, and a server that fails as a whole: its failure is told once, its other paths are
 * not tried, and the paths of the other server are done.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result, type Scope } from "effect"
import { SmbClient } from "effect-smb"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Acl from "../../src/Cli/Acl.ts"
import * as Actions from "../../src/Cli/Actions.ts"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Details from "../../src/Cli/Details.ts"
import * as Moving from "../../src/Cli/Moving.ts"
import * as Space from "../../src/Cli/Space.ts"
import * as Touch from "../../src/Cli/Touch.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Served from "./served.ts"

type Needs = Layer.Success<ReturnType<typeof Served.client>>

/** What a subcommand gets: paths on both servers in turn, and a good place. */
interface World {
  readonly paths: ReadonlyArray<string>
  /** A folder of the good server, as `//host/share/folder`. */
  readonly good: string
  /** A folder of this machine. */
  readonly here: string
}

const json = false
const remotes = (paths: ReadonlyArray<string>) => paths.map(Served.path)
const place = (text: string): Copying.Place => Result.getOrThrow(Copying.place(text))
const copying = { json, quiet: true, recursive: false, transfer: { retries: 0 } }
const changes = { set: undefined, inherit: undefined, revoke: [], grant: [], deny: [], owner: undefined }
const everyone = { name: "S-1-1-0", mask: 0x1f01ff, denied: false } as const

/** Every subcommand that takes several paths on servers. */
const subcommands: Readonly<Record<string, (world: World) => Effect.Effect<void, unknown, Needs>>> = {
  "cat": ({ paths }) => Actions.cat(remotes(paths), { json }),
  "get": ({ here, paths }) => Copying.getAll(remotes(paths), Option.some(here), { ...copying, resume: false }),
  "get with patterns": ({ here, paths }) =>
    Copying.getAll(remotes(paths.map((path) => `${path}*`)), Option.some(here), { ...copying, resume: false }),
  "get to standard output": ({ paths }) =>
    Copying.getAll(remotes(paths), Option.some("-"), { ...copying, resume: false }),
  "cp from servers to a server": ({ good, paths }) =>
    Copying.copy(paths.map(place), place(`${good}/`), { ...copying, mapped: false }),
  "stat": ({ paths }) => Details.stat(remotes(paths), { json, follow: false }),
  "df": ({ paths }) => Space.df(remotes(paths), { json, human: false }),
  "du": ({ paths }) => Space.du(remotes(paths), { json, human: false, depth: 0, allocated: false }),
  "touch": ({ paths }) => Touch.touch(remotes(paths), { json, create: true }),
  "attrib": ({ paths }) => Touch.attrib(remotes(paths), { json, set: ["h"], clear: [] }),
  "mkdir": ({ paths }) =>
    Actions.makeDirectory(remotes(paths.map((path) => `${path}.folder`)), { json, parents: false }),
  "rm": ({ paths }) => Moving.remove(remotes(paths), { json, dryRun: false, recursive: false, force: false }),
  "rm --dry-run": ({ paths }) => Moving.remove(remotes(paths), { json, dryRun: true, recursive: false, force: false }),
  "rm with patterns": ({ paths }) =>
    Moving.remove(remotes(paths.map((path) => `${path}*`)), { json, dryRun: false, recursive: false, force: true }),
  "acl": ({ paths }) => Acl.acl(remotes(paths), { json, sddl: false, recursive: false, dryRun: false, changes }),
  "acl --grant": ({ paths }) =>
    Acl.acl(remotes(paths), {
      json,
      sddl: false,
      recursive: true,
      dryRun: false,
      changes: { ...changes, grant: [everyone] } as typeof changes
    })
}

/** A server that refuses the password and counts the logons; and one that takes it. */
const servers = Effect.gen(function*() {
  let logons = 0
  const users = yield* UserStore.make(() =>
    Effect.sync(() => {
      logons++
      return undefined
    })
  )
  const refusing = yield* Served.server({ users })
  const { port } = yield* Served.server()
  return { refusing: `//127.0.0.1:${refusing.port}/data`, good: `//127.0.0.1:${port}/data`, logons: () => logons }
})

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "several-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** Runs a subcommand on three paths of a bad server and two of a good one. */
const run = Effect.fnUntraced(
  function*(
    subcommand: (world: World) => Effect.Effect<void, unknown, Needs>,
    bad: string,
    good: string,
    options: Parameters<typeof Served.client>[0] = {}
  ) {
    const context = yield* Layer.build(Served.client(options))
    const smb = Context.get(context, SmbClient.SmbClient)
    yield* smb.makeDirectory(`${good}/into`)
    for (const name of ["g1", "g2"]) yield* smb.writeFile(`${good}/${name}`, name)
    const paths = [`${bad}/b1`, `${good}/g1`, `${bad}/b2`, `${good}/g2`, `${bad}/b3`]
    const world = { paths, good: `${good}/into`, here: yield* folder }
    return yield* Effect.provide(Served.printed(subcommand(world)), context)
  }
)

const linesOf = (err: string): ReadonlyArray<string> => err.split("\n").filter((line) => line !== "")

describe("a server that fails as a whole is told once, and its other paths are not tried:", () => {
  for (const [name, subcommand] of Object.entries(subcommands)) {
    it.live(`${name}, with a refused logon`, () =>
      Effect.gen(function*() {
        const { good, logons, refusing } = yield* servers
        const { err, failure } = yield* run(subcommand, refusing, good)
        const lines = linesOf(err)
        assert.lengthOf(lines, 1)
        assert.match(lines[0]!, /password is wrong.*SESSION_SETUP\); not tried: 2 other paths of this server$/)
        assert.match(failure!.message!, /^3 entries could not be \w+$/)
        assert.strictEqual(failure!.code, 1)
        assert.strictEqual(logons(), 1)
      }).pipe(Effect.scoped))
  }
})

/** A program that is no SMB server. */
const noServer = Effect.acquireRelease(
  Effect.callback<Net.Server>((resume) => {
    const server = Net.createServer((socket) => {
      socket.on("error", () => {})
      socket.end("220 mail.example ESMTP\r\n")
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => void server.close())
)

describe("as a failure of a server counts", () => {
  const cases: ReadonlyArray<
    readonly [what: string, bad: Effect.Effect<string, unknown, Scope.Scope>, message: RegExp]
  > = [
    ["a port without a server", Effect.succeed("//127.0.0.1:1/data"), /refused the connection/],
    [
      "a name without an address",
      Effect.succeed("//no.such.invalid/data"),
      /no address is known for no\.such\.invalid/
    ],
    [
      "a peer that speaks another protocol",
      Effect.map(noServer, (server) => `//127.0.0.1:${(server.address() as Net.AddressInfo).port}/data`),
      /the service at/
    ]
  ]
  for (const [what, make, message] of cases) {
    it.live(what, () =>
      Effect.gen(function*() {
        const bad = yield* make
        for (const name of ["get", "touch"] as const) {
          const { good } = yield* servers
          const { err, failure } = yield* run(subcommands[name]!, bad, good)
          const lines = linesOf(err)
          assert.lengthOf(lines, 1)
          assert.match(lines[0]!, message)
          assert.match(lines[0]!, /; not tried: 2 other paths of this server$/)
          assert.match(failure!.message!, /^3 entries could not be \w+$/)
        }
      }).pipe(Effect.scoped))
  }
})

describe("with a server that refuses the logon", () => {
  it.live("stat of one path tells the refusal of the only logon", () =>
    Effect.gen(function*() {
      const { logons, refusing } = yield* servers
      const stat = Details.stat(remotes([`${refusing}/x`]), { json, follow: false })
      const { failure } = yield* Effect.provide(Served.printed(stat), Served.client())
      assert.match(failure!.message!, /password is wrong/)
      assert.notMatch(failure!.message!, /not tried again/)
      assert.strictEqual(logons(), 1)
    }).pipe(Effect.scoped))

  const here = Effect.map(folder, (path) =>
    ["one", "two", "three"].map((name) => {
      Fs.writeFileSync(join(path, name), name)
      return join(path, name)
    }))

  it.live("put of several files tells it once", () =>
    Effect.gen(function*() {
      const { logons, refusing } = yield* servers
      const options = { ...copying, inPlace: false }
      const put = Effect.flatMap(here, (files) => Copying.putAll(files, Served.path(`${refusing}/in/`), options))
      const { err, failure } = yield* Effect.provide(Served.printed(put), Served.client())
      assert.match(err, /^effect-smb: .*password is wrong.*; not tried: 2 other paths of this server\n$/)
      assert.strictEqual(failure!.message, "3 entries could not be copied")
      assert.strictEqual(logons(), 1)
    }).pipe(Effect.scoped))

  it.live("cp of local and remote files to it tells it once, and tries no source", () =>
    Effect.gen(function*() {
      const { good, logons, refusing } = yield* servers
      const copied = Effect.flatMap(here, (files) =>
        Copying.copy([...files, `${good}/none`].map(place), place(`${refusing}/in/`), { ...copying, mapped: false }))
      const { err, failure } = yield* Effect.provide(Served.printed(copied), Served.client())
      assert.match(err, /^effect-smb: .*password is wrong.*; not tried: 3 other paths of this server\n$/)
      assert.strictEqual(failure!.message, "4 entries could not be copied")
      assert.strictEqual(logons(), 1)
    }).pipe(Effect.scoped))

  it.live("mv of several files, and of a pattern, tells it once", () =>
    Effect.gen(function*() {
      const { logons, refusing } = yield* servers
      const options = { json: true, dryRun: false, replace: false }
      const paths = remotes([`${refusing}/a*`, `${refusing}/b`, `${refusing}/c`])
      const { err, failure } = yield* Effect.provide(
        Served.printed(Moving.move(paths, Served.path(`${refusing}/into`), options)),
        Served.client()
      )
      const told = linesOf(err).map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.lengthOf(told, 1)
      assert.deepInclude(told[0], { error: "SmbError", reason: "LogonFailure", notTried: 2 })
      assert.strictEqual(failure!.message, "3 entries could not be moved")
      assert.strictEqual(logons(), 1)
    }).pipe(Effect.scoped))

  it.live("one path alone fails with the error itself", () =>
    Effect.gen(function*() {
      const { refusing } = yield* servers
      for (const subcommand of [subcommands.df!, subcommands.stat!, subcommands.acl!, subcommands["acl --grant"]!]) {
        const world = { paths: [`${refusing}/one`], good: refusing, here: "" }
        const { err, failure } = yield* Effect.provide(Served.printed(subcommand(world)), Served.client())
        assert.strictEqual(err, "")
        assert.match(failure!.message!, /password is wrong/)
      }
    }).pipe(Effect.scoped))
})

it.live("the target of a DFS link that does not answer stops no other path of the namespace", () =>
  Effect.gen(function*() {
    const { port } = yield* Served.server({
      namespaces: {
        roots: { dfs: { links: { dead: ["\\\\127.0.0.9\\data"], live: ["\\\\127.0.0.1\\data"] } } }
      }
    })
    const root = `//127.0.0.1:${port}/dfs`
    const touch = Touch.touch(remotes([`${root}/dead/a`, `${root}/live/b`, `${root}/dead/c`, `${root}/live/d`]), {
      json,
      create: true
    })
    const { err, failure } = yield* Effect.provide(Served.printed(touch), Served.client({ port }))
    assert.lengthOf(linesOf(err), 2)
    assert.notMatch(err, /not tried/)
    assert.strictEqual(failure!.message, "2 entries could not be changed")
  }).pipe(Effect.scoped))
