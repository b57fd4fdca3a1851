/**
 * The transport over TCP, on `node:net`.
 *
 * Reads with `onread` into one buffer that every read uses again: a socket's `data` events, and streams on top of them,
 * reach half of that speed. A chunk is therefore valid only until `onData` returns, as `Transport` says.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Net from "node:net"
import * as UpCase from "../Codec/UpCase.ts"
import * as Arguments from "../Protocol/Arguments.ts"
import * as Environment from "../Protocol/Environment.ts"
import { TransportError } from "../Protocol/Errors.ts"
import * as Transport from "../Protocol/Transport.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as Addresses from "./internal/Addresses.ts"

/**
 * Settings of the TCP transport. A number or a time that cannot be used is a defect when the layer is built, an
 * `ArgumentError`.
 *
 * @since 0.1.0
 */
export interface Options {
  /** The timeout of a connect, with the look-up of the name and all attempts. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Bytes of the receive buffer of each connection. Default: 1 MiB. Untouched pages cost nothing. */
  readonly receiveBuffer?: number | undefined
  /** How names become addresses. Default: the system's resolver. */
  readonly lookup?: Net.TcpNetConnectOpts["lookup"] | undefined
  /**
   * Other addresses to connect to, by the name of a server without regard to case; `*` stands for all other servers.
   * The names stay unchanged in everything that the server and the user see: paths, DFS, Kerberos. For a server behind
   * a forwarded port, or with a name that no name server has.
   */
  readonly addresses?: Readonly<Record<string, Address>> | undefined
}

/**
 * The address of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Address {
  /** A name or an address. */
  readonly host: string
  /** TCP port. Default: the requested port. */
  readonly port?: number | undefined
}

/** The address that is set for a server's name, if there is one. */
const placeOf = (addresses: Options["addresses"]) => {
  const places = new Map(Object.entries(addresses ?? {}).map(([name, place]) => [UpCase.fold(name), place]))
  return (endpoint: Transport.Endpoint): Transport.Endpoint => {
    const place = places.get(UpCase.fold(endpoint.host)) ?? places.get("*")
    return place === undefined ? endpoint : { host: place.host, port: place.port ?? endpoint.port }
  }
}

/** What the numbers and times of the options have to be. */
const rules = ({ addresses, connectTimeout, receiveBuffer }: Options): Arguments.Given => ({
  connectTimeout: [Arguments.duration, connectTimeout],
  receiveBuffer: [Arguments.integer(1, 0x4000_0000, "a whole number of bytes"), receiveBuffer],
  ...Object.fromEntries(
    Object.entries(addresses ?? {}).map(([name, { port }]) => [`addresses[${JSON.stringify(name)}].port`, [
      Arguments.port,
      port
    ]])
  )
})

/** Adds to an error the place at which the named server was looked for. */
const told = (endpoint: Transport.Endpoint, place: Transport.Endpoint) => (error: TransportError): TransportError =>
  place === endpoint ? error : new TransportError({
    reason: error.reason,
    server: endpoint.host,
    port: endpoint.port,
    detail: [`at ${UncName.format({ server: place.host, port: place.port }).slice(2)}`, error.detail]
      .filter((part) => part !== undefined).join(": ")
  })

/** Connects. Run it uninterruptible; it is interruptible in the parts that it chooses itself. */
const connect = (
  endpoint: Transport.Endpoint,
  place: Transport.Endpoint,
  handlers: Transport.Handlers,
  { lookup, receiveBuffer }: Options,
  connectTimeout: Duration.Input
): Effect.Effect<Net.Socket, TransportError> =>
  Effect.suspend(() => {
    const progress: Addresses.Progress = { tried: undefined }
    const sockets = new Set<Net.Socket>()
    const buffer = Buffer.allocUnsafeSlow(receiveBuffer ?? 1024 * 1024)
    let chosen: Net.Socket | undefined
    /** Gives up everything except the connection. Later errors of the sockets that were given up are ignored. */
    const giveUp = () => {
      for (const socket of sockets) {
        if (socket === chosen) continue
        sockets.delete(socket)
        discard(socket)
      }
    }
    const open = (address: string): Effect.Effect<Net.Socket, NodeJS.ErrnoException> =>
      Effect.callback((resume) => {
        const socket = Net.connect({
          host: address,
          port: place.port,
          noDelay: true,
          onread: {
            buffer,
            callback: (count, chunk) => {
              handlers.onData(chunk.subarray(0, count))
              return true
            }
          }
        })
        sockets.add(socket)
        socket.on("connect", () => {
          if (chosen !== undefined) return
          chosen = socket
          giveUp()
          resume(Effect.succeed(socket))
        })
        socket.on("error", (cause: NodeJS.ErrnoException) => {
          if (socket === chosen) handlers.onClose(Addresses.toError(endpoint, cause))
          else resume(Effect.fail(cause))
        })
        socket.on("close", () => {
          if (socket !== chosen) return
          handlers.onClose(
            new TransportError({ reason: { _tag: "ConnectionClosed" }, server: endpoint.host, port: endpoint.port })
          )
        })
        return Effect.sync(() => {
          if (socket !== chosen) discard(socket)
        })
      })
    return Addresses.of(place, lookup).pipe(
      Effect.flatMap((addresses) => Addresses.connect(place, addresses, open, progress)),
      Effect.timeoutOrElse({
        duration: connectTimeout,
        orElse: () => Effect.fail(Addresses.timedOut(place, progress))
      }),
      Effect.mapError(told(endpoint, place)),
      Effect.interruptible,
      // Outside of the interruptible part, so that a socket that has just connected is not lost.
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (exit._tag === "Success") return
          chosen = undefined
          giveUp()
        })
      )
    )
  })

/** Ends a socket that is no longer used. Its later errors are ignored. */
const discard = (socket: Net.Socket): void => {
  socket.removeAllListeners("connect")
  socket.removeAllListeners("close")
  socket.removeAllListeners("error")
  socket.on("error", () => {})
  socket.destroy()
}

const duplex = (socket: Net.Socket): Transport.Duplex => {
  let isGathering = false
  const sendGathered = () => {
    if (!isGathering) return
    isGathering = false
    socket.uncork()
  }
  return {
    send: (chunks, onSent) => {
      if (socket.destroyed) return
      // One read of the socket can bring the responses of many operations, which all send their next request at once:
      // these go out together, by one call of the system.
      if (!isGathering) {
        isGathering = true
        socket.cork()
        process.nextTick(sendGathered)
      }
      let length = 0
      for (const chunk of chunks) length += chunk.length
      // Joining small pieces costs less than sending each of them.
      if (chunks.length > 1 && length <= 4096) {
        socket.write(Buffer.concat(chunks, length))
        onSent?.()
        return
      }
      for (let i = 0; i < chunks.length; i++) socket.write(chunks[i]!, i === chunks.length - 1 ? onSent : undefined)
    },
    close: () => {
      // What was sent before the end still goes out.
      if (!socket.destroyed) sendGathered()
      discard(socket)
    }
  }
}

/**
 * Connections over TCP. A name with several addresses is connected to at the first address that answers. The next
 * address is tried after 250 ms, or at once when one refuses, and all attempts go on until `connectTimeout` (RFC 8305);
 * at most 8 addresses are tried. Direct TCP (MS-SMB2 2.1), port 445 if the path names none; NetBIOS is not supported.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Transport.Transport> =>
  Layer.effect(
    Transport.Transport,
    Effect.sync(() => {
      Arguments.assertOptions(rules(options))
      const find = placeOf(options.addresses)
      return {
        connect: (endpoint, handlers) =>
          Effect.acquireRelease(
            Effect.map(
              connect(endpoint, find(endpoint), handlers, options, options.connectTimeout ?? "10 seconds"),
              duplex
            ),
            (open) => Effect.sync(() => open.close())
          )
      }
    })
  )

/**
 * Where a connection to a server would go: the address from `options.addresses`, or the addresses of the name, in the
 * order in which they would be tried. Fails with `HostNotFound` if the name has no address.
 *
 * @category look-ups
 * @since 0.2.0
 */
export const addressesOf = (
  endpoint: Transport.Endpoint,
  options: Pick<Options, "addresses" | "lookup"> = {}
): Effect.Effect<
  { readonly addresses: ReadonlyArray<string>; readonly port: number; readonly given: boolean },
  TransportError
> => {
  const place = placeOf(options.addresses)(endpoint)
  return Effect.map(
    Effect.mapError(Addresses.of(place, options.lookup), told(endpoint, place)),
    (addresses) => ({ addresses, port: place.port, given: place !== endpoint })
  )
}

/** `files.corp.test=10.0.0.5:4455;*=proxy`: a name, and its address with or without a port. */
const addressPattern = /^\s*([^=\s]+)\s*=\s*(\[[^\]\s]+\]|[^:\s]+)(?::(\d{1,5}))?\s*$/

const toAddress = (part: string): readonly [name: string, Address] | undefined => {
  const match = addressPattern.exec(part)
  if (match === null || Number(match[3] ?? 1) < 1 || Number(match[3] ?? 1) > 65_535) return undefined
  const [, name, host, port] = match
  return [name!, { host: host!.replace(/^\[|\]$/g, ""), port: port === undefined ? undefined : Number(port) }]
}

const toAddresses = (text: string): ReadonlyArray<readonly [name: string, Address] | undefined> =>
  text.split(";").filter((part) => part.trim() !== "").map(toAddress)

/**
 * `config` with another prefix than `SMB` in the names of its variables.
 *
 * @category config
 * @since 0.2.0
 */
export const configWithPrefix = (prefix: string): Config.Config<Options> =>
  Config.all({
    connectTimeout: Environment.time(`${prefix}_CONNECT_TIMEOUT`),
    receiveBuffer: Environment.integer(`${prefix}_RECEIVE_BUFFER`, 4096, 64 * 1024 * 1024),
    addresses: Config.map(
      Environment.optional(Config.schema(
        Schema.String.check(
          Schema.makeFilter((text) => !toAddresses(text).includes(undefined) || "NAME=ADDRESS:PORT;NAME=ADDRESS")
        ),
        `${prefix}_ADDRESSES`
      )),
      (text) =>
        text === undefined
          ? undefined
          : Object.fromEntries(toAddresses(text).filter((address) => address !== undefined))
    )
  })

/**
 * Options from the configuration: SMB_CONNECT_TIMEOUT (`10 seconds`), SMB_RECEIVE_BUFFER (bytes) and SMB_ADDRESSES
 * (`files.corp.test=10.0.0.5:4455;*=proxy`).
 *
 * @category config
 * @since 0.2.0
 */
export const config: Config.Config<Options> = configWithPrefix("SMB")

/**
 * Connections over TCP with options from the configuration. Default: `config`. Fails with `ConfigError` when the layer
 * is built.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig = (
  options: Config.Wrap<Options> = config
): Layer.Layer<Transport.Transport, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap<Options>(options), layer))
