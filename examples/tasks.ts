/** The code of docs/tasks and of AGENTS.md: a function for each task. */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted, Schedule, Stream } from "effect"
import {
  type ClientError,
  Credentials,
  isNotFound,
  isTransient,
  OpenMode,
  Smb,
  SmbClient,
  TestTransport,
  Transfer,
  UncPath
} from "effect-smb"

/** The client: SMB_USER and SMB_PASSWORD are in the environment. */
export const Client = Smb.layerConfig()

/** A client with everything said in code. */
export const Given = Smb.layer({
  user: "joe@corp.test",
  password: Redacted.make("secret"),
  dfs: "fallback",
  encryption: "required"
})

/** One file as text. */
export const show = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  yield* Console.log(yield* smb.readFileString("//nas/media/readme.txt"))
}).pipe(Effect.provide(Smb.layerConfig()))

/** A text, or nothing if the file does not exist. */
export const readIfExists = Effect.fn("readIfExists")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFileString(path).pipe(
    Effect.asSome,
    Effect.catchIf(isNotFound, () => Effect.succeedNone)
  )
})

/** A part of a large file: the last bytes. */
export const readEnd = Effect.fn("readEnd")(function*(path: string, count: bigint) {
  const smb = yield* SmbClient.SmbClient
  const { size } = yield* smb.stat(path)
  return yield* smb.stream(path, { offset: size > count ? size - count : 0n }).pipe(Stream.decodeText, Stream.mkString)
})

/** Readers see the old text or the new text, and never a part of it. */
export const replace = Effect.fn("replace")(function*(path: string, text: string) {
  const smb = yield* SmbClient.SmbClient
  yield* smb.writeFile(path, text, { atomic: true, flush: true })
})

/** Makes the file only if no other client has made it: one of several programs wins. */
export const claim = Effect.fn("claim")(function*(path: string, owner: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.writeFile(path, owner, { create: true }).pipe(
    Effect.as(true),
    Effect.catchReason("SmbError", "ObjectNameCollision", () => Effect.succeed(false))
  )
})

/** The names of the folders in a folder. */
export const folders = Effect.fn("folders")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.list(path).pipe(
    Stream.filter(({ type }) => type === "directory"),
    Stream.map(({ name }) => name),
    Stream.runCollect
  )
})

/** The size of all files below a folder. Folders that cannot be listed are in the log. */
export const sizeOf = Effect.fn("sizeOf")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.walk(path, { onError: (error) => Effect.logWarning(error.message) }).pipe(
    Stream.runFold(() => 0n, (total, { size, type }) => type === "file" ? total + size : total)
  )
})

/** Copies a folder to a server; each copied file is a line in the log. */
export const publish = Transfer.upload("./site", "//nas/www", { exclude: ["*.tmp"] }).pipe(
  Stream.runForEach((event) => event._tag === "Copied" ? Effect.log(event.to) : Effect.void),
  Effect.provide([Client, NodeServices.layer])
)

/** Runs `handle` for each file that comes into a folder. `rescan` looks at the folder itself. */
export const onNewFile = <E, R>(
  folder: string,
  handle: (path: string) => Effect.Effect<void, E, R>,
  rescan: Effect.Effect<void, E, R>
) =>
  Effect.flatMap(SmbClient.SmbClient, (smb) =>
    smb.watch(folder).pipe(
      Stream.runForEach((change) =>
        change._tag === "Overflow"
          ? rescan // more has changed than the server could note
          : change.action === "added" || change.action === "renamed-to"
          ? handle(change.path)
          : Effect.void
      )
    ))

/** Runs `use` while no other client can change the first byte of the file. */
export const alone = <A, E, R>(path: string, use: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const file = yield* smb.open(path, OpenMode.readWrite)
    yield* file.lock([{ offset: 0, length: 1 }])
    return yield* use
  }))

/** Removes a tree. What could not be removed is in the log, and the rest is gone. */
export const clear = Effect.fn("clear")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  yield* smb.remove(path, { recursive: true, force: true }).pipe(
    Effect.catchReason(
      "RemovalError",
      "RemovalIncomplete",
      ({ failures }) =>
        Effect.forEach(failures, ({ error, path }) => Effect.logError(path, error.message), { discard: true })
    )
  )
})

/** A file as it was at the time of the newest previous version. */
export const before = Effect.fn("before")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  const [newest] = (yield* smb.previousVersions(path)).toSorted().reverse()
  if (newest === undefined) return undefined
  const file = yield* Effect.fromResult(UncPath.parse(path))
  return yield* smb.readFileString(UncPath.join(UncPath.join(UncPath.parent(file), newest), UncPath.name(file)))
})

/** One round of a poller: each file of the inbox is handled, and then moved away. */
export const round = Effect.fn("round")(function*(inbox: string, handle: (text: string) => Effect.Effect<void>) {
  const smb = yield* SmbClient.SmbClient
  const files = yield* smb.list(inbox).pipe(Stream.filter(({ type }) => type === "file"), Stream.runCollect)
  yield* smb.makeDirectory(`${inbox}/done`, { recursive: true })
  for (const { name, path } of files) {
    yield* handle(yield* smb.readFileString(path))
    yield* smb.rename(path, `${inbox}/done/${name}`, { replace: true })
  }
})

/** Polls without end. While the server restarts, the rounds wait: at first a second, at most a minute. */
export const poll = (
  inbox: string,
  handle: (text: string) => Effect.Effect<void>
): Effect.Effect<number, ClientError, SmbClient.SmbClient> =>
  round(inbox, handle).pipe(
    Effect.retry({
      while: isTransient, // a refused account is not transient: it ends the poller
      schedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])
    }),
    Effect.repeat(Schedule.spaced("10 seconds"))
  )

/** A client for tests, with a server in memory: no network, no disk. */
export const TestClient = SmbClient.layer().pipe(Layer.provide([
  TestTransport.layerFiles({ media: { "readme.txt": "hello" } }, { user: "joe", password: "secret" }),
  Credentials.layer(Credentials.password("joe", Redacted.make("secret")))
]))

/** A client that tries for ten minutes after a lost connection, and says what happens. */
export const Patient = Smb.layer({
  user: "joe",
  password: Redacted.make("secret"),
  reconnect: "10 minutes",
  onReconnect: (notice) => Console.log(notice._tag, notice.share)
})
