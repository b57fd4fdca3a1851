/**
 * Transfers between folders that are not what their paths say: links at the target, a source inside its target, a target
 * inside its source, names that differ in case. Nothing is lost, and nothing is removed that is at another place.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Fs from "node:fs"
import { join } from "node:path"
import { RemovalError, RootOrLink } from "../../src/Client/RemovalError.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as Choice from "../../src/Transfer/internal/Choice.ts"
import * as DryRun from "../../src/Transfer/internal/DryRun.ts"
import * as Extras from "../../src/Transfer/internal/Extras.ts"
import * as Filter from "../../src/Transfer/internal/Filter.ts"
import * as Options from "../../src/Transfer/internal/Options.ts"
import { Run } from "../../src/Transfer/internal/Run.ts"
import type { Item, Side } from "../../src/Transfer/internal/Side.ts"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import type { TransferEvent } from "../../src/Transfer/TransferEvent.ts"
import { client, server } from "../Cli/served.ts"

interface Folder {
  readonly [name: string]: Folder | Link | "file"
}

/** A folder that is at another place. A listing tells of a DFS link and a junction; of a server's own link it does not. */
class Link {
  readonly isTold: boolean
  readonly content: Folder
  constructor(isTold: boolean, content: Folder) {
    this.isTold = isTold
    this.content = content
  }
}

/** A side in memory, which notes what is removed. Names are exact, as on a disk of Linux. */
const side = (root: Folder, removed: Array<string> = []): Side => {
  const at = (names: ReadonlyArray<string>): Folder | Link | "file" | undefined => {
    let here: Folder | Link | "file" | undefined = root
    for (const name of names) {
      if (here instanceof Link) here = here.content
      if (here === undefined || here === "file") return undefined
      here = here[name]
    }
    return here
  }
  const path = (names: ReadonlyArray<string>) => names.join("/")
  return {
    path,
    list: (names) =>
      Effect.sync(() => {
        const found = at(names)
        const folder = found instanceof Link ? found.content : found
        if (folder === undefined || folder === "file") return undefined
        return Object.entries(folder).map(([name, entry]): Item => ({
          name,
          type: entry === "file" ? "file" : "directory",
          facts: { size: 0n, lastWriteTime: undefined },
          leadsAway: entry instanceof Link && entry.isTold
        }))
      }),
    refuseLink: (names) =>
      at(names) instanceof Link
        ? Effect.fail(
          new RemovalError({ reason: new RootOrLink({ path: path(names), kind: "server-link" }) })
        )
        : Effect.void,
    refuseRemoval: () => Effect.void,
    remove: (names) => Effect.sync(() => void removed.push(path(names))),
    hash: () => Effect.succeed("")
  }
}

/** What is removed, and what fails. */
const extras = Effect.fnUntraced(function*(source: Folder, target: Folder, exclude: ReadonlyArray<string> = []) {
  const removed: Array<string> = []
  const failed: Array<string> = []
  const run = new Run((events) =>
    Effect.sync(() => {
      for (const event of events) if (event._tag === "Failed") failed.push(event.path)
    })
  )
  yield* Extras.remove(
    side(source),
    side(target, removed),
    {
      rules: Choice.rules({}, "different"),
      filter: Filter.make({ exclude }),
      times: true,
      attributes: false,
      dryRun: false,
      checks: DryRun.make(),
      concurrency: 1,
      throttle: Options.throttle(undefined),
      retry: (_, effect) => effect
    },
    run,
    100
  )
  return { removed, failed }
})

const services = Effect.provide(
  SmbClient.layer().pipe(
    Layer.provideMerge(TestTransport.layer({ nas: { user: "joe", password: "secret", shares: { data: {} } } })),
    Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret")))),
    Layer.provideMerge(NodeServices.layer)
  )
)

describe("sync --delete with links at the target", () => {
  it.effect("does not enter a DFS link or a junction, also where the source has a folder of this name", () =>
    Effect.gen(function*() {
      const target = {
        link: new Link(true, { precious: "file" }),
        d: { link: new Link(true, { precious: "file" }) }
      } as const
      assert.deepStrictEqual(yield* extras({ link: {}, d: { link: {} } }, target), { removed: [], failed: [] })
      // Only the target has the link, and a filter keeps something in it: nothing else in it is removed either.
      const kept = new Link(true, { precious: "file", "a.keep": "file" })
      const { removed } = yield* extras({}, { link: kept, "x.keep": "file" }, ["*.keep"])
      assert.deepStrictEqual(removed, ["link"])
    }).pipe(services))

  it.effect("removes nothing that is reached through a link of the server", () =>
    Effect.gen(function*() {
      const target = { l: new Link(false, { precious: "file", d: { precious: "file" } }), extra: "file" } as const
      assert.deepStrictEqual(yield* extras({ l: { d: {} } }, target), {
        removed: ["extra"],
        failed: ["l/precious", "l/d/precious"]
      })
      const kept = { l: new Link(false, { precious: "file", "a.keep": "file" }) }
      assert.deepStrictEqual(yield* extras({}, kept, ["*.keep"]), { removed: [], failed: ["l"] })
    }).pipe(services))

  it.effect("finds the folder of a source whose name differs in case", () =>
    Effect.gen(function*() {
      const { removed } = yield* extras({ foo: { a: "file" } }, { Foo: { a: "file", b: "file" } })
      assert.deepStrictEqual(removed, ["Foo/b"])
    }).pipe(services))
})

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const run = <E extends { readonly _tag: string; readonly message: string }, R>(
  stream: Stream.Stream<TransferEvent, E, R>
) =>
  Effect.gen(function*() {
    const events: Array<TransferEvent> = []
    const end = yield* Stream.runForEach(stream, (event) => Effect.sync(() => void events.push(event))).pipe(
      Effect.match({ onFailure: (error) => error.message, onSuccess: () => "done" })
    )
    return { events, end }
  })

/** All paths below a folder, without the server's own records. */
const paths = (folder: string) =>
  Fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => !path.startsWith(".effect-smb"))
    .toSorted()

/** A served folder, by the names of its server: `localhost` is another name for the same one. */
const served = Effect.gen(function*() {
  const root = yield* temporary
  const { port } = yield* server({ shares: { data: yield* LocalStore.make(root) } })
  return { root, data: `\\\\127.0.0.1:${port}\\data`, alias: `\\\\localhost:${port}\\data` }
})

describe("a source inside its target", () => {
  it.live("is not removed by sync --delete, also if they are reached by different names", () =>
    Effect.gen(function*() {
      const { alias, data, root } = yield* served
      Fs.mkdirSync(join(root, "t/d/sub"), { recursive: true })
      Fs.writeFileSync(join(root, "t/d/sub/f"), "only copy")
      const before = paths(root)
      for (
        const [source, target] of [
          [`${data}\\t\\d\\sub`, `${data}\\t`],
          [`${alias}\\t\\d\\sub`, `${data}\\T`],
          [`${data}\\t\\d\\sub`, join(root, "t")],
          [join(root, "t/d/sub"), `${data}\\t`]
        ] as const
      ) {
        const { end } = yield* run(Transfer.sync(source, target, { delete: true }))
        assert.include(end, "is inside", `${source} to ${target}`)
        assert.deepStrictEqual(paths(root), before)
      }
      // What the filter leaves out is not removed, so that this is no danger.
      const { end } = yield* run(Transfer.sync(`${data}\\t\\d\\sub`, `${data}\\t`, { delete: true, exclude: ["/d/"] }))
      assert.strictEqual(end, "done")
      assert.deepStrictEqual(paths(root), [...before, "t/f"].toSorted())
    }).pipe(Effect.scoped, Effect.provide(client())))
})

describe("copyTree", () => {
  it.live("does not read the directory that it writes to, also if that is reached by another name", () =>
    Effect.gen(function*() {
      const { alias, data, root } = yield* served
      Fs.mkdirSync(join(root, "t/sub"), { recursive: true })
      Fs.writeFileSync(join(root, "t/f"), "f")
      const { end, events } = yield* run(Transfer.copyTree(`${data}\\t`, `${alias}\\t\\sub`))
      assert.strictEqual(end, "done")
      assert.deepStrictEqual(paths(root), ["t", "t/f", "t/sub", "t/sub/f"])
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Warned" ? [event.warning.kind] : []),
        ["IntoItself"]
      )
    }).pipe(Effect.scoped, Effect.provide(client())))
})

describe("names that differ in case", () => {
  it.live("are one name for a copy from server to server: the first is copied, and the others are named", () =>
    Effect.gen(function*() {
      const { data, root } = yield* served
      Fs.mkdirSync(join(root, "t/d"), { recursive: true })
      Fs.mkdirSync(join(root, "t/D"))
      for (const name of ["f", "F", "d/x", "D/x"]) Fs.writeFileSync(join(root, "t", name), name)
      const { end, events } = yield* run(Transfer.copyTree(`${data}\\t`, `${data}\\u`))
      assert.include(end, "2 entries")
      const copied = events.flatMap((event) => event._tag === "Copied" ? [event.from.slice(data.length + 3)] : [])
      const failed = events.flatMap((event) => event._tag === "Failed" ? [event.path.slice(data.length + 3)] : [])
      assert.deepStrictEqual(copied.map((path) => path.toLowerCase()).toSorted(), ["d\\x", "f"])
      assert.deepStrictEqual(failed.map((path) => path.toLowerCase()).toSorted(), ["d", "f"])
      const content = Fs.readFileSync(join(root, "u", Fs.readdirSync(join(root, "u")).find((name) => /f/i.test(name))!))
      assert.isTrue(copied.includes(String(content)))
    }).pipe(Effect.scoped, Effect.provide(client())))

  it.effect("do not matter if the filter leaves them out", () =>
    Effect.gen(function*() {
      const here = yield* temporary
      for (const name of ["f", "F"]) Fs.writeFileSync(join(here, name), name)
      const { end } = yield* run(Transfer.upload(here, "\\\\nas\\data", { maximumSize: 0 }))
      assert.strictEqual(end, "done")
    }).pipe(Effect.scoped, services))

  it.effect("are compared as one name by check", () =>
    Effect.gen(function*() {
      const here = yield* temporary
      const smb = yield* SmbClient.SmbClient
      yield* smb.makeDirectory("\\\\nas\\data\\Foo")
      yield* smb.writeFile("\\\\nas\\data\\Foo\\A", "same")
      Fs.mkdirSync(join(here, "foo"))
      Fs.writeFileSync(join(here, "foo/a"), "same")
      for (const [one, other] of [["\\\\nas\\data", here], [here, "\\\\nas\\data"]] as const) {
        const found = yield* Stream.runCollect(Transfer.check(one, other, { compare: "checksum" }))
        assert.deepStrictEqual(found, [])
      }
    }).pipe(Effect.scoped, services))
})

describe("a local file that cannot be looked at", () => {
  const broken = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(FileSystem.FileSystem, (fs) =>
      Effect.provideService(effect, FileSystem.FileSystem, {
        ...fs,
        stat: (path) => path.endsWith("bad") ? fs.stat(`${path}/none`) : fs.stat(path)
      }))

  it.effect("is copied, or fails, also if files are left out by their size", () =>
    Effect.gen(function*() {
      const here = yield* temporary
      Fs.writeFileSync(join(here, "bad"), "x".repeat(100))
      const { events } = yield* broken(run(Transfer.upload(here, "\\\\nas\\data", { minimumSize: 10 })))
      assert.isTrue(events.some(({ _tag }) => _tag === "Copied"))
    }).pipe(Effect.scoped, services))

  it.effect("makes check fail if its name is not in UTF-8: such a file is not equal to none", () =>
    Effect.gen(function*() {
      const here = yield* temporary
      Fs.writeFileSync(Buffer.concat([Buffer.from(`${here}/caf`), Buffer.from([0xe9])]), "x")
      const error = yield* Effect.flip(Stream.runDrain(Transfer.check(here, "\\\\nas\\data")))
      assert.include(error.message, "not in UTF-8")
    }).pipe(Effect.scoped, services))
})

describe("options without a meaning", () => {
  it.effect("a bandwidth of 0 is no limit, and an empty pattern matches nothing", () =>
    Effect.gen(function*() {
      const here = yield* temporary
      for (const name of ["a", "b"]) Fs.writeFileSync(join(here, name), "x".repeat(100_000))
      const { end, events } = yield* run(
        Transfer.upload(here, "\\\\nas\\data", { bandwidth: 0, exclude: ["", "/"] })
      )
      assert.strictEqual(end, "done")
      assert.strictEqual(events.filter(({ _tag }) => _tag === "Copied").length, 2)
    }).pipe(Effect.scoped, services))
})
