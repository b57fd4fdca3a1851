/**
 * Recording a client's connections to real servers, and playing the recording back without the servers.
 *
 * `layerRecord` wraps a transport and writes down every connection: its endpoint, each frame both ways with its time, and
 * how it ended. `layerReplay` is a transport that has such a recording in place of the network: it compares each frame of
 * the client with the recorded one, and delivers the recorded responses. The client must send the same frames again, so
 * both layers fix its random bytes (they come from a seed), and the time and workstation name of its logon. The program
 * must be the same, and do things in the same order. NTLM logons can be played back. Kerberos logons cannot: their
 * tickets come from another service, and are different each time.
 *
 * **What a recording gives away.** It holds the contents of the transferred files, the names of servers, shares and
 * users, and the responses of NTLM logons, from which a weak password can be guessed offline. Its seed gives the keys
 * of the sessions, so that encrypted traffic can be read. It never holds a password or its hash. Record with servers
 * and accounts that are made for the purpose, and protect a recording as you would protect the files.
 *
 * ```ts
 * const Recorded = RecordedTransport.layerRecord(TcpTransport.layer())
 * const Replayed = RecordedTransport.layerReplay(recording)
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
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
import { Player } from "./internal/Player.ts"
import { describe } from "./internal/Requests.ts"
import type { Event } from "./NamespaceDescription.ts"
import { Entry, Recording, ReplayMismatch } from "./Recording.ts"

export { Entry, Recording, ReplayMismatch }

// -----------------------------------------------------------------------------
// recordings
// -----------------------------------------------------------------------------

const Json = Schema.fromJsonString(Recording)

/**
 * A recording from JSON, or an error that names the place of the fault.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromJson = Schema.decodeUnknownResult(Json)

/**
 * A recording as JSON. @category conversions
 *
 * @since 0.1.0
 */
export const toJson: (recording: Recording) => string = Schema.encodeSync(Json)

/**
 * The events of a recording, in the format of `TestNamespace`, so that the two can be compared: requests with their
 * paths, responses with their statuses. An encrypted frame is a request `ENCRYPTED`.
 *
 * @category conversions
 * @since 0.1.0
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
 * The recording in progress.
 *
 * @category services
 * @since 0.1.0
 */
export class Recorder extends Context.Service<Recorder, {
  /** Everything so far. Connections that are still open can go on. */
  readonly recording: Effect.Effect<Recording>
}>()("effect-smb/Testing/Recorder") {}

/**
 * The options of `layerRecord`.
 *
 * @since 0.1.0
 */
export interface RecordOptions {
  /** The seed of the client's random bytes. Default: a new one for each recording. */
  readonly seed?: string | undefined
  /** The workstation name in logons. Default: `RECORDED`. */
  readonly workstation?: string | undefined
}

/** The client's surroundings, the same in a recording and in its replay. */
const surroundings = ({ seed, start, workstation }: Omit<Recording, "entries" | "version">): Context.Context<never> =>
  Context.make(Entropy.Entropy, Entropy.seeded(seed)).pipe(
    Context.add(Authenticator.Workstation, { workstation, now: Effect.succeed(FileTime.fromMillis(start)) })
  )

const copy = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => chunks.map((chunk) => chunk.slice())

/**
 * A transport that records the transport that it wraps.
 *
 * @example
 * ```ts
 * export const record = Effect.gen(function*() {
 *   const text = yield* Effect.provide(app, Smb)
 *   const { recording } = yield* RecordedTransport.Recorder
 *   const fs = yield* FileSystem.FileSystem
 *   yield* fs.writeFileString("run.json", RecordedTransport.toJson(yield* recording))
 *   return text
 * }).pipe(Effect.provide(RecordedTransport.layerRecord(TcpTransport.layer())))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerRecord = <E, R>(
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
        /** The part of a frame that has arrived counts too, if no more follows. */
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
              entries.push({ what: "closed", ...common(), by: "server", reason: reason._tag, ...told })
            }
            handlers.onClose(error)
          }
        }).pipe(
          Effect.tapError(({ detail, reason }) =>
            Effect.sync(() =>
              entries.push({
                what: "failed",
                ...common(),
                reason: reason._tag,
                ...(detail === undefined ? {} : { detail })
              })
            )
          ),
          Effect.tap(() => Effect.sync(() => entries.push({ what: "connected", ...common() }))),
          Effect.onInterrupt(() => Effect.sync(closed)),
          // The scope of a connection can end without a call of `close`.
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
 * The state of the replay.
 *
 * @category services
 * @since 0.1.0
 */
export class Replay extends Context.Service<Replay, {
  /** Fails with the first difference. A client that has not yet done everything in the recording is no difference. */
  readonly check: Effect.Effect<void, ReplayMismatch>
  /**
   * Fails with the first difference, also if the recording has more than the client did. Farewell frames do not count.
   */
  readonly checkComplete: Effect.Effect<void, ReplayMismatch>
}>()("effect-smb/Testing/Replay") {}

/**
 * The options of `layerReplay`.
 *
 * @since 0.1.0
 */
export interface ReplayOptions {
  /**
   * `strict`: the client's bytes must equal those of the recording. `by-command`: each connection must have the same
   * commands in the same order, but times, names and sizes can differ. The logon must be the same in both cases,
   * because the keys depend on it.
   */
  readonly match?: "strict" | "by-command" | undefined
  /**
   * How long to wait for the client, in real time. Default: 5 seconds. The replay waits for the next frame if a response
   * is due that the recording has only after that frame. It also waits for the client to give up a connect, if it did
   * so in the recording. After this time the replay ends with a mismatch, and does not hang.
   */
  readonly patience?: Duration.Input | undefined
}

/**
 * A recording in place of the network. At the first difference all connections end with a `TransportError` that
 * describes it, and no new ones are made; `Replay` has the difference as a value.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerReplay = (
  recording: Recording,
  options: ReplayOptions = {}
): Layer.Layer<Transport.Transport | Replay> =>
  Layer.effectContext(Effect.sync(() => {
    const player = new Player(recording, {
      exact: options.match !== "by-command",
      patience: Duration.toMillis(options.patience ?? "5 seconds"),
      mismatch: (found) => new ReplayMismatch(found)
    })
    return Context.merge(
      surroundings(recording),
      Context.make(Transport.Transport, Transport.Transport.of({ connect: player.connect })).pipe(
        Context.add(Replay, Replay.of({ check: player.check(false), checkComplete: player.check(true) }))
      )
    )
  }))
