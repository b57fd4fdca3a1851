/** What the tests of whole transfers share: two servers in memory, real local files, and events in few words. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Fiber, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import { join } from "node:path"
import type { TransferEvent } from "../../src/Transfer/TransferEvent.ts"

export const provide = (files: TestTransport.Files = {}, options: Omit<TestTransport.ServerOptions, "shares"> = {}) =>
  Effect.provide(
    SmbClient.layer({ reconnect: "never" }).pipe(
      Layer.provideMerge(
        TestTransport.layer({
          nas: { user: "joe", password: "secret", shares: { data: files, other: {} }, ...options },
          far: { user: "joe", password: "secret", shares: { data: {} } }
        })
      ),
      Layer.provide(Credentials.layer(Credentials.password("joe", Redacted.make("secret")))),
      Layer.provideMerge(NodeServices.layer)
    )
  )

/** A folder of this machine that is removed at the end. */
export const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** What is below a folder: a text is a file. */
export type Tree = { readonly [name: string]: string | Tree }

export const write = (here: string, tree: Tree): void => {
  for (const [name, content] of Object.entries(tree)) {
    const path = join(here, name)
    if (typeof content === "string") Fs.writeFileSync(path, content)
    else {
      Fs.mkdirSync(path, { recursive: true })
      write(path, content)
    }
  }
}

export const read = (here: string): Tree =>
  Object.fromEntries(
    Fs.readdirSync(here, { withFileTypes: true }).map((entry) => [
      entry.name,
      entry.isDirectory() ? read(join(here, entry.name)) : Fs.readFileSync(join(here, entry.name), "utf8")
    ])
  )

/** The files below a directory of a server, with their content. */
export const there = Effect.fnUntraced(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  const entries = yield* Stream.runCollect(smb.walk(path))
  const all: Record<string, string> = {}
  for (const entry of entries) {
    const name = entry.path.slice(path.length + 1).replaceAll("\\", "/")
    all[name] = entry.type === "directory" ? "/" : yield* smb.readFileString(entry.path)
  }
  return all
})

/** Events without the counts and those of the bytes, paths by their last name. */
const short = (events: ReadonlyArray<TransferEvent>): ReadonlyArray<string> =>
  events.flatMap((event) => {
    const last = (path: string) => path.split(/[\\/]/).at(-1)!
    switch (event._tag) {
      case "Started":
      case "Moved":
        return []
      case "Copied":
        return [`copied ${last(event.to)}`]
      case "Skipped":
        return [`skipped ${last(event.to)}: ${event.because}`]
      case "Removed":
        return [`removed ${last(event.path)}`]
      case "Planned":
        return [`${event.action} ${last(event.path)}`]
      case "Warned":
        return [`${event.warning.kind} ${last(event.warning.path)}`]
      case "Failed":
        return [`failed ${last(event.path)}`]
    }
  }).toSorted()

/** The events up to the end, and the tag of the error at the end. */
export const run = <E extends { readonly _tag: string }, R>(stream: Stream.Stream<TransferEvent, E, R>) =>
  Effect.gen(function*() {
    const events: Array<TransferEvent> = []
    const end = yield* Stream.runForEach(stream, (event) => Effect.sync(() => void events.push(event))).pipe(
      Effect.match({ onFailure: (error) => error._tag, onSuccess: () => "done" })
    )
    return { events, end, told: short(events) }
  })

export const data = "\\\\nas\\data"

/** Lets the time of tests pass until an effect ends. It stands still while the disk works. */
export const inTime = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  const others = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
  while (fiber.pollUnsafe() === undefined) yield* Effect.andThen(TestClock.adjust("100 millis"), others)
  return yield* Fiber.join(fiber)
})
