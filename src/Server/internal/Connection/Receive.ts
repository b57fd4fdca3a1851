/**
 * Bytes from accepted sockets, read directly into their final memory.
 *
 * A socket that a Node program connects accepts memory for the bytes that it reads (`onread`). A socket that a server
 * accepts does not: its `data` events bring fresh memory for every 64 KiB, and making and collecting that memory costs
 * more than moving the bytes. So a new socket with `onread` takes over the connection below an accepted socket. That
 * depends on Node's internals: `available` first tries it on a connection to itself. If that fails, or if `events` is
 * asked for, the server uses `data` events. See docs/adr/0011.
 *
 * Buffers: the system writes into the memory of `room` until `arrived` is called; the memory of `onData` is valid only
 * during the call. Small reads go into memory that connections share. That is safe because the system (except on
 * Windows) reads only when bytes are there, and `onData` is called before the next read.
 */
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as Allocate from "../../../Codec/Allocate.ts"

/** The receiver of a connection's bytes. */
export interface Receiver {
  /** The memory for the next bytes; undefined if it is not known yet. */
  readonly room: () => Uint8Array | undefined
  /** This many bytes have come into the memory that `room` gave last. */
  readonly arrived: (count: number) => void
  /** Bytes have come for which the connection gave no memory. Reads them only during the call. */
  readonly onData: (chunk: Uint8Array) => void
}

/** Fewer bytes than this are better read together with the following ones, and copied. */
const smallest = 16 * 1024

const shared = process.platform === "win32" ? undefined : new Uint8Array(smallest)

/** The undocumented parts of a socket. */
interface Inside {
  _handle: object | null
}

/** Reads an accepted socket, which must be paused. `make` gets the socket to use from now on. */
export const start = (accepted: Net.Socket, direct: boolean, make: (socket: Net.Socket) => Receiver): void => {
  const inside = accepted as unknown as Inside
  const handle = inside._handle
  if (!direct || accepted.destroyed || handle === null || handle === undefined) {
    const { onData } = make(accepted)
    accepted.on("data", onData)
    accepted.resume()
    return
  }
  const memory = shared ?? Allocate.uninitialized(smallest)
  let target: Uint8Array = memory
  let receiver: Receiver | undefined = undefined as Receiver | undefined
  const options = {
    handle,
    noDelay: true,
    onread: {
      buffer: () => {
        // The socket asks for memory for the first time while it is made.
        const room = receiver?.room()
        target = room === undefined || room.length < smallest ? memory : room
        return target
      },
      callback: (count: number) => {
        if (target === memory) receiver?.onData(memory.subarray(0, count))
        else receiver?.arrived(count)
        return true
      }
    }
  }
  const socket = new Net.Socket(options as Net.SocketConstructorOpts)
  inside._handle = null
  // The server counts the accepted socket until that one is destroyed.
  socket.on("close", () => accepted.destroy())
  receiver = make(socket)
}

const patience = 1000

/** Sends more bytes than the shared memory holds, checks where they arrive, and whether a reply comes back. */
const attempt = (): Promise<boolean> =>
  new Promise((resolve) => {
    const sent = Uint8Array.from({ length: 4 * smallest }, (_, i) => i % 251)
    const server = Net.createServer({ pauseOnConnect: true })
    const sockets: Array<Net.Socket> = []
    const timer = setTimeout(() => finish(false), patience)
    const finish = (works: boolean) => {
      clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      // The attempt ends only when it knows that its connection ended.
      const late = setTimeout(() => resolve(false), patience)
      server.close(() => {
        clearTimeout(late)
        resolve(works)
      })
    }
    server.on("error", () => finish(false))
    server.on("connection", (accepted) => {
      const came = new Uint8Array(sent.length)
      let count = 0
      let placed = false
      accepted.on("error", () => finish(false))
      start(accepted, true, (socket) => {
        sockets.push(accepted, socket)
        socket.on("error", () => finish(false))
        const look = () => {
          if (count === sent.length) socket.end(placed && Buffer.compare(came, sent) === 0 ? "yes" : "no")
        }
        return {
          room: () => count === 0 ? undefined : came.subarray(count),
          arrived: (more) => {
            placed = true
            count += more
            look()
          },
          onData: (chunk) => {
            came.set(chunk.subarray(0, came.length - count), count)
            count += chunk.length
            look()
          }
        }
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const client = Net.connect((server.address() as Net.AddressInfo).port, "127.0.0.1")
      sockets.push(client)
      client.on("error", () => finish(false))
      client.on("data", (answer: Buffer) => finish(answer.toString() === "yes"))
      client.on("end", () => finish(false))
      client.write(sent)
    })
  })

let tried: Promise<boolean> | undefined

/** Whether this platform's connections can be taken over; tried once, on loopback. */
export const available: Effect.Effect<boolean> = Effect.promise(() => tried ??= attempt().catch(() => false))
