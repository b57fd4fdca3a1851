/**
 * Bytes from accepted sockets, straight into the memory where they belong.
 *
 * A socket that a Node program connects can be told where to put what it reads (`onread`); one that a server accepts
 * cannot: its `data` events bring fresh memory for every 64 KiB, and making and collecting that costs more than moving the
 * bytes. So the connection below an accepted socket is taken over by a socket that was made with `onread`. That leans on
 * Node's insides: `available` tries it on a connection to itself first, and where it does not work, or `events` is asked
 * for, `data` events it is. See docs/adr/0011.
 *
 * Buffers: what `room` gives is written by the system until `arrived` is called; what `onData` is given is only valid
 * during the call. What is small is read into memory that connections share, for elsewhere than on Windows the system
 * reads only when something is there, and `onData` is called before anything else is read.
 */
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as Allocate from "../../../Codec/Allocate.ts"

/** Whoever takes a connection's bytes. */
export interface Receiver {
  /** Where the next bytes belong; undefined where that is not known yet. */
  readonly room: () => Uint8Array | undefined
  /** As many bytes have come into what `room` gave last. */
  readonly arrived: (count: number) => void
  /** Bytes have come that had no place; only read during the call. */
  readonly onData: (chunk: Uint8Array) => void
}

/** Fewer bytes than this are better read with what follows them, and copied. */
const smallest = 16 * 1024

const shared = process.platform === "win32" ? undefined : new Uint8Array(smallest)

/** What of a socket is not documented. */
interface Inside {
  _handle: object | null
}

/** Reads an accepted socket, which must be paused. `make` is given the socket to use from now on. */
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
        // The socket asks for the first time while it is made.
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
  // The server counts the accepted socket for as long as that is not destroyed.
  socket.on("close", () => accepted.destroy())
  receiver = make(socket)
}

const patience = 1000

/** Sends more than fits into the memory for what is small, and looks at where it came, and whether an answer comes back. */
const attempt = (): Promise<boolean> =>
  new Promise((resolve) => {
    const sent = Uint8Array.from({ length: 4 * smallest }, (_, i) => i % 251)
    const server = Net.createServer({ pauseOnConnect: true })
    const sockets: Array<Net.Socket> = []
    const timer = setTimeout(() => finish(false), patience)
    const finish = (works: boolean) => {
      clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      // It ends only when it knows that its connection did.
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

/** Whether connections can be taken over here; tried once, on the loopback. */
export const available: Effect.Effect<boolean> = Effect.promise(() => tried ??= attempt().catch(() => false))
