/**
 * Proves that a transfer removes the parts that killed transfers to the same name have left, and no other file: none that
 * another client writes, that has changed since, that belongs to another user, or that only looks similar. Over the own
 * server, with the time of Effect's TestClock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient } from "effect-smb"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import * as Transfer from "../../src/Transfer/Transfer.ts"
import * as Served from "../Cli/served.ts"

/** Lets all running work continue, also that of sockets and files, without virtual time passing. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
})

type Needs = Layer.Success<ReturnType<typeof Served.client>>

interface World {
  readonly smb: SmbClient.Client
  /** The client of another user. */
  readonly ann: SmbClient.Client
  readonly base: string
  /** A local folder with the file `f`, and the folder `tree` with two files. */
  readonly here: string
}

const withWorld = <A, E>(use: (world: World) => Effect.Effect<A, E, Needs>) =>
  Effect.gen(function*() {
    const { port } = yield* Served.server()
    const context = yield* Layer.build(Served.client({ port }))
    const other = yield* Layer.build(
      Layer.fresh(Served.client({ port, user: Credentials.password("ann", Redacted.make("other")) }))
    )
    const fs = Context.get(context, FileSystem.FileSystem)
    const here = yield* fs.makeTempDirectoryScoped()
    yield* fs.writeFileString(join(here, "f"), "new")
    yield* fs.makeDirectory(join(here, "tree"))
    for (const name of ["f", "g"]) yield* fs.writeFileString(join(here, "tree", name), "new")
    const world: World = {
      smb: Context.get(context, SmbClient.SmbClient),
      ann: Context.get(other, SmbClient.SmbClient),
      base: `//127.0.0.1:${port}/data`,
      here
    }
    return yield* Effect.provide(use(world), context)
  }).pipe(Effect.scoped)

const part = "f.0123456789ab.part"

const names = ({ base, smb }: World) =>
  Effect.map(Stream.runCollect(smb.walk(base)), (all) => all.map(({ relativePath }) => relativePath).toSorted())

/** Runs a transfer, which waits for the clock if it has found parts. `before` runs when the new content of `file` is there. */
const during = <A, E, R, E2 = never, R2 = never>(
  { base, smb }: World,
  transfer: Stream.Stream<A, E, R>,
  before: Effect.Effect<unknown, E2, R2> = Effect.void,
  file = "f"
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Stream.runDrain(transfer))
    const content = Effect.orElseSucceed(smb.readFileString(`${base}/${file}`), () => "")
    while ((yield* content) !== "new" && fiber.pollUnsafe() === undefined) yield* settle
    yield* before
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust("500 millis")
      yield* settle
    }
    yield* Fiber.join(fiber)
  })

const transfers: ReadonlyArray<
  readonly [string, (world: World) => ReturnType<typeof Transfer.copyTree>]
> = [
  ["upload", ({ base, here }) => Transfer.upload(join(here, "f"), `${base}/f`)],
  ["upload with resume", ({ base, here }) => Transfer.upload(join(here, "f"), `${base}/f`, { resume: true })],
  ["upload of a tree", ({ base, here }) => Transfer.upload(join(here, "tree"), base)],
  ["sync", ({ base, here }) => Transfer.sync(join(here, "tree"), base)],
  ["uploadStream", ({ base }) => Transfer.uploadStream(Stream.make(Buffer.from("new")), `${base}/f`)],
  ["copyTree of a file", ({ base }) => Transfer.copyTree(`${base}/source/f`, `${base}/f`)],
  ["copyTree", ({ base }) => Transfer.copyTree(`${base}/source`, base)]
]

describe("a part that a killed transfer has left", () => {
  it.effect.each(transfers)(
    "is removed by the next transfer to its name: %s",
    ([, transfer]) =>
      withWorld((world) =>
        Effect.gen(function*() {
          const { base, smb } = world
          yield* smb.makeDirectory(`${base}/source`)
          yield* smb.writeFile(`${base}/source/f`, "new")
          const left = [part, "f.ba9876543210.part"]
          const similar = ["h.0123456789ab.part", "f.0123456789ab.parts", "f.x0123456789ab.part", "f.0123456789AC.part"]
          for (const name of [...left, ...similar]) yield* smb.writeFile(`${base}/${name}`, "half")
          yield* smb.makeDirectory(`${base}/f.111111111111.part`)
          yield* during(
            world,
            transfer(world),
            Effect.gen(function*() {
              // Not at once: its client may be about to rename it.
              assert.includeMembers(yield* names(world), left)
            })
          )
          const after = yield* names(world)
          for (const name of left) assert.notInclude(after, name)
          assert.includeMembers(after, ["f", "f.111111111111.part", ...similar])
        })
      )
  )

  it.effect("stays, with the error of the transfer, if the transfer fails", () =>
    withWorld((world) =>
      Effect.gen(function*() {
        const { base, here, smb } = world
        yield* smb.writeFile(`${base}/${part}`, "half")
        yield* smb.makeDirectory(`${base}/f`)
        yield* Effect.flip(Stream.runDrain(Transfer.upload(join(here, "f"), `${base}/f`)))
        assert.include(yield* names(world), part)
      })
    ))

  it.effect("stays while another client has it open to write, in each way in which parts are written", () =>
    withWorld((world) =>
      Effect.gen(function*() {
        const { ann, base, here, smb } = world
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFile(join(here, "large"), new Uint8Array(6_000_000))
        yield* smb.writeFile(`${base}/large`, new Uint8Array(6_000_000))
        const slowly = { bandwidth: 100_000 }
        for (const resume of [false, true]) {
          const writing = yield* Effect.forkChild(
            Stream.runDrain(Transfer.upload(join(here, "large"), `${base}/w`, { ...slowly, resume }))
          )
          const parts = Effect.map(names(world), (all) => all.filter((name) => /^w\.[0-9a-f]{12}\.part$/.test(name)))
          while ((yield* parts).length === 0) yield* settle
          const [name] = yield* parts
          for (const client of [smb, ann]) {
            const refused = yield* Effect.flip(client.remove(`${base}/${name}`))
            assert.include(refused.message, "STATUS_SHARING_VIOLATION")
          }
          yield* during(
            world,
            Transfer.uploadStream(Stream.make(Buffer.from("new")), `${base}/w`),
            Effect.void,
            "w"
          )
          assert.deepStrictEqual(yield* parts, [name])
          yield* Fiber.interrupt(writing)
          assert.deepStrictEqual(yield* parts, resume ? [name] : [])
          yield* smb.remove(`${base}/w`)
        }
      })
    ))

  it.effect("stays if it changes or is replaced in the two seconds", () =>
    withWorld((world) =>
      Effect.gen(function*() {
        const { base, smb } = world
        const changes = [
          smb.writeFile(`${base}/${part}`, "more than half"),
          smb.setAttributes(`${base}/${part}`, { lastWriteTime: new Date(1_700_000_000_000) })
        ]
        for (const change of changes) {
          yield* smb.writeFile(`${base}/${part}`, "half")
          yield* Effect.ignore(smb.remove(`${base}/f`))
          yield* during(world, transfers[0]![1](world), change)
          assert.include(yield* names(world), part)
        }
        yield* during(world, transfers[0]![1](world))
        assert.notInclude(yield* names(world), part)
      })
    ))

  it.effect("stays if it belongs to another user", () =>
    withWorld((world) =>
      Effect.gen(function*() {
        const { ann, base } = world
        yield* ann.writeFile(`${base}/${part}`, "half")
        yield* during(world, transfers[0]![1](world))
        assert.deepStrictEqual(yield* names(world), ["f", part])
      })
    ))

  it.effect("is not looked for by a dry run, by a copy in place and by one to a named stream", () =>
    withWorld((world) =>
      Effect.gen(function*() {
        const { base, here, smb } = world
        yield* smb.writeFile(`${base}/${part}`, "half")
        yield* smb.writeFile(`${base}/f:s.0123456789ab.part`, "half")
        yield* during(world, Transfer.upload(join(here, "f"), `${base}/f`, { dryRun: true }))
        yield* during(world, Transfer.upload(join(here, "f"), `${base}/f`, { inPlace: true }))
        yield* during(world, Transfer.upload(join(here, "f"), `${base}/f:s`))
        assert.include(yield* names(world), part)
      })
    ))

  it.effect("is looked for once in each directory, and not in one that the transfer makes", () =>
    withWorld((world) =>
      Effect.gen(function*() {
        const { base, here, smb } = world
        const listings: Array<string> = []
        const counting = SmbClient.SmbClient.of({
          ...smb,
          withShare: (path, use) =>
            smb.withShare(path, (share, below) =>
              use({
                ...share,
                batch: (name, options, operations) => {
                  if (operations.some((one) => one._tag === "QueryDirectory" && one.pattern === "*.part")) {
                    listings.push(name)
                  }
                  return share.batch(name, options, operations)
                }
              }, below))
        })
        const upload = (to: string) =>
          Effect.provideService(
            Stream.runDrain(Transfer.upload(join(here, "tree"), to)),
            SmbClient.SmbClient,
            counting
          )
        yield* upload(`${base}/made`)
        assert.deepStrictEqual(listings, [])
        yield* upload(`${base}/made`)
        assert.deepStrictEqual(listings, ["made"])
      })
    ))
})
