/**
 * A TCP proxy that acts as a bad network or a bad peer: it delays, cuts, stalls, refuses, and changes packets.
 *
 * It cuts the stream into the packets of SMB over TCP (four bytes of length before each), so that a test can say "the
 * third response" and not "byte 812". A hook can change and keep its buffer.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Socket } from "node:net"
import { attempt, type LabError } from "./Process.ts"

/** The direction of a packet. */
export type Direction = "toServer" | "toClient"

/** One packet on its way. */
export interface Packet {
  readonly direction: Direction
  /** The number of earlier packets in this direction on this connection. */
  readonly index: number
  /** The number of connections that the proxy accepted before this one. */
  readonly connection: number
  /** The packet with its four bytes of length. */
  readonly bytes: Buffer
}

/**
 * What the proxy does with a packet: it sends these bytes instead, drops it, cuts its connection, or drops it and
 * answers with a packet in the receiver's place.
 */
export type Verdict = Uint8Array | "drop" | "cut" | { readonly answer: Uint8Array }

/** What happens at one byte: a reset, an orderly end in one direction or in both, a held line, or a bit that flips. */
export type Blow = "reset" | "halfClose" | "close" | "stall" | { readonly flip: number }

/** One fault at one byte. */
export interface Strike {
  readonly direction: Direction
  /** Bytes that still go through in this direction from now on, of all connections together. */
  readonly after: number
  readonly blow: Blow
}

/** The proxy's own address, its target, and what it does with packets. */
export interface ProxyOptions {
  readonly listen: { readonly address: string; readonly port?: number }
  readonly target: { readonly address: string; readonly port?: number }
  /** Milliseconds of delay in each direction. */
  readonly delay?: number
  /** Called for each packet. Without it, packets go through unchanged. */
  readonly onPacket?: (packet: Packet) => Verdict
}

/** A running proxy. */
export interface Proxy {
  readonly address: string
  readonly port: number
  /** The number of connections that it has accepted so far. */
  readonly connections: () => number
  /** The number of its own sockets that are open: two for each connection. */
  readonly sockets: () => number
  /** Cuts every connection with a reset. */
  readonly cut: Effect.Effect<void>
  /** From now on the proxy resets each new connection (`true`), or serves connections again. */
  readonly refuse: (refuse: boolean) => Effect.Effect<void>
  /** From now on the proxy holds all packets and closes nothing (`true`), or sends the held packets and continues. */
  readonly stall: (stall: boolean) => Effect.Effect<void>
  /** Milliseconds of delay in each direction from now on. */
  readonly setDelay: (milliseconds: number) => Effect.Effect<void>
  readonly onPacket: (hook: ((packet: Packet) => Verdict) | undefined) => Effect.Effect<void>
  /** Arms a strike, which happens once; `undefined` disarms. A line that it has stalled is released by `stall(false)`. */
  readonly strike: (strike: Strike | undefined) => Effect.Effect<void>
  /** Whether the last armed strike has happened. */
  readonly struck: () => boolean
}

/** Starts a proxy for the length of the scope. */
export const proxy = (options: ProxyOptions): Effect.Effect<Proxy, LabError, Scope.Scope> =>
  Effect.acquireRelease(attempt(() => start(options)), ({ close }) => Effect.promise(close)).pipe(
    Effect.map(({ handle }) => handle)
  )

/** Resets at once: `resetAndDestroy` alone waits until the other side has read everything, which may never be. */
const reset = (socket: Socket): void => {
  socket.resetAndDestroy()
  socket.destroy()
}

const start = (options: ProxyOptions) =>
  new Promise<{ readonly handle: Proxy; readonly close: () => Promise<void> }>((resolve, reject) => {
    const pairs = new Set<{ readonly cut: () => void; readonly flush: () => void }>()
    const open = new Set<Socket>()
    let accepted = 0
    let refusing = false
    let stalled = false
    let delay = options.delay ?? 0
    let hook = options.onPacket
    let armed: { readonly direction: Direction; readonly blow: Blow; after: number } | undefined
    let struck = false

    const serve = (client: Socket) => {
      const connection = accepted++
      if (refusing) return reset(client)
      const server = connect({ host: options.target.address, port: options.target.port ?? 445, noDelay: true })
      client.setNoDelay(true)
      const cut = () => {
        pairs.delete(pair)
        reset(client)
        reset(server)
      }
      const close = () => {
        client.end()
        server.end()
      }
      const lines = [
        lead(client, server, "toServer", connection, cut, close),
        lead(server, client, "toClient", connection, cut, close)
      ]
      const pair = { cut, flush: () => lines.forEach((flush) => flush()) }
      pairs.add(pair)
      for (const socket of [client, server]) {
        open.add(socket)
        socket.on("close", () => {
          open.delete(socket)
          if (client.destroyed && server.destroyed) pairs.delete(pair)
        })
      }
      return undefined
    }

    const lead = (
      from: Socket,
      to: Socket,
      direction: Direction,
      connection: number,
      cut: () => void,
      close: () => void
    ) => {
      const queue: Array<{ readonly due: number; readonly bytes: Uint8Array | undefined }> = []
      let index = 0
      let rest: Buffer = Buffer.alloc(0)
      let timer: NodeJS.Timeout | undefined

      const flush = () => {
        clearTimeout(timer)
        timer = undefined
        if (stalled) return
        while (queue.length > 0) {
          const { bytes, due } = queue[0]!
          const wait = due - performance.now()
          if (wait > 0) {
            timer = setTimeout(flush, wait)
            return
          }
          queue.shift()
          if (bytes === undefined) to.end()
          else if (!to.destroyed && !to.write(bytes)) from.pause()
        }
      }
      const pass = (bytes: Uint8Array | undefined) => {
        queue.push({ due: performance.now() + delay, bytes })
        flush()
      }
      const answer = (bytes: Uint8Array) => {
        if (!from.destroyed) from.write(bytes)
      }
      from.on("data", (received: Buffer) => {
        let chunk = received
        const strike = armed
        if (strike?.direction === direction) {
          if (chunk.length <= strike.after) strike.after -= chunk.length
          else {
            armed = undefined
            struck = true
            const { after, blow } = strike
            if (typeof blow === "object") {
              chunk = Buffer.from(chunk)
              chunk[after]! ^= 1 << (blow.flip & 7)
            } else if (blow === "stall") stalled = true
            else {
              // What came before that byte arrives; a reset can overtake it, as in a real network.
              if (after > 0 && !to.destroyed) to.write(chunk.subarray(0, after))
              if (blow === "reset") return cut()
              if (blow === "close") return close()
              to.end()
              from.removeAllListeners("data")
              return from.resume()
            }
          }
        }
        if (hook === undefined && rest.length === 0) return pass(chunk)
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 4) {
          const length = 4 + rest.readUIntBE(1, 3)
          if (rest.length < length) break
          const bytes = Buffer.from(rest.subarray(0, length))
          rest = rest.subarray(length)
          const verdict = hook === undefined ? bytes : hook({ direction, index: index++, connection, bytes })
          if (verdict === "cut") return cut()
          if (verdict === "drop") continue
          if (verdict instanceof Uint8Array) pass(verdict)
          else answer(verdict.answer)
        }
      })
      from.on("end", () => pass(undefined))
      from.on("error", cut)
      from.on("close", () => clearTimeout(timer))
      to.on("drain", () => from.resume())
      // Nothing drains any more, and the end of a paused socket would never be read.
      to.on("close", () => from.resume())
      return flush
    }

    const listener = createServer({ noDelay: true, allowHalfOpen: true }, serve)
    const flushAll = () => pairs.forEach((pair) => pair.flush())
    const cutAll = () => pairs.forEach((pair) => pair.cut())
    listener.on("error", reject)
    listener.listen(options.listen.port ?? 445, options.listen.address, () => {
      const place = listener.address()
      const port = typeof place === "object" && place !== null ? place.port : 0
      resolve({
        handle: {
          address: options.listen.address,
          port,
          connections: () => accepted,
          sockets: () => open.size,
          cut: Effect.sync(cutAll),
          refuse: (value) =>
            Effect.sync(() => {
              refusing = value
            }),
          stall: (value) =>
            Effect.sync(() => {
              stalled = value
              flushAll()
            }),
          setDelay: (milliseconds) =>
            Effect.sync(() => {
              delay = milliseconds
            }),
          onPacket: (value) =>
            Effect.sync(() => {
              hook = value
            }),
          strike: (value) =>
            Effect.sync(() => {
              armed = value === undefined ? undefined : { ...value }
              struck = false
            }),
          struck: () => struck
        },
        close: () =>
          new Promise((done) => {
            cutAll()
            listener.close(() => done())
          })
      })
    })
  })
