/** What is sent in one turn goes to the system by one call, in its order, and goes out although the connection ends at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Net from "node:net"
import * as TcpTransport from "../../src/Layers/TcpTransport.ts"
import * as Transport from "../../src/Protocol/Transport.ts"

type Writes = Pick<Net.Socket, "_write"> & { _writev: NonNullable<Net.Socket["_writev"]> }

/** A server on loopback that takes all bytes of one connection, until that ends. */
const listening = Effect.acquireRelease(
  Effect.promise(() =>
    new Promise<{ readonly server: Net.Server; readonly port: number; readonly all: Promise<Buffer> }>((resolve) => {
      const chunks: Array<Buffer> = []
      let end: (bytes: Buffer) => void
      const all = new Promise<Buffer>((resolve) => {
        end = resolve
      })
      const server = Net.createServer((socket) => {
        socket.on("data", (chunk: Buffer) => chunks.push(chunk))
        socket.on("error", () => {})
        socket.on("close", () => end(Buffer.concat(chunks)))
      })
      server.listen(0, "127.0.0.1", () => resolve({ server, port: (server.address() as Net.AddressInfo).port, all }))
    })
  ),
  ({ server }) => Effect.sync(() => server.close())
)

/** Counts the calls that client sockets make for data. */
const counting = Effect.acquireRelease(
  Effect.sync(() => {
    const prototype = Net.Socket.prototype as unknown as Writes
    const { _write, _writev } = prototype
    const counts = { calls: 0 }
    prototype._write = function(this: Net.Socket, ...args) {
      counts.calls++
      return _write.apply(this, args)
    }
    prototype._writev = function(this: Net.Socket, ...args) {
      counts.calls++
      return _writev.apply(this, args)
    }
    return { counts, restore: () => Object.assign(prototype, { _write, _writev }) }
  }),
  ({ restore }) => Effect.sync(restore)
)

const small = (i: number) => [Uint8Array.of(i, 1), Uint8Array.of(i, 2)]
const large = (i: number) => [Uint8Array.of(i), new Uint8Array(10_000).fill(i)]

describe("packets over TCP", () => {
  for (
    const [title, packets] of [
      ["small ones", [1, 2, 3, 4, 5].map(small)],
      ["one of a single piece", [[Uint8Array.of(7)]]],
      ["large ones between small ones", [small(1), large(2), small(3), large(4), small(5)]]
    ] as const
  ) {
    it.live(`that are sent in one turn go out in their order by one call: ${title}`, () =>
      Effect.gen(function*() {
        const { all, port } = yield* listening
        const transport = yield* Transport.Transport
        const { counts } = yield* counting
        yield* Effect.scoped(Effect.gen(function*() {
          const duplex = yield* transport.connect({ host: "127.0.0.1", port }, { onData: () => {}, onClose: () => {} })
          const before = counts.calls
          for (const packet of packets) duplex.send(packet)
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          assert.strictEqual(counts.calls - before, 1)
        }))
        const due = Buffer.concat(packets.flat())
        assert.isTrue(Buffer.from(yield* Effect.promise(() => all)).equals(due))
      }).pipe(Effect.scoped, Effect.provide(TcpTransport.layer())))
  }

  it.live("go out if the connection ends in the same turn", () =>
    Effect.gen(function*() {
      const { all, port } = yield* listening
      const transport = yield* Transport.Transport
      yield* Effect.scoped(Effect.gen(function*() {
        const duplex = yield* transport.connect({ host: "127.0.0.1", port }, { onData: () => {}, onClose: () => {} })
        yield* Effect.sync(() => {
          for (const packet of [small(1), small(2)]) duplex.send(packet)
          duplex.close()
          // Nothing is sent after the end.
          duplex.send(small(3))
        })
      }))
      assert.deepStrictEqual([...(yield* Effect.promise(() => all))], [1, 1, 1, 2, 2, 1, 2, 2])
    }).pipe(Effect.scoped, Effect.provide(TcpTransport.layer())))
})
