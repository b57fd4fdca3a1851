/**
 * What one request costs, printed as JSON: bytes that it allocates, packets, and turns of the event loop. `hotPath.test.ts`
 * runs it in its own process, with so much space for new objects that nothing is collected.
 *
 * Client and server are in this process, connected by TCP on loopback: the numbers are those of both together.
 */
import { Effect, Layer, Redacted } from "effect"
import { performance } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as TcpTransport from "../../src/Layers/TcpTransport.ts"
import * as Transport from "../../src/Protocol/Transport.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"

let packets = 0

/** TCP, with a count of the packets that the client sends. */
const counting = Layer.effect(
  Transport.Transport,
  Effect.map(Transport.Transport, (tcp) => ({
    connect: (endpoint, handlers) =>
      Effect.map(tcp.connect(endpoint, handlers), (duplex) => ({
        ...duplex,
        send: (chunks, onSent) => {
          packets++
          duplex.send(chunks, onSent)
        }
      }))
  }))
).pipe(Layer.provide(TcpTransport.layer()))

interface Cost {
  /** Bytes of the heap. */
  readonly heap: number
  /** Bytes outside of the heap: buffers. */
  readonly external: number
  readonly packets: number
  readonly turns: number
}

const state = (): Cost => {
  const { external_memory: external, used_heap_size: heap } = getHeapStatistics()
  return { heap, external, packets, turns: performance.nodeTiming.uvMetricsInfo.loopCount }
}

/** What an operation costs on average: warm, one after the other. */
const costOf = <E, R>(operation: Effect.Effect<unknown, E, R>, count: number): Effect.Effect<Cost, E, R> =>
  Effect.gen(function*() {
    for (let i = 0; i < count; i++) yield* operation
    const before = state()
    for (let i = 0; i < count; i++) yield* operation
    const after = state()
    return {
      heap: (after.heap - before.heap) / count,
      external: (after.external - before.external) / count,
      packets: (after.packets - before.packets) / count,
      turns: (after.turns - before.turns) / count
    }
  })

const program = Effect.gen(function*() {
  const password = Redacted.make("password")
  const { port } = yield* SmbServer.make({
    host: "127.0.0.1",
    port: 0,
    users: UserStore.inMemory({ user: password }),
    shares: { data: MemoryStore.make() }
  })
  const share = `\\\\127.0.0.1:${port}\\data`
  return yield* Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    yield* smb.writeFile(`${share}\\file.bin`, new Uint8Array(4 * 1024 * 1024))
    yield* smb.writeFile(`${share}\\small.txt`, new Uint8Array(10))
    const file = yield* smb.open(`${share}\\file.bin`, OpenMode.readWrite)
    const block = new Uint8Array(4096)
    const large = new Uint8Array(1024 * 1024)
    return {
      read: yield* costOf(file.readInto(4096, block), 500),
      write: yield* costOf(file.write(4096, block), 500),
      readLarge: yield* costOf(file.readInto(0, large), 40),
      writeLarge: yield* costOf(file.write(0, large), 40),
      stat: yield* costOf(smb.stat(`${share}\\small.txt`), 200),
      readFile: yield* costOf(smb.readFile(`${share}\\small.txt`), 200)
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      SmbClient.layer().pipe(Layer.provide([counting, Credentials.layer(Credentials.password("user", password))]))
    )
  )
}).pipe(Effect.scoped)

process.stdout.write(JSON.stringify(await Effect.runPromise(program)))
