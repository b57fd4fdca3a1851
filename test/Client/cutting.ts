/** The own server on loopback, and clients whose connections a test cuts: at once, or at the requests that it names. */
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Credentials, DfsAdapter, SmbClient, type SmbServer as Server, TcpTransport, Transport } from "effect-smb"
import type * as ReconnectNotice from "../../src/Client/ReconnectNotice.ts"
import { TransportError } from "../../src/Protocol/Errors.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

const host = "127.0.0.1"
const secret = Redacted.make("secret")

const closed = (server: string, port: number, tag: "ConnectionClosed" | "ConnectionRefused" = "ConnectionClosed") =>
  new TransportError({ reason: { _tag: tag }, server, port })

/** The switches of a transport. */
export class Line {
  private readonly live = new Set<(halfOpen: boolean) => void>()
  /** The connections that were made. */
  connections = 0
  /** The attempts to connect. */
  attempts = 0
  /** How many of the next attempts are refused. */
  refusals = 0
  /** Called before each packet of a client; `before` cuts instead of sending it, `after` cuts when it was sent. */
  onSend: ((packet: Buffer) => "before" | "after" | "silence" | undefined) | undefined

  /** Called for each packet of the server, if it is set; what it returns arrives in its place, and `drop` is nothing. */
  onReceive: ((packet: Buffer) => Buffer | "drop" | undefined) | undefined

  /** Cuts every connection. */
  cut(): void {
    for (const one of this.live) one(false)
  }

  /** Cuts every connection for the client alone. The server is told nothing, as behind a NAT that has forgotten them. */
  forget(): void {
    for (const one of this.live) one(true)
  }

  readonly layer = Layer.effect(
    Transport.Transport,
    Effect.map(Effect.service(Transport.Transport), (tcp) => ({
      connect: (endpoint: Transport.Endpoint, handlers: Transport.Handlers) =>
        Effect.suspend(() => {
          this.attempts++
          if (this.refusals > 0) {
            this.refusals--
            return Effect.fail(closed(endpoint.host, endpoint.port, "ConnectionRefused"))
          }
          let isCut = false
          /** The responses are lost. */
          let isDeaf = false
          /** The requests are lost, and the connection stays. */
          let isSilent = false
          let rest: Buffer = Buffer.alloc(0)
          const onData = (chunk: Uint8Array) => {
            if (this.onReceive === undefined) return handlers.onData(chunk)
            rest = Buffer.concat([rest, chunk])
            for (;;) {
              const end = rest.length < 4 ? Infinity : 4 + rest.readUInt32BE(0)
              if (rest.length < end) return
              const packet = Buffer.from(rest.subarray(0, end))
              rest = rest.subarray(end)
              const verdict = this.onReceive(packet)
              if (verdict !== "drop") handlers.onData(verdict ?? packet)
            }
          }
          return Effect.map(
            tcp.connect(endpoint, {
              onData: (chunk) => isCut || isDeaf ? undefined : onData(chunk),
              onClose: (error) => isCut ? undefined : handlers.onClose(error)
            }),
            (duplex): Transport.Duplex => {
              this.connections++
              const cut = (halfOpen: boolean) => {
                if (isCut) return
                isCut = true
                this.live.delete(cut)
                if (!halfOpen) duplex.close()
                handlers.onClose(closed(endpoint.host, endpoint.port))
              }
              this.live.add(cut)
              return {
                send: (chunks, onSent) => {
                  if (isCut || isSilent) return
                  const verdict = this.onSend?.(Buffer.concat(chunks))
                  if (verdict === "before") return cut(false)
                  if (verdict === "silence") {
                    isSilent = true
                    return
                  }
                  duplex.send(chunks, onSent)
                  if (verdict !== "after" || isDeaf) return
                  // The server gets the request, and its response is lost.
                  isDeaf = true
                  setTimeout(() => cut(false), 20)
                },
                close: () => {
                  isCut = true
                  this.live.delete(cut)
                  duplex.close()
                }
              }
            }
          )
        })
    }))
  ).pipe(Layer.provide(TcpTransport.layer()))
}

/** Number of a command in a packet of SMB 2 with its four bytes of length, signed or not, but not encrypted. */
export const commandOf = (packet: Uint8Array): number => packet[4 + 12]! | (packet[4 + 13]! << 8)

export const Command = { CREATE: 5, CLOSE: 6, READ: 8, WRITE: 9, LOCK: 10, QUERY_DIRECTORY: 14, SET_INFO: 17 } as const

export interface World {
  readonly line: Line
  readonly smb: SmbClient.Client
  /** A client with DFS on the same line. */
  readonly withDfs: Effect.Effect<{ readonly smb: SmbClient.Client }, never, Scope.Scope>
  /** A second client on its own line, which is never cut. */
  readonly other: SmbClient.Client
  readonly notices: Array<ReconnectNotice.Notice>
  readonly told: () => ReadonlyArray<string>
  /** `//127.0.0.1:port/data`. */
  readonly base: string
}

const withDfs = (line: Line, options: SmbClient.Options) =>
  Effect.map(
    Layer.build(
      DfsAdapter.layerWithoutDiscovery().pipe(
        Layer.provide(SmbClient.layer(options)),
        Layer.provide([line.layer, Credentials.layer(Credentials.password("joe", secret))])
      )
    ),
    (context) => ({ smb: Context.get(context, SmbClient.SmbClient) })
  )

const clientOn = (line: Line, options: SmbClient.Options) =>
  Effect.map(
    Layer.build(
      SmbClient.layer(options).pipe(
        Layer.provide([line.layer, Credentials.layer(Credentials.password("joe", secret))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )

/** A server with the share `data`, and two clients. */
export const world = (
  options: SmbClient.Options = {},
  server: Partial<Server.Options> = {}
): Effect.Effect<World, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: secret }),
      shares: { data: MemoryStore.make() },
      ...server
    })
    const line = new Line()
    const notices: Array<ReconnectNotice.Notice> = []
    const smb = yield* clientOn(line, {
      onReconnect: (notice) => Effect.sync(() => void notices.push(notice)),
      ...options
    })
    const other = yield* clientOn(new Line(), {})
    return {
      line,
      smb,
      other,
      withDfs: withDfs(line, options),
      notices,
      told: () => notices.map(({ _tag }) => _tag),
      base: `//${host}:${port}/data`
    }
  })
