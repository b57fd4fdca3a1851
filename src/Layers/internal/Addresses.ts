/**
 * A server that has several addresses: which addresses are tried, in which order, and the error if none of them answers
 * (RFC 8305).
 *
 * The caller connects to an address, and sets the timeout of the whole.
 */
import * as Effect from "effect/Effect"
import { lookup as systemLookup, type LookupAddress } from "node:dns"
import { isIP, type LookupFunction } from "node:net"
import { TransportError, type TransportReason } from "../../Protocol/Errors.ts"
import * as Staggered from "../../Protocol/Staggered.ts"
import type * as Transport from "../../Protocol/Transport.ts"

/** How long an address has before the next one is tried as well (RFC 8305 8, "Connection Attempt Delay"). */
const stagger = "250 millis"

/** How many addresses of a name are tried. A name server could give thousands. */
const most = 8

/** The result of an address; without a reason it has not answered yet. */
export interface Tried {
  readonly address: string
  reason?: TransportReason["_tag"]
  detail?: string
}

/** The progress of a connect, for the timeout that ends it. */
export interface Progress {
  /** The addresses that have been tried, in order; `undefined` while they are not known. */
  tried: Array<Tried> | undefined
}

const reasons: Readonly<Record<string, TransportReason["_tag"]>> = {
  ECONNREFUSED: "ConnectionRefused",
  ENOTFOUND: "HostNotFound",
  EAI_AGAIN: "HostNotFound",
  EHOSTUNREACH: "HostUnreachable",
  ENETUNREACH: "HostUnreachable",
  EHOSTDOWN: "HostUnreachable",
  EADDRNOTAVAIL: "HostUnreachable",
  ETIMEDOUT: "TimedOut",
  ECONNRESET: "ConnectionClosed",
  EPIPE: "ConnectionClosed"
}

/** What a system's error means for a connection. */
export const reasonOf = (cause: NodeJS.ErrnoException): TransportReason["_tag"] =>
  reasons[cause.code ?? ""] ?? "ConnectionFailed"

/** The zone of an address is a network interface of this machine. Of a missing one Node says only EINVAL. */
const noInterface = (host: string, { code }: NodeJS.ErrnoException): string | undefined => {
  const zone = host.includes(":") ? host.split("%", 2)[1] : undefined
  return code === "EINVAL" && zone !== undefined
    ? `check that this machine has a network interface ${zone} and that the interface can reach the address`
    : undefined
}

/** A system's error as the error of a connection. */
export const toError = ({ host, port }: Transport.Endpoint, cause: NodeJS.ErrnoException): TransportError => {
  const reason = reasonOf(cause)
  return new TransportError({
    reason: { _tag: reason },
    server: host,
    port,
    ...(reason === "ConnectionFailed" ? { detail: noInterface(host, cause) ?? cause.message } : {})
  })
}

/** Each address once, with its families in turn as in RFC 8305 4, beginning with the family of the first. */
export const inOrder = (addresses: ReadonlyArray<LookupAddress>): ReadonlyArray<string> => {
  const family = addresses[0]?.family
  const of = (own: boolean) => [
    ...new Set(addresses.filter((one) => (one.family === family) === own).map(({ address }) => address))
  ]
  const [mine, others] = [of(true), of(false)]
  return Array.from({ length: Math.max(mine.length, others.length) }, (_, i) => [mine[i], others[i]]).flat()
    .filter((address) => address !== undefined)
    .slice(0, most)
}

/** The addresses of a host; for an address, the address itself. */
export const of = (
  endpoint: Transport.Endpoint,
  lookup: LookupFunction | undefined
): Effect.Effect<ReadonlyArray<string>, TransportError> =>
  isIP(endpoint.host) !== 0 ? Effect.succeed([endpoint.host]) : Effect.callback((resume) => {
    const { host } = endpoint
    const found = (cause: NodeJS.ErrnoException | null, address: string | ReadonlyArray<LookupAddress>) => {
      if (cause !== null) return resume(Effect.fail(toError(endpoint, cause)))
      const all = typeof address === "string" ? [{ address, family: isIP(address) }] : address
      const addresses = inOrder(all)
      resume(
        addresses.length > 0
          ? Effect.succeed(addresses)
          : Effect.fail(new TransportError({ reason: { _tag: "HostNotFound" }, server: host, port: endpoint.port }))
      )
    }
    try {
      if (lookup === undefined) systemLookup(host, { all: true }, found)
      else lookup(host, { all: true }, found as Parameters<LookupFunction>[2])
    } catch (cause) {
      // Node throws for a name that it does not give to a name server, such as one with a NUL.
      resume(Effect.fail(toError(endpoint, cause as NodeJS.ErrnoException)))
    }
  })

const words: Readonly<Record<TransportReason["_tag"], string>> = {
  ConnectionRefused: "refused",
  HostUnreachable: "cannot be reached",
  HostNotFound: "has no address",
  TimedOut: "no answer",
  ConnectionClosed: "closed the connection",
  ConnectionFailed: "failed"
}

const told = ({ address, detail, reason = "TimedOut" }: Tried): string => `${address}: ${detail ?? words[reason]}`

/** The reason that says most about a server comes first: a server that refuses exists. */
const precedence: ReadonlyArray<TransportReason["_tag"]> = [
  "ConnectionRefused",
  "ConnectionClosed",
  "TimedOut",
  "ConnectionFailed",
  "HostUnreachable"
]

/** No address has answered. If there was only one address, its reason is the whole error. */
const failed = ({ host, port }: Transport.Endpoint, tried: ReadonlyArray<Tried>): TransportError => {
  const detail = tried.length > 1 ? tried.map(told).join(", ") : tried[0]?.detail
  return new TransportError({
    reason: { _tag: precedence.find((reason) => tried.some((one) => one.reason === reason)) ?? "ConnectionFailed" },
    server: host,
    port,
    ...(detail === undefined ? {} : { detail })
  })
}

/** The timeout has passed. */
export const timedOut = ({ host, port }: Transport.Endpoint, { tried }: Progress): TransportError => {
  const detail = tried === undefined
    ? "its address was still being looked up"
    : tried.length > 1
    ? tried.map(told).join(", ")
    : undefined
  return new TransportError({
    reason: { _tag: "TimedOut" },
    server: host,
    port,
    ...(detail === undefined ? {} : { detail })
  })
}

/**
 * Connects to the first address that answers. `open` connects to one address, and gives it up when it is interrupted.
 * Fails with every address and its error, and keeps them in `progress` while it runs.
 */
export const connect = <A>(
  endpoint: Transport.Endpoint,
  addresses: ReadonlyArray<string>,
  open: (address: string) => Effect.Effect<A, NodeJS.ErrnoException>,
  progress: Progress
): Effect.Effect<A, TransportError> =>
  Effect.suspend(() => {
    const tried: Array<Tried> = []
    progress.tried = tried
    const attempt = (address: string) =>
      Effect.suspend(() => {
        const own: Tried = { address }
        tried.push(own)
        return Effect.tapError(open(address), (cause) =>
          Effect.sync(() => {
            own.reason = reasonOf(cause)
            if (own.reason === "ConnectionFailed") own.detail = cause.message
          }))
      })
    return Effect.mapError(Staggered.first(addresses, attempt, stagger), () => failed(endpoint, tried))
  })
