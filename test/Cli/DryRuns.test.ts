/**
 * A dry run promises nothing that the real run is refused: both run one after the other against the own server, and tell
 * the same failures. The dry run changes nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result, Stdio, Stream } from "effect"
import { SmbClient } from "effect-smb"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Moving from "../../src/Cli/Moving.ts"
import * as Sddl from "../../src/Codec/Sddl.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import * as Served from "./served.ts"

type Needs = Layer.Success<ReturnType<typeof Served.client>>

interface World {
  readonly smb: SmbClient.Client
  /** The share, as `//host/share`. */
  readonly base: string
  /** Another share of the server, which no user may change. */
  readonly frozen: string
  /** A folder of this machine. */
  readonly here: string
}

/** Everyone may read, and do nothing else. */
const readers = Result.getOrThrow(Sddl.fromSddl("D:PAI(A;OICI;0x1200a9;;;WD)"))

const readOnly = { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY }

/** `d/old` is read-only, everything in `closed` can only be read, `taken` is a file and `d` a folder. */
const prepare = Effect.fnUntraced(function*({ base, smb }: World) {
  for (const folder of ["d", "d/sub", "closed", "open"]) yield* smb.makeDirectory(`${base}/${folder}`)
  for (const file of ["a", "taken", "d/old", "d/a", "closed/x", "open/y"]) yield* smb.writeFile(`${base}/${file}`, file)
  yield* smb.setAttributes(`${base}/d/old`, readOnly)
  yield* smb.security.set(`${base}/closed/x`, readers)
  yield* smb.security.set(`${base}/closed`, readers)
})

const withWorld = <A, E>(use: (world: World) => Effect.Effect<A, E, Needs>) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server({
      shares: { data: MemoryStore.make(), frozen: { store: MemoryStore.make(), readOnly: true } }
    })
    const context = yield* Layer.build(Served.client({ port }))
    const here = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "dry-"))),
      (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
    )
    const smb = Context.get(context, SmbClient.SmbClient)
    const host = `//127.0.0.1:${port}`
    const world = { smb, here, base: `${host}/data`, frozen: `${host}/frozen` }
    yield* prepare(world)
    return yield* Effect.provide(use(world), context)
  }).pipe(Effect.scoped)

/** All that is on the share, with attributes and sizes. */
const state = ({ base, smb }: World) =>
  Effect.map(
    Stream.runCollect(smb.walk(base)),
    (all) => all.map(({ fileAttributes, path, size }) => `${path} ${size} ${fileAttributes}`).toSorted()
  )

type Subcommand = (world: World, dryRun: boolean) => Effect.Effect<void, unknown, Needs>

const rm = (
  paths: (world: World) => ReadonlyArray<string>,
  options: { recursive?: boolean; force?: boolean } = {}
): Subcommand =>
(world, dryRun) =>
  Moving.remove(paths(world).map(Served.path), { json: false, recursive: false, force: false, ...options, dryRun })

const mv =
  (paths: (world: World) => ReadonlyArray<string>, to: (world: World) => string, replace = false): Subcommand =>
  (world, dryRun) =>
    Moving.move(paths(world).map(Served.path), Served.path(to(world)), { json: false, replace, dryRun })

const place = (text: string): Copying.Place => Result.getOrThrow(Copying.place(text))

const sync = (from: (world: World) => string, to: (world: World) => string): Subcommand => (world, dryRun) =>
  Copying.sync(place(from(world)), place(to(world)), {
    json: false,
    quiet: true,
    sync: { delete: true, retries: 0, dryRun }
  })

/** A local folder with these files, names with a slash in folders. */
const local = (...names: ReadonlyArray<string>) => ({ here }: World): string => {
  for (const name of names) {
    Fs.mkdirSync(join(here, name, ".."), { recursive: true })
    Fs.writeFileSync(join(here, name), `the new ${name}`)
  }
  return here
}

const copying = (dryRun: boolean, how: { readonly recursive?: boolean; readonly existing?: "update" } = {}) => {
  const { existing, recursive = false } = how
  return {
    json: false,
    quiet: true,
    recursive,
    resume: false,
    inPlace: false,
    mapped: false,
    transfer: { retries: 0, dryRun, existing }
  }
}

type How = Parameters<typeof copying>[1]

const get = (from: (world: World) => ReadonlyArray<string>, to: string, how?: How): Subcommand => (world, dryRun) =>
  Copying.getAll(from(world).map(Served.path), Option.some(`${world.here}/${to}`), copying(dryRun, how))

const put = (
  from: ReadonlyArray<string>,
  to: (world: World) => string,
  { inPlace = false, ...how }: How & { readonly inPlace?: boolean } = {}
): Subcommand =>
(world, dryRun) => {
  local(...from)(world)
  const sources = from.map((name) => `${world.here}/${how?.recursive ? name.replace(/[/].*/, "") : name}`)
  return Copying.putAll(sources, Served.path(to(world)), { ...copying(dryRun, how), inPlace })
}

const cp = (
  from: (world: World) => ReadonlyArray<string>,
  to: (world: World) => string,
  how?: How
): Subcommand =>
(world, dryRun) => Copying.copy(from(world).map(place), place(to(world)), copying(dryRun, how))

const refused: Readonly<Record<string, Subcommand>> = {
  "rm of a read-only file": rm(({ base }) => [`${base}/d/old`]),
  "rm of a file that does not exist": rm(({ base }) => [`${base}/none`]),
  "rm of a file without the right": rm(({ base }) => [`${base}/closed/x`, `${base}/a`]),
  "rm -f of a read-only file without the right": rm(({ base }) => [`${base}/closed/x`], { force: true }),
  "mv to a name that is taken": mv(({ base }) => [`${base}/a`], ({ base }) => `${base}/taken`),
  "mv into a folder that has the name, as a folder": mv(
    ({ base }) => [`${base}/a`, `${base}/d/sub`],
    ({ base }) => `${base}/d`
  ),
  "mv --replace of a read-only file": mv(({ base }) => [`${base}/a`], ({ base }) => `${base}/d/old`, true),
  "mv of a file that does not exist": mv(({ base }) => [`${base}/none`], ({ base }) => `${base}/new`),
  "mv to a folder that does not exist": mv(({ base }) => [`${base}/a`], ({ base }) => `${base}/none/a`),
  "mv of a folder into itself": mv(({ base }) => [`${base}/d`], ({ base }) => `${base}/d/sub/d`),
  "mv of a file without the right to it": mv(({ base }) => [`${base}/closed/x`], ({ base }) => `${base}/x`),
  "mv into a folder without the right to it": mv(({ base }) => [`${base}/a`], ({ base }) => `${base}/closed/a`),
  "mv to another share": mv(({ base }) => [`${base}/a`], ({ frozen }) => `${frozen}/a`),
  "sync --delete where only the target has a read-only file": sync(local("a"), ({ base }) => `${base}/d`),
  "sync over a read-only file": sync(local("old", "a", "sub/x"), ({ base }) => `${base}/d`),
  "sync of a file over a folder": sync(local("old", "a", "sub"), ({ base }) => `${base}/d`),
  "sync into a folder without the right to it": sync(local("new"), ({ base }) => `${base}/closed`),
  "sync to a share that is read-only": sync(local("new"), ({ frozen }) => frozen),
  "sync of one server's folder over another's read-only file": sync(
    ({ base }) => `${base}/open`,
    ({ base }) => `${base}/closed`
  ),
  "put into a folder that does not exist": put(["q"], ({ base }) => `${base}/nope/x`),
  "put --in-place into a folder that does not exist": put(["q"], ({ base }) => `${base}/nope/x`, { inPlace: true }),
  "put --update into a folder that does not exist": put(["q"], ({ base }) => `${base}/nope/x`, { existing: "update" }),
  "put into a folder of a folder that does not exist": put(["q"], ({ base }) => `${base}/nope/more/x`),
  "put into a file as if it were a folder": put(["q"], ({ base }) => `${base}/taken/x`),
  "put of a file's stream into a folder that does not exist": put(["q"], ({ base }) => `${base}/nope/x:s`),
  "put of several files into a folder that does not exist": put(["q", "p"], ({ base }) => `${base}/new/`),
  "put of a file, and then of a tree, into a folder that does not exist": put(
    ["q", "tree/p"],
    ({ base }) => `${base}/new/`,
    { recursive: true }
  ),
  "cp into a folder that does not exist": cp(({ base }) => [`${base}/a`], ({ base }) => `${base}/nope/x`),
  "cp of several files into a folder that does not exist": cp(
    ({ base }) => [`${base}/a`, `${base}/taken`],
    ({ base }) => `${base}/nope/`
  ),
  "get into a local folder that does not exist": get(({ base }) => [`${base}/a`], "nope/x"),
  "get into a local file as if it were a folder": (world, dryRun) => {
    local("file")(world)
    return get(({ base }) => [`${base}/a`], "file/x")(world, dryRun)
  },
  "cp to this machine into a folder that does not exist": cp(
    ({ base }) => [`${base}/a`],
    ({ here }) => `${here}/nope/x`
  ),
  "get of a folder without -r": get(({ base }) => [`${base}/open`], "x"),
  "get --update of a folder without -r": get(({ base }) => [`${base}/open`], "x", { existing: "update" }),
  "get of a pattern that a folder matches, without -r": get(({ base }) => [`${base}/o*`], "x/"),
  "get of several paths, one a folder, without -r": get(({ base }) => [`${base}/a`, `${base}/open`], "x/"),
  "cp of a folder to this machine without -r": cp(({ base }) => [`${base}/open`], ({ here }) => `${here}/x`),
  "sync from a server over a local folder": sync(({ base }) => `${base}/open`, (world) => local("y/z")(world))
}

/** What changes the share. */
const promised: Readonly<Record<string, Subcommand>> = {
  "rm -f of a read-only file": rm(({ base }) => [`${base}/d/old`], { force: true }),
  "mv of a read-only file": mv(({ base }) => [`${base}/d/old`], ({ base }) => `${base}/d/new`),
  "mv to another case of letters": mv(({ base }) => [`${base}/a`], ({ base }) => `${base}/A`),
  "mv --replace of a file": mv(({ base }) => [`${base}/a`], ({ base }) => `${base}/taken`, true),
  "mv of a folder to another one": mv(({ base }) => [`${base}/d`], ({ base }) => `${base}/open`),
  "put of a tree, and then of a file, into a folder that does not exist": put(
    ["tree/p", "q"],
    ({ base }) => `${base}/new/`,
    { recursive: true }
  ),
  "cp of a tree, and then of a file, into a folder that does not exist": cp(
    ({ base }) => [`${base}/open`, `${base}/a`],
    ({ base }) => `${base}/new/`,
    { recursive: true }
  ),
  "put from a pipe": (world, dryRun) =>
    Stdio.layerTest({ stdin: Stream.make(new TextEncoder().encode("piped")) }).pipe((stdin) =>
      Effect.provide(Copying.put("-", Served.path(`${world.base}/piped`), copying(dryRun)), stdin)
    ),
  "sync into a folder that does not exist": sync(local("x", "y/z"), ({ base }) => `${base}/made/here`)
}

/** What changes a folder of this machine. */
const promisedHere: Readonly<Record<string, Subcommand>> = {
  "get of several files into a folder that does not exist": get(({ base }) => [`${base}/a`, `${base}/taken`], "new/"),
  "get of a pattern into folders that do not exist": get(({ base }) => [`${base}/?`], "new/more/", { recursive: true }),
  "get of a tree into folders that do not exist": get(({ base }) => [`${base}/open`], "new/more", { recursive: true }),
  "cp of several files to this machine": cp(({ base }) => [`${base}/a`, `${base}/taken`], ({ here }) => `${here}/new/`)
}

/** The names that lines of failures are about: the real run may tell more of each. */
const failuresOf = (
  { err, failure }: { readonly err: string; readonly failure: { readonly message?: string } | undefined }
) => [...err.split("\n"), failure?.message ?? ""].filter((line) => line !== "").toSorted()

describe("a dry run tells what the real run is refused, and changes nothing:", () => {
  for (const [name, subcommand] of Object.entries(refused)) {
    it.live(name, () =>
      withWorld((world) =>
        Effect.gen(function*() {
          const before = yield* state(world)
          const dry = yield* Served.printed(subcommand(world, true))
          assert.deepStrictEqual(yield* state(world), before)
          const real = yield* Served.printed(subcommand(world, false))
          assert.isDefined(real.failure)
          assert.deepStrictEqual(failuresOf(dry), failuresOf(real))
          assert.strictEqual(dry.failure?.code, real.failure?.code)
        })
      ))
  }
})

describe("a dry run promises, and the real run does:", () => {
  for (const [name, subcommand] of Object.entries(promised)) {
    it.live(name, () =>
      withWorld((world) =>
        Effect.gen(function*() {
          const before = yield* state(world)
          for (const dryRun of [true, false]) {
            const { err, failure } = yield* Served.printed(subcommand(world, dryRun))
            assert.deepStrictEqual([err, failure], ["", undefined])
            assert.strictEqual(dryRun, (yield* state(world)).join() === before.join())
          }
        })
      ))
  }
})

describe("a dry run promises, and the real run does on this machine:", () => {
  for (const [name, subcommand] of Object.entries(promisedHere)) {
    it.live(name, () =>
      withWorld((world) =>
        Effect.gen(function*() {
          for (const dryRun of [true, false]) {
            const { err, failure } = yield* Served.printed(subcommand(world, dryRun))
            assert.deepStrictEqual([err, failure], ["", undefined])
            assert.strictEqual(dryRun, Fs.readdirSync(world.here).length === 0)
          }
        })
      ))
  }
})
