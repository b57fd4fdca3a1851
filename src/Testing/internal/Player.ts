/**
 * Plays a recording back: each connection goes through its own entries, a step for each frame that the client sends.
 *
 * A response follows as soon as all earlier entries of the same connection have happened. Connections do not wait for
 * each other. The client can wait for a response that the recording has only after a frame of the client. If that frame
 * does not come, a timeout in real time makes it a difference, because virtual time may stand still.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { TransportError } from "../../Protocol/Errors.ts"
import type * as Transport from "../../Protocol/Transport.ts"
import type { Entry, Recording, ReplayMismatch } from "../Recording.ts"
import * as Frames from "./Frames.ts"

/** The fields of a difference. */
type Found = ConstructorParameters<typeof ReplayMismatch>[0]

interface Options {
  readonly exact: boolean
  /** Milliseconds. */
  readonly patience: number
  readonly mismatch: (found: Found) => ReplayMismatch
}

/** A connection of the recording. */
interface Track {
  readonly connection: number
  readonly endpoint: Transport.Endpoint
  /** The time at which it began. */
  readonly start: number
  readonly entries: ReadonlyArray<Entry>
  taken: boolean
  /** The next entry. */
  at: number
  /** Frames that the client has sent. */
  frame: number
  /** How many responses are due. */
  due: number
}

const tracksOf = ({ entries }: Recording): ReadonlyArray<Track> => {
  const tracks = new Map<number, Track & { readonly entries: Array<Entry> }>()
  for (const entry of entries) {
    if (entry.what === "connect") {
      const { at: start, connection, host, port } = entry
      tracks.set(connection, {
        connection,
        endpoint: { host, port },
        start,
        entries: [],
        taken: false,
        at: 0,
        frame: 0,
        due: 0
      })
    } else tracks.get(entry.connection)?.entries.push(entry)
  }
  return [...tracks.values()]
}

const nameOf = ({ host, port }: Transport.Endpoint): string => `${host}:${port}`

const sameEndpoint = (one: Transport.Endpoint, other: Transport.Endpoint): boolean =>
  one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port

/** The client's frame in an entry, if the entry is one. */
const clientFrame = (entry: Entry | undefined): Uint8Array | undefined =>
  entry?.what === "client" ? entry.bytes : undefined

/** Waits by the machine's own clock. */
const realTime = (milliseconds: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), milliseconds)
    return Effect.sync(() => clearTimeout(timer))
  })

/**
 * A recording during its replay.
 *
 * @category models
 */
export class Player {
  private readonly options: Options
  private readonly tracks: ReadonlyArray<Track>
  /** When the recording ended. */
  private readonly end: number
  private readonly ends = new Set<(error: ReplayMismatch) => void>()
  private found: ReplayMismatch | undefined

  constructor(recording: Recording, options: Options) {
    this.options = options
    this.tracks = tracksOf(recording)
    this.end = recording.entries.at(-1)?.at ?? 0
  }

  /** Fails with the first difference; with `complete`, entries that were not played count too. */
  check(complete: boolean): Effect.Effect<void, ReplayMismatch> {
    return Effect.suspend(() => {
      const error = this.found ?? (complete ? this.unplayed() : undefined)
      return error === undefined ? Effect.void : Effect.fail(error)
    })
  }

  private unplayed(): ReplayMismatch | undefined {
    for (const track of this.tracks) {
      const { connection, endpoint } = track
      if (!track.taken) {
        return this.options.mismatch({ connection, server: nameOf(endpoint), frame: 0, expected: "a connection" })
      }
      const left = track.entries.slice(track.at).map(clientFrame).find((frame) =>
        frame !== undefined && !Frames.isFarewell(frame)
      )
      if (left !== undefined) {
        return this.options.mismatch({
          connection,
          server: nameOf(endpoint),
          frame: track.frame + 1,
          expected: Frames.name(left)
        })
      }
    }
    return undefined
  }

  /** Keeps the first difference, and ends all connections with it. */
  private differ(found: Found): ReplayMismatch {
    if (this.found !== undefined) return this.found
    this.found = this.options.mismatch(found)
    for (const end of [...this.ends]) end(this.found)
    return this.found
  }

  readonly connect = (
    endpoint: Transport.Endpoint,
    handlers: Transport.Handlers
  ): Effect.Effect<Transport.Duplex, TransportError, Scope.Scope> =>
    Effect.gen({ self: this }, function*() {
      const failed = (detail: string) =>
        new TransportError({ reason: { _tag: "ConnectionFailed" }, server: endpoint.host, port: endpoint.port, detail })
      if (this.found !== undefined) return yield* failed(this.found.message)
      const track = this.tracks.find((one) => !one.taken && sameEndpoint(one.endpoint, endpoint))
      if (track === undefined) {
        const found = { connection: 0, server: nameOf(endpoint), frame: 0, actual: "a further connection" }
        return yield* failed(this.differ(found).message)
      }
      track.taken = true
      const first = track.entries[track.at++]
      if (first?.what === "failed") {
        const { detail, reason } = first
        return yield* new TransportError({
          reason: { _tag: reason },
          server: endpoint.host,
          port: endpoint.port,
          ...(detail === undefined ? {} : { detail })
        })
      }
      // The client gave this connect up, as the losers of a race do, or the recording ends before it was made.
      if (first?.what !== "connected") {
        yield* realTime((first?.at ?? this.end) - track.start + this.options.patience)
        const expected = "a connect that is given up"
        const found = { connection: track.connection, server: nameOf(endpoint), frame: 0, expected }
        return yield* failed(this.differ(found).message)
      }
      return yield* this.play(track, endpoint, handlers)
    })

  private play(
    track: Track,
    endpoint: Transport.Endpoint,
    handlers: Transport.Handlers
  ): Effect.Effect<Transport.Duplex, never, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const inbox = yield* Queue.unbounded<Uint8Array>()
      const splitter = new Frames.Splitter()
      let open = true
      const close = (): void => {
        open = false
        this.ends.delete(end)
      }
      const hangUp = (reason: TransportError["reason"]["_tag"], detail: string | undefined): void => {
        if (!open) return
        close()
        const told = detail === undefined ? {} : { detail }
        handlers.onClose(
          new TransportError({ reason: { _tag: reason }, server: endpoint.host, port: endpoint.port, ...told })
        )
      }
      const end = (error: ReplayMismatch): void => hangUp("ConnectionFailed", error.message)
      this.ends.add(end)
      yield* Effect.addFinalizer(() => Effect.sync(close))

      /** Delivers all entries up to the client's next frame. */
      const deliver = (): void => {
        for (let entry = track.entries[track.at]; entry !== undefined; entry = track.entries[track.at]) {
          if (!open) return
          switch (entry.what) {
            case "server":
              track.due -= Frames.answered(entry.bytes)
              handlers.onData(entry.bytes.slice())
              break
            case "closed":
              if (entry.by === "server") hangUp(entry.reason, entry.detail)
              break
            default:
              return
          }
          track.at++
        }
      }
      const take = (bytes: Uint8Array): void => {
        // Sent while the server was closing the connection: the frame is lost.
        if (!open) return
        const expected = clientFrame(track.entries[track.at])
        // The recording may have been read before its connections were closed.
        if (expected === undefined && Frames.isFarewell(bytes)) return hangUp("ConnectionClosed", undefined)
        track.frame++
        const offset = expected === undefined ? undefined : Frames.difference(expected, bytes)
        const same = expected !== undefined &&
          (offset === undefined || (!this.options.exact && Frames.kind(expected) === Frames.kind(bytes)))
        if (!same) {
          this.differ({
            connection: track.connection,
            server: nameOf(endpoint),
            frame: track.frame,
            actual: Frames.name(bytes),
            ...(expected === undefined ? {} : { expected: Frames.name(expected) }),
            ...(offset === undefined ? {} : { offset })
          })
          return
        }
        track.at++
        track.due += Frames.asked(bytes)
        deliver()
      }
      /** The client and the recording wait for each other. */
      const stall = Effect.sync(() => {
        const expected = clientFrame(track.entries[track.at])
        this.differ({
          connection: track.connection,
          server: nameOf(endpoint),
          frame: track.frame + 1,
          ...(expected === undefined ? {} : { expected: Frames.name(expected) })
        })
      })
      yield* Effect.sync(deliver).pipe(
        Effect.andThen(Effect.forever(Effect.suspend(() => {
          const next = Effect.map(Queue.take(inbox), take)
          return open && track.due > 0
            ? Effect.raceFirst(next, Effect.andThen(realTime(this.options.patience), stall))
            : next
        }))),
        Effect.forkScoped
      )
      return {
        send: (chunks: ReadonlyArray<Uint8Array>, onSent?: () => void) => {
          if (open) { for (const frame of splitter.push(chunks)) Queue.offerUnsafe(inbox, frame) }
          onSent?.()
        },
        close
      }
    })
  }
}
