/**
 * Proves that a dry run and the real run agree about everything that can be in the way of a copy: each kind of entry is
 * copied over each other kind, in trees and alone. Both runs tell the same failures, and the dry run promises what the real
 * run does.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result } from "effect"
import { SmbClient } from "effect-smb"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Copying from "../../src/Cli/Copying.ts"
import * as Moving from "../../src/Cli/Moving.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { FileAttributes } from "../../src/Smb2/Message/Constants.ts"
import * as Served from "./served.ts"

type Needs = Layer.Success<ReturnType<typeof Served.client>>

/** A place that entries can be made in, on a server or on this machine. Names have slashes. */
interface Place {
  readonly at: string
  readonly folder: (name: string) => Effect.Effect<unknown, unknown>
  readonly file: (name: string) => Effect.Effect<unknown, unknown>
  readonly readOnly: (name: string) => Effect.Effect<unknown, unknown>
  /** `target` is in the same folder. */
  readonly link: (name: string, target: string, directory: boolean) => Effect.Effect<unknown, unknown>
}

const on = (at: string, smb: SmbClient.Client): Place => ({
  at,
  folder: (name) => smb.makeDirectory(`${at}/${name}`, { recursive: true }),
  file: (name) => smb.writeFile(`${at}/${name}`, name),
  readOnly: (name) => smb.setAttributes(`${at}/${name}`, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_READONLY }),
  link: (name, target, directory) => smb.makeLink(`${at}/${name}`, target, { directory })
})

const here = (at: string): Place => ({
  at,
  folder: (name) => Effect.sync(() => Fs.mkdirSync(join(at, name), { recursive: true })),
  file: (name) => Effect.sync(() => Fs.writeFileSync(join(at, name), name)),
  readOnly: (name) => Effect.sync(() => Fs.chmodSync(join(at, name), 0o444)),
  link: (name, target) => Effect.sync(() => Fs.symlinkSync(target, join(at, name)))
})

type Make = (place: Place, name: string) => Effect.Effect<unknown, unknown>

const file: Make = (place, name) => place.file(name)
const emptyFolder: Make = (place, name) => place.folder(name)
const fullFolder: Make = (place, name) => Effect.andThen(place.folder(name), place.file(`${name}/in`))
const deepFolder: Make = (place, name) =>
  Effect.andThen(place.folder(`${name}/deep/er`), place.file(`${name}/deep/er/in`))

/** What is copied. */
const sources: Readonly<Record<string, Make>> = { file, "empty folder": emptyFolder, "full folder": fullFolder }

const linkTo = (make: Make, directory: boolean): Make => (place, name) =>
  Effect.andThen(make(place, `${name} target`), place.link(name, `${name.split("/").at(-1)} target`, directory))

/** What is at the target before. */
const targets: Readonly<Record<string, Make>> = {
  nothing: () => Effect.void,
  file,
  "read-only file": (place, name) => Effect.andThen(place.file(name), place.readOnly(name)),
  "empty folder": emptyFolder,
  "full folder": fullFolder,
  "folder with a folder": deepFolder,
  "file with another case": (place, name) => place.file(name.toUpperCase()),
  "folder with another case": (place, name) => place.folder(name.toUpperCase()),
  "link to a file": linkTo(file, false),
  "link to a folder": linkTo(emptyFolder, true),
  "link to nothing": (place, name) => place.link(name, `${name.split("/").at(-1)} nowhere`, false)
}

/** Every pair, by the name of its entry on both sides. */
const pairs = Object.entries(sources).flatMap(([source, make], one) =>
  Object.entries(targets).map(([target, before], other) => ({
    title: `${source} over ${target}`,
    name: `pair ${one} ${other}`,
    make,
    before
  }))
)

interface World {
  readonly from: Place
  readonly to: Place
}

type Sides = "here to server" | "server to here" | "server to server"

/** A source and a target that are empty. */
const worldOf = Effect.fnUntraced(function*(sides: Sides, smb: SmbClient.Client, base: string) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "dry-pairs-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const from = sides === "here to server" ? here(`${folder}/from`) : on(`${base}/from`, smb)
  const to = sides === "server to here" ? here(`${folder}/to`) : on(`${base}/to`, smb)
  const world: World = { from, to }
  yield* from.folder("")
  yield* to.folder("")
  return world
})

const withWorld = <A, E>(sides: Sides, use: (world: World) => Effect.Effect<A, E, Needs>) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server({ shares: { data: MemoryStore.make() } })
    const context = yield* Layer.build(Served.client({ port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    const world = yield* worldOf(sides, smb, `//127.0.0.1:${port}/data`)
    return yield* Effect.provide(use(world), context)
  }).pipe(Effect.scoped)

type Command = (from: string, to: string, dryRun: boolean) => Effect.Effect<void, unknown, Needs>

const place = (text: string): Copying.Place => Result.getOrThrow(Copying.place(text))

const options = (dryRun: boolean, existing?: "update" | "skip" | "different") => ({
  json: true,
  quiet: true,
  recursive: true,
  resume: false,
  inPlace: false,
  mapped: false,
  transfer: { retries: 0, dryRun, existing }
})

const sync = (removes: boolean): Command => (from, to, dryRun) =>
  Copying.sync(place(from), place(to), {
    json: true,
    quiet: true,
    sync: { delete: removes, retries: 0, dryRun }
  })

const put = (inPlace: boolean, existing?: "update" | "skip"): Command => (from, to, dryRun) =>
  Copying.put(from, Served.path(to), { ...options(dryRun, existing), inPlace })

const get = (existing?: "update" | "skip"): Command => (from, to, dryRun) =>
  Copying.get(Served.path(from), Option.some(to), options(dryRun, existing))

const copy: Command = (from, to, dryRun) => Copying.copy([place(from)], place(to), options(dryRun))

const commands: ReadonlyArray<readonly [string, Sides, Command]> = [
  ["sync", "here to server", sync(false)],
  ["sync", "server to here", sync(false)],
  ["sync", "server to server", sync(false)],
  ["put", "here to server", put(false)],
  ["put --in-place", "here to server", put(true)],
  ["put --update", "here to server", put(false, "update")],
  ["put --skip-existing", "here to server", put(false, "skip")],
  ["get", "server to here", get()],
  ["get --update", "server to here", get("update")],
  ["cp", "server to server", copy]
]

/** The failures and promises of a run, or what it did. */
const outcome = (
  sides: Sides,
  { err, failure, out }: {
    readonly out: string
    readonly err: string
    readonly failure: { readonly code?: number; readonly message?: string } | undefined
  }
) => {
  const objects = (text: string) => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))
  const copies: Array<string> = []
  const removals: Array<string> = []
  const skipped: Array<string> = []
  for (const one of objects(out)) {
    const target = sides === "server to server" ? one.to : sides === "server to here" ? one.local : one.path
    if (one.planned === "Remove") removals.push(one.path)
    else if (one.planned === "Copy") copies.push(one.to)
    else if (one.removed !== undefined) removals.push(one.removed)
    else (one.skipped === true ? skipped : copies).push(target)
  }
  return {
    failures: objects(err).map(({ message }) => message).toSorted(),
    end: failure?.message,
    code: failure?.code,
    copies: copies.toSorted(),
    removals: removals.toSorted(),
    skipped: skipped.toSorted()
  }
}

describe("a dry run of a tree agrees with the real run about every pair of entries:", () => {
  it.live.each(commands)("%s, %s", ([, sides, command]) =>
    withWorld(sides, ({ from, to }) =>
      Effect.gen(function*() {
        for (const { before, make, name } of pairs) {
          yield* make(from, name)
          yield* before(to, name)
        }
        const dry = outcome(sides, yield* Served.printed(command(from.at, `${to.at}/`, true)))
        const real = outcome(sides, yield* Served.printed(command(from.at, `${to.at}/`, false)))
        assert.deepStrictEqual(dry, real)
        assert.isNotEmpty(real.failures)
        if (sides === "server to here") {
          assert.include(
            real.failures.join("\n"),
            "already exists, and is no folder: remove it, or name another folder"
          )
        }
        assert.isNotEmpty(real.copies)
      })))
})

describe("a dry run of one path agrees with the real run about every pair of entries:", () => {
  it.live.each(commands)("%s, %s", ([, sides, command]) =>
    withWorld(sides, ({ from, to }) =>
      Effect.gen(function*() {
        const ends = new Set<number | undefined>()
        for (const { before, make, name, title } of pairs) {
          yield* make(from, name)
          yield* before(to, name)
          const dry = outcome(sides, yield* Served.printed(command(`${from.at}/${name}`, `${to.at}/${name}`, true)))
          const real = outcome(sides, yield* Served.printed(command(`${from.at}/${name}`, `${to.at}/${name}`, false)))
          assert.deepStrictEqual(dry, real, title)
          ends.add(real.code)
        }
        assert.strictEqual(ends.size, 2)
      })))
})

describe("a dry run of mv agrees with the real run about every pair of entries:", () => {
  it.live.each([["mv", false], ["mv --replace", true]] as const)(
    "%s",
    ([, replace]) =>
      withWorld("server to server", ({ from, to }) =>
        Effect.gen(function*() {
          const ends = new Set<number | undefined>()
          for (const { before, make, name, title } of pairs) {
            yield* make(from, name)
            yield* before(to, name)
            const move = (dryRun: boolean) =>
              Effect.map(
                Served.printed(
                  Moving.move([Served.path(`${from.at}/${name}`)], Served.path(`${to.at}/${name}`), {
                    json: false,
                    replace,
                    dryRun
                  })
                ),
                ({ err, failure }) => ({ err, failure: failure?.message, code: failure?.code })
              )
            const dry = yield* move(true)
            const real = yield* move(false)
            assert.deepStrictEqual(dry, real, title)
            ends.add(real.code)
          }
          assert.strictEqual(ends.size, 2)
        }))
  )
})
