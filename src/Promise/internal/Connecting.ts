/** A client of promises from a client of effects. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Notice } from "../../Client/ReconnectNotice.ts"
import * as SmbClient from "../../Client/SmbClient.ts"
import * as Arguments from "../../Protocol/Arguments.ts"
import * as Smb from "../../Smb/Smb.ts"
import type { Client, ConnectOptions, ReadStreamOptions, WalkOptions, WatchOptions } from "../Client.ts"
import { call, fromIterable } from "./Callbacks.ts"
import * as Files from "./Files.ts"
import { iterate } from "./Iterate.ts"
import { Runner } from "./Runner.ts"
import * as WebStreams from "./WebStreams.ts"

export const connect = async ({ onReconnect, ...options }: ConnectOptions): Promise<Client> => {
  const listening = onReconnect === undefined
    ? {}
    : { onReconnect: (notice: Notice) => Effect.ignore(call<unknown, unknown>(() => onReconnect(notice))) }
  return fromLayer(Smb.layer(
    options.credential === undefined
      ? { ...options, ...listening, password: Redacted.make(options.password) }
      : { ...options, ...listening }
  ))
}

export const fromLayer = async (layer: Layer.Layer<SmbClient.SmbClient>): Promise<Client> => {
  const runner = new Runner()
  const context = await runner.run(Layer.buildWithScope(layer, runner.scope))
  return make(runner, Context.get(context, SmbClient.SmbClient))
}

const rangeOf = ({ end, start }: ReadStreamOptions) =>
  Effect.gen(function*() {
    yield* Arguments.check({ start: [Arguments.size, start], end: [Arguments.size, end] })
    const offset = BigInt(start ?? 0)
    if (end === undefined) return { offset }
    const length = BigInt(end) - offset + 1n
    if (length < 0n) {
      return yield* Arguments.wrong("end", end, `a byte that is not before the start of the range, ${offset}`)
    }
    return { offset, length: length > Arguments.largestSize ? undefined : length }
  })

const walkOptions = ({ enter, onError, onLoop, signal: _, ...options }: WalkOptions) => ({
  ...options,
  ...(onError === undefined ? {} : { onError: (error, directory) => call(() => onError(error, directory)) }),
  ...(onLoop === undefined ? {} : { onLoop: (directory) => call(() => onLoop(directory)) }),
  ...(enter === undefined ? {} : { enter: (directory) => call(() => enter(directory)) })
} satisfies Parameters<SmbClient.Client["walk"]>[1])

const watchOptions = ({ onStart, signal: _, ...options }: WatchOptions) => ({
  ...options,
  ...(onStart === undefined ? {} : { onStart: Effect.asVoid(call(onStart)) })
})

const make = (runner: Runner, smb: SmbClient.Client): Client => {
  const run = runner.run.bind(runner)
  const close = () => runner.close()
  const sink: Client["sink"] = (path, source, options) =>
    run(Stream.run(fromIterable(source), smb.sink(path, options)), options?.signal)
  return {
    withShare: (path, use, options) =>
      run(
        Effect.scoped(smb.withShare(path, (share, below) =>
          // The files that `use` opens close with it.
          Effect.acquireUseRelease(
            Effect.sync(() => runner.part()),
            (part) => call(() => use(Files.share(runner, share, part.scope), below)),
            (part) => Effect.promise(() => part.close())
          ))),
        options?.signal
      ),
    open: async (path, options = {}) => {
      const how = "desiredAccess" in options ? options : undefined
      const { part, value } = await runner.acquire(smb.open(path, how), options.signal)
      return Files.file(runner, part, value)
    },
    readFile: (path, options) => run(smb.readFile(path, options), options?.signal),
    readFileString: (path, options) => run(smb.readFileString(path), options?.signal),
    writeFile: (path, data, options) => run(smb.writeFile(path, data, options), options?.signal),
    stream: (path, range) => iterate(runner, Stream.suspend(() => smb.stream(path, range)), range?.signal),
    readStream: (path, options = {}) =>
      WebStreams.readable(iterate(
        runner,
        Stream.unwrap(Effect.map(rangeOf(options), (range) => smb.stream(path, range))),
        options.signal
      )),
    sink,
    writeStream: (path, options) =>
      WebStreams.writable((source, { signal }) => sink(path, source, { ...options, signal }), options?.signal),
    readTo: (path, use, range) =>
      run(smb.readTo(path, (chunk, offset) => call<unknown, unknown>(() => use(chunk, offset)), range), range?.signal),
    openToRead: async (path, { atOnce, onMove, signal } = {}) => {
      const { part, value } = await runner.acquire(
        smb.openToRead(path, {
          atOnce,
          ...(onMove === undefined ? {} : { onMove: (move) => Effect.asVoid(call(() => onMove(move))) })
        }),
        signal
      )
      return Files.readableFile(runner, part, value)
    },
    writeFrom: (path, fill, options) =>
      run(
        smb.writeFrom(path, (buffer, offset) => call<number, unknown>(() => fill(buffer, offset)), options),
        options?.signal
      ),
    stat: (path, options) => run(smb.stat(path, options), options?.signal),
    exists: (path, options) => run(smb.exists(path), options?.signal),
    list: (path, options) => iterate(runner, smb.list(path, options), options?.signal),
    walk: (path, options = {}) => iterate(runner, smb.walk(path, walkOptions(options)), options.signal),
    makeDirectory: (path, options) => run(smb.makeDirectory(path, options), options?.signal),
    remove: (path, options) => run(smb.remove(path, options), options?.signal),
    removable: (path, options) => run(smb.removable(path, options), options?.signal),
    rename: (from, to, options) => run(smb.rename(from, to, options), options?.signal),
    makeHardLink: (from, to, options) => run(smb.makeHardLink(from, to), options?.signal),
    copy: (from, to, options) => run(smb.copy(from, to, options), options?.signal),
    watch: (path, options = {}) => iterate(runner, smb.watch(path, watchOptions(options)), options.signal),
    setAttributes: (path, changes, options) => run(smb.setAttributes(path, changes), options?.signal),
    truncate: (path, size, options) => run(Effect.suspend(() => smb.truncate(path, size)), options?.signal),
    security: {
      get: (path, options) => run(smb.security.get(path, options), options?.signal),
      permissions: (path, options) => run(smb.security.permissions(path, options), options?.signal),
      set: (path, descriptor, options) => run(smb.security.set(path, descriptor), options?.signal)
    },
    namedStreams: (path, options) => run(smb.namedStreams(path), options?.signal),
    readLink: (path, options) => run(smb.readLink(path), options?.signal),
    makeLink: (path, target, options) => run(smb.makeLink(path, target, options), options?.signal),
    previousVersions: (path, options) => run(smb.previousVersions(path), options?.signal),
    shares: (server, options) => run(smb.shares(server), options?.signal),
    lookupSids: (path, sids, options) => run(smb.lookupSids(path, sids), options?.signal),
    lookupNames: (path, names, options) => run(smb.lookupNames(path, names), options?.signal),
    lookupDomains: (path, options) => run(smb.lookupDomains(path), options?.signal),
    openFiles: (server, options) => run(smb.openFiles(server), options?.signal),
    sessions: (server, options) => run(smb.sessions(server), options?.signal),
    retryLogons: () => run(smb.retryLogons),
    close,
    [Symbol.asyncDispose]: close
  }
}
