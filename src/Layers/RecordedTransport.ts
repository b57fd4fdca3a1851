/**
 * Recording what a client says to real servers, and playing it back without them.
 *
 * `record` wraps a transport and writes down every connection: where to, each frame both ways and when, how it ended.
 * `replay` is a transport that has such a recording in the place of the network: it holds each frame that the client sends
 * against the recorded one, and gives it the recorded answers. So that a client says the same again, both also decide what
 * it takes from chance and from the machine: the random bytes come of a seed, and a logon tells the recording's time and
 * name of the workstation. The program has to be the same, and do things in the same order. Logons by NTLM can be played
 * back; tickets of Kerberos come from somewhere else, and are other ones each time.
 *
 * **What a recording gives away.** It holds the contents of the files that went over it, the names of servers, shares and
 * users, and the responses of NTLM logons, from which a weak password can be guessed offline. Its seed gives the keys of
 * the sessions, so that what was encrypted can be read. It never holds a password or its hash. Record with servers and
 * accounts that are made for it, and keep a recording as you would keep the files.
 *
 * ```ts
 * const Recorded = RecordedTransport.record(TcpTransport.layer)
 * const Replayed = RecordedTransport.replay(recording)
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Authenticator from "../Auth/Authenticator.ts"
import * as Entropy from "../Auth/Entropy.ts"
import * as FileTime from "../Codec/FileTime.ts"
import * as NtStatus from "../Codec/NtStatus.ts"
import * as Transport from "../Protocol/Transport.ts"
import * as Message from "../Smb2/Message/Message.ts"
import * as Frames from "./internal/Frames.ts"
import type { Event } from "./internal/NamespaceDescription.ts"
import { Player } from "./internal/Player.ts"
import { Entry, Recording, ReplayMismatch } from "./internal/Recording.ts"
import { describe } from "./internal/Requests.ts"

export { Entry, Recording, ReplayMismatch }

// -----------------------------------------------------------------------------
// recordings
// -----------------------------------------------------------------------------

const Json = Schema.fromJsonString(Recording)

/**
 * A recording from JSON, or a complaint that names the place.
 *
 * @category conversions
 */
export const fromJson = Schema.decodeUnknownResult(Json)

/** A recording as JSON. @category conversions */
export const toJson: (recording: Recording) => string = Schema.encodeSync(Json)

/**
 * What happened in a recording, in the words that `TestNamespace` has for its events, so that one can be compared with
 * the other: requests with their paths, answers with their statuses. What is encrypted is a request `ENCRYPTED`.
 *
 * @category conversions
 */
export const events = (recording: Recording): ReadonlyArray<Event> => {
  const hosts = new Map<number, string>()
  const trees = new Map<string, string>()
  const asked = new Map<string, ReturnType<typeof describe>>()
  const list: Array<Event> = []
  for (const entry of recording.entries) {
    const { at, connection, what } = entry
    if (what === "connect") {
      hosts.set(connection, entry.host)
      continue
    }
    const common = { at, server: hosts.get(connection) ?? "?", connection }
    switch (what) {
      case "connected":
        list.push({ ...common, what: "connect" })
        continue
      case "failed":
        list.push({ at, server: common.server, what: "connect", status: entry.reason })
        continue
      case "closed":
        list.push({ ...common, what: "close", detail: `by the ${entry.by}` })
        continue
    }
    const contents = Frames.read(entry.bytes)
    if (contents._tag !== "Smb2") {
      list.push({ ...common, what: what === "client" ? "request" : "answer", command: contents._tag.toUpperCase() })
      continue
    }
    for (const { bytes, command, header } of contents.parts) {
      const message = `${connection} ${header.messageId}`
      if (what === "client") {
        const request = Message.decodeRequest(header.command, bytes, 64, bytes.length)
        const described = request._tag === "Success"
          ? describe(header, request.success, trees.get(`${connection} ${header.treeId}`))
          : { command: command ?? `${header.command}` }
        asked.set(message, described)
        list.push({ ...common, what: "request", ...described })
      } else {
        const described = asked.get(message) ?? { command: command ?? `${header.command}` }
        if (described.command === "TREE_CONNECT" && header.status === 0 && described.path !== undefined) {
          trees.set(`${connection} ${header.treeId}`, described.path)
        }
        list.push({ ...common, what: "answer", ...described, status: NtStatus.name(header.status) })
      }
    }
  }
  return list
}

// -----------------------------------------------------------------------------
// recording
// -----------------------------------------------------------------------------

/**
 * What has been recorded.
 *
 * @category services
 */
export class Recorder extends Context.Service<Recorder, {
  /** Everything so far. Connections that are still open may go on. */
  readonly recording: Effect.Effect<Recording>
}>()("effect-smb/Layers/Recorder") {}

/** How to record. */
export interface RecordOptions {
  /** What the client's random bytes come of; new for each recording where left out. */
  readonly seed?: string
  /** The name that logons tell of this machine; `RECORDED` where left out. */
  readonly workstation?: string
}

/** The client's surroundings, the same when it is recorded and when it is played back. */
const surroundings = ({ seed, start, workstation }: Omit<Recording, "entries" | "version">): Context.Context<never> =>
  Context.make(Entropy.Entropy, Entropy.seeded(seed)).pipe(
    Context.add(Authenticator.Workstation, { workstation, now: Effect.succeed(FileTime.fromMillis(start)) })
  )

const copy = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => chunks.map((chunk) => chunk.slice())

/**
 * A transport that is recorded, in the place of the one that it wraps.
 *
 * @example
 * ```ts
 * export const record = Effect.gen(function*() {
 *   const text = yield* Effect.provide(app, Smb)
 *   const { recording } = yield* RecordedTransport.Recorder
 *   const fs = yield* FileSystem.FileSystem
 *   yield* fs.writeFileString("run.json", RecordedTransport.toJson(yield* recording))
 *   return text
 * }).pipe(Effect.provide(RecordedTransport.record(TcpTransport.layer)))
 * ```
 *
 * @category layers
 */
export const record = <E, R>(
  transport: Layer.Layer<Transport.Transport, E, R>,
  options: RecordOptions = {}
): Layer.Layer<Transport.Transport | Recorder, E, R> =>
  Layer.effectContext(Effect.gen(function*() {
    const { connect } = yield* Transport.Transport
    const clock = yield* Clock.Clock
    const start = clock.currentTimeMillisUnsafe()
    const seed = options.seed ?? Buffer.from(Entropy.system.bytes(16, "recording")).toString("hex")
    const about = { seed, start, workstation: options.workstation ?? "RECORDED" }
    const entries: Array<Entry> = []
    let connections = 0
    const recorded: Transport.Transport["Service"]["connect"] = (endpoint, handlers) =>
      Effect.suspend(() => {
        const connection = ++connections
        const common = () => ({ connection, at: clock.currentTimeMillisUnsafe() - start })
        const out = new Frames.Splitter()
        const back = new Frames.Splitter()
        let open = true
        const received = (frames: ReadonlyArray<Uint8Array>): void => {
          for (const bytes of frames) entries.push({ what: "server", ...common(), bytes })
        }
        /** What came of a frame counts, too, when there comes no more. */
        const end = (): boolean => {
          if (!open) return false
          open = false
          if (back.rest().length > 0) received([back.rest()])
          return true
        }
        const closed = (): void => {
          if (end()) entries.push({ what: "closed", ...common(), by: "client" })
        }
        entries.push({ what: "connect", ...common(), host: endpoint.host, port: endpoint.port })
        return connect(endpoint, {
          onData: (chunk) => {
            received(back.push([chunk]))
            handlers.onData(chunk)
          },
          onClose: (error) => {
            const { detail, reason } = error
            if (end()) {
              const told = detail === undefined ? {} : { detail }
              entries.push({ what: "closed", ...common(), by: "server", reason, ...told })
            }
            handlers.onClose(error)
          }
        }).pipe(
          Effect.tapError(({ detail, reason }) =>
            Effect.sync(() =>
              entries.push({ what: "failed", ...common(), reason, ...(detail === undefined ? {} : { detail }) })
            )
          ),
          Effect.tap(() => Effect.sync(() => entries.push({ what: "connected", ...common() }))),
          Effect.onInterrupt(() => Effect.sync(closed)),
          // The scope of a connection may end without a word.
          Effect.tap(() => Effect.addFinalizer(() => Effect.sync(closed))),
          Effect.map((duplex): Transport.Duplex => ({
            send: (chunks, onSent) => {
              for (const bytes of open ? out.push(copy(chunks)) : []) {
                entries.push({ what: "client", ...common(), bytes })
              }
              duplex.send(chunks, onSent)
            },
            close: () => {
              closed()
              duplex.close()
            }
          }))
        )
      })
    const recording = Effect.sync((): Recording => ({ version: 1, ...about, entries: [...entries] }))
    return Context.merge(
      surroundings(about),
      Context.make(Transport.Transport, Transport.Transport.of({ connect: recorded })).pipe(
        Context.add(Recorder, Recorder.of({ recording }))
      )
    )
  })).pipe(Layer.provide(transport))

// -----------------------------------------------------------------------------
// replaying
// -----------------------------------------------------------------------------

/**
 * How the replay goes.
 *
 * @category services
 */
export class Replay extends Context.Service<Replay, {
  /** Fails with the first difference. Where the client has not yet done all that was recorded, that is none. */
  readonly check: Effect.Effect<void, ReplayMismatch>
  /** Fails with the first difference, also where the recording has more than the client did. Farewells do not count. */
  readonly checkComplete: Effect.Effect<void, ReplayMismatch>
}>()("effect-smb/Layers/Replay") {}

/** How to play back. */
export interface ReplayOptions {
  /**
   * `strict`: the client's bytes have to be those of the recording. `by-command`: the same commands in the same order on
   * each connection do, so that times, names and sizes may differ. The logon has to be the same in either case, because
   * the keys come of it.
   */
  readonly match?: "strict" | "by-command"
  /**
   * Milliseconds of real time that the next frame is waited for while an answer is due that the recording has only after
   * it, or for the client to give up a connect that it gave up; 5000 where left out. Then it is a mismatch, and not a
   * hang.
   */
  readonly patience?: number
}

/**
 * A recording in the place of the network. At the first difference all connections end with a `TransportError` that says
 * which it was, and no new ones are made; `Replay` has it as a value.
 *
 * @category layers
 */
export const replay = (
  recording: Recording,
  options: ReplayOptions = {}
): Layer.Layer<Transport.Transport | Replay> =>
  Layer.effectContext(Effect.sync(() => {
    const player = new Player(recording, {
      exact: options.match !== "by-command",
      patience: options.patience ?? 5000,
      mismatch: (found) => new ReplayMismatch(found)
    })
    return Context.merge(
      surroundings(recording),
      Context.make(Transport.Transport, Transport.Transport.of({ connect: player.connect })).pipe(
        Context.add(Replay, Replay.of({ check: player.check(false), checkComplete: player.check(true) }))
      )
    )
  }))
