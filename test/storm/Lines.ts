/**
 * The lines between the clients of a storm and their server: two proxies for each client, at two addresses of which one is
 * in use. The faults of a network come here.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Packet, type Proxy, proxy, type Verdict } from "../lab/Proxy.ts"
import { unsigned } from "./Plan.ts"

/** One client's way to the server. */
export interface Line {
  /** The address that leads to the server now. */
  readonly address: () => string
  readonly proxy: () => Proxy
  /** The server moves: the other address leads to it from now on, and this one no longer. */
  readonly move: () => Promise<void>
}

/** The lines of all clients. */
export interface Lines {
  readonly of: (client: number) => Line
  /** The sockets of the proxies themselves. */
  readonly sockets: () => number
  readonly cutAll: () => Promise<void>
  /** Ends all faults. What a stalled line still held arrives. */
  readonly heal: () => Promise<void>
  readonly end: () => Promise<void>
}

/** Lets all packets through. */
export const through = ({ bytes }: Packet): Verdict => bytes

/** The lines to a server, from two addresses for each of `count` clients: `first` and the addresses after it. */
export const make = async (target: string, prefix: string, first: number, count: number): Promise<Lines> => {
  const scope = Scope.makeUnsafe()
  const open = (last: number) =>
    Effect.runPromise(Scope.provide(
      proxy({ listen: { address: `${prefix}.${last}` }, target: { address: target } }),
      scope
    ))
  const pairs: Array<readonly [Proxy, Proxy]> = []
  for (let i = 0; i < count; i++) pairs.push([await open(first + 2 * i), await open(first + 2 * i + 1)])
  // A hook needs to see each packet from its first byte on.
  for (const one of pairs[unsigned] ?? []) await Effect.runPromise(one.onPacket(through))
  const used = pairs.map(() => 0 as 0 | 1)
  for (const [, other] of pairs) await Effect.runPromise(other.refuse(true))
  const each = async (use: (one: Proxy) => Effect.Effect<void>) => {
    for (const one of pairs.flat()) await Effect.runPromise(use(one))
  }
  return {
    of: (client) => ({
      address: () => pairs[client]![used[client]!].address,
      proxy: () => pairs[client]![used[client]!],
      move: async () => {
        const before = pairs[client]![used[client]!]
        used[client] = used[client] === 0 ? 1 : 0
        await Effect.runPromise(pairs[client]![used[client]!].refuse(false))
        await Effect.runPromise(Effect.andThen(before.refuse(true), before.cut))
      }
    }),
    sockets: () => pairs.flat().reduce((sum, one) => sum + one.sockets(), 0),
    cutAll: () => each((one) => one.cut),
    heal: () =>
      each((one) => Effect.all([one.strike(undefined), one.setDelay(0), one.stall(false)], { discard: true })),
    end: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const headerLength = 64

/** The packets of a compound: where each begins after the four bytes of the length. */
const parts = (bytes: Buffer): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = 4; at + headerLength <= bytes.length && bytes.readUInt32BE(at) === 0xfe53_4d42;) {
    found.push(at)
    const next = bytes.readUInt32LE(at + 20)
    if (next === 0) break
    at += next
  }
  return found
}

const statusExpired = 0xc000_035c
const [negotiate, sessionSetup, logoff, cancel] = [0, 1, 2, 12]

/**
 * The answer that a server gives to requests of a session that has expired (MS-SMB2 3.3.5.2.9); undefined if it would
 * serve this packet. It grants no credits: the real server has not seen the request.
 */
const expiredAnswer = (bytes: Buffer): Uint8Array | undefined => {
  const found = parts(bytes)
  if (found.length === 0) return undefined
  const commands = found.map((at) => bytes.readUInt16LE(at + 12))
  if (commands.some((command) => [negotiate, sessionSetup, logoff, cancel].includes(command))) return undefined
  const length = headerLength + 16
  const answer = Buffer.alloc(4 + found.length * length - 7)
  answer.writeUInt32BE(answer.length - 4, 0)
  for (const [i, at] of found.entries()) {
    const to = 4 + i * length
    bytes.copy(answer, to, at, at + headerLength)
    answer.writeUInt32LE(statusExpired, to + 8)
    answer.writeUInt16LE(0, to + 14)
    answer.writeUInt32LE((bytes.readUInt32LE(at + 16) | 1) >>> 0, to + 16)
    answer.writeUInt32LE(i + 1 < found.length ? length : 0, to + 20)
    // The body of an error (MS-SMB2 2.2.2).
    answer.writeUInt16LE(9, to + headerLength)
  }
  return answer
}

/** Answers the next request of an unsigned session in the server's place: the session has expired. `done` is told. */
export const expire = (done: () => void): (packet: Packet) => Verdict => {
  let left = true
  return ({ bytes, direction }) => {
    const answer = left && direction === "toServer" ? expiredAnswer(bytes) : undefined
    if (answer === undefined) return bytes
    left = false
    done()
    return { answer }
  }
}

/** Takes all credits out of the responses of an unsigned session. `done` is told at the first one. */
export const withoutCredits = (done: () => void): (packet: Packet) => Verdict => ({ bytes, direction }) => {
  if (direction === "toServer") return bytes
  for (const at of parts(bytes)) {
    // Without a session a client would not get as far as to need them.
    const command = bytes.readUInt16LE(at + 12)
    if (command === negotiate || command === sessionSetup) continue
    bytes.writeUInt16LE(0, at + 14)
    done()
  }
  return bytes
}
