/**
 * Proves that bytes arrive complete in both ways in which a server can read them, no matter how the network splits
 * them; and that no memory is reused while a store still writes from it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Redacted, type Scope } from "effect"
import { Credentials, SmbClient, TcpTransport } from "effect-smb"
import * as Net from "node:net"
import * as FrameReader from "../../src/Protocol/FrameReader.ts"
import * as Receive from "../../src/Server/internal/Connection/Receive.ts"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { random } from "../random.ts"

const host = "127.0.29.37"
const users = UserStore.inMemory({ joe: Redacted.make("secret") })

const client = (options: SmbClient.Options = {}): Effect.Effect<SmbClient.Client, never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      SmbClient.layer(options).pipe(
        Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password("joe", Redacted.make("secret")))])
      )
    ),
    (context) => Context.get(context, SmbClient.SmbClient)
  )

/** Bytes that tell their place: each 32-bit word is computed from its number and `seed`. */
const pattern = (seed: number, length: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e37_79b1) ^ Math.imul(seed + 1, 0x85eb_ca6b)
  return new Uint8Array(words.buffer, 0, length)
}

/** A store whose writes begin only after `before`. `ended` runs when a write has ended in any way. */
const after = (store: ShareStore, before: Effect.Effect<void>, ended: () => void = () => {}): ShareStore => ({
  ...store,
  open: (path, options) =>
    Effect.map(store.open(path, options), (opened) => ({
      ...opened,
      file: {
        ...opened.file,
        write: (offset, data) =>
          Effect.ensuring(Effect.andThen(before, opened.file.write(offset, data)), Effect.sync(ended))
      }
    }))
})

/** Accepts one connection. `take` gets the received bytes, and the callbacks by which they came. */
const collect = (direct: boolean, length: number, take: (came: Uint8Array, ways: ReadonlySet<string>) => void) => {
  const ways = new Set<string>()
  const came = new Uint8Array(length)
  let count = 0
  return Net.createServer({ pauseOnConnect: true }, (accepted) => {
    Receive.start(accepted, direct, (socket) => {
      const look = () => {
        if (count === length) take(came, ways)
      }
      // A buffer that is sometimes large, sometimes small, and sometimes missing.
      const room = () => [undefined, came.subarray(count, count + 50_000), came.subarray(count, count + 100)][count % 3]
      socket.on("error", () => {})
      return {
        room,
        arrived: (more) => {
          ways.add("arrived")
          count += more
          look()
        },
        onData: (chunk) => {
          ways.add("onData")
          came.set(chunk, count)
          count += chunk.length
          look()
        }
      }
    })
  })
}

describe("Receive", () => {
  it("is available in this version of Node", async () => {
    assert.isTrue(await Effect.runPromise(Receive.available))
  })

  for (const direct of [true, false]) {
    it(`gives the bytes in order, ${direct ? "in the given buffers" : "by events"}, and lets the server close`, async () => {
      const sent = pattern(1, 1_000_003)
      const next = random(11)
      let accepting: Net.Server
      const [came, ways] = await new Promise<readonly [Uint8Array, ReadonlySet<string>]>((resolve) => {
        accepting = collect(direct, sent.length, (...all) => resolve(all))
        accepting.listen(0, host, () => {
          const socket = Net.connect((accepting.address() as Net.AddressInfo).port, host)
          const send = (at: number): void => {
            if (at >= sent.length) return void socket.end()
            const end = Math.min(sent.length, at + 1 + next(next(2) === 0 ? 10 : 100_000))
            socket.write(sent.subarray(at, end), () => (next(4) === 0 ? setTimeout(send, 1, end) : send(end)))
          }
          socket.setNoDelay(true)
          socket.resume()
          send(0)
        })
      })
      assert.strictEqual(Buffer.compare(came, sent), 0)
      assert.deepStrictEqual([...ways].toSorted(), direct ? ["arrived", "onData"] : ["onData"])
      // The close waits for the connections: they must count as ended.
      await new Promise<void>((resolve) => accepting.close(() => resolve()))
    })
  }
})

for (const receive of ["direct", "events"] as const) {
  describe(`a server that reads by ${receive}`, () => {
    it.live("stores the bytes of each of three clients, while a slow store makes it reuse memory", () =>
      Effect.gen(function*() {
        const next = random(5)
        const { port } = yield* SmbServer.make({
          host,
          port: 0,
          users,
          receive,
          shares: {
            data: Effect.map(MemoryStore.make(), (store) => after(store, Effect.suspend(() => Effect.sleep(next(12)))))
          }
        })
        const base = `\\\\${host}:${port}\\data`
        const clients = yield* Effect.all([
          client({ signing: "if-required" }),
          client({ signing: "required" }),
          client({ encryption: "required" })
        ])
        // Sizes that use the same size of buffers: these are reused at once.
        yield* Effect.forEach(clients, (smb, one) =>
          Effect.forEach(Array.from({ length: 12 }, (_, i) => i), (i) => {
            const length = 150_000 + 7 * i
            const path = `${base}\\${one}-${i}`
            return Effect.andThen(smb.writeFile(path, pattern(100 * one + i, length)), smb.readFile(path)).pipe(
              Effect.map((bytes) => assert.strictEqual(Buffer.compare(bytes, pattern(100 * one + i, length)), 0, path))
            )
          }, { concurrency: "unbounded" }), { concurrency: "unbounded" })
      }).pipe(Effect.scoped))

    it.live("does not reuse the memory of a disconnected client's write before the store has written it", () =>
      Effect.gen(function*() {
        const store = yield* MemoryStore.make()
        const gate = yield* Deferred.make<void>()
        let begun = 0
        let ended = 0
        const held = after(store, Effect.andThen(Effect.sync(() => begun++), Deferred.await(gate)), () => ended++)
        const until = (count: number): Effect.Effect<void> =>
          Effect.suspend(() => begun >= count ? Effect.void : Effect.andThen(Effect.sleep(5), until(count)))
        const allEnded: Effect.Effect<void> = Effect.suspend(() =>
          ended === begun ? Effect.void : Effect.andThen(Effect.sleep(5), allEnded)
        )
        const { port } = yield* SmbServer.make({
          host,
          port: 0,
          users,
          receive,
          shares: { data: Effect.succeed(held) }
        })
        const size = 200_000
        const count = 12
        const write = (smb: SmbClient.Client, first: number) =>
          Effect.forEach(
            Array.from({ length: count }, (_, i) => first + i),
            (i) => Effect.exit(smb.writeFile(`\\\\${host}:${port}\\data\\file-${i}`, pattern(i, size))),
            { concurrency: "unbounded", discard: true }
          )
        yield* Effect.scoped(Effect.flatMap(client(), (smb) => Effect.raceFirst(write(smb, 0), until(count))))
        const others = yield* client()
        yield* Effect.all([
          write(others, count),
          Effect.andThen(until(2 * count), Deferred.succeed(gate, undefined))
        ], { concurrency: "unbounded" })
        yield* allEnded
        let found = 0
        for (let i = 0; i < 2 * count; i++) {
          const exit = yield* Effect.exit(Effect.scoped(
            Effect.flatMap(
              store.open([`file-${i}`], { mode: "existing", type: "file" }),
              ({ file }) => file.read(0n, size)
            )
          ))
          // The server can have ended a write of the disconnected client; the other client's files are complete.
          if (i < count && (exit._tag === "Failure" || exit.value.length === 0)) continue
          assert(exit._tag === "Success", `file-${i}`)
          if (i < count) found++
          else assert.strictEqual(exit.value.length, size, `file-${i}`)
          assert.strictEqual(
            Buffer.compare(exit.value, pattern(i, size).subarray(0, exit.value.length)),
            0,
            `file-${i}`
          )
        }
        assert.isAbove(found, 0)
      }).pipe(Effect.scoped))

    it.live("transfers large files completely when the server's limit `unsent` is 0", () =>
      Effect.gen(function*() {
        const { port } = yield* SmbServer.make({
          host,
          port: 0,
          users,
          receive,
          limits: { unsent: 0 },
          shares: { data: MemoryStore.make() }
        })
        const smb = yield* client()
        const path = `\\\\${host}:${port}\\data\\large`
        const bytes = pattern(3, 9_000_000)
        yield* smb.writeFile(path, bytes)
        const all = yield* Effect.all(Array.from({ length: 3 }, () => smb.readFile(path)), { concurrency: "unbounded" })
        for (const one of all) assert.strictEqual(Buffer.compare(one, bytes), 0)
      }).pipe(Effect.scoped))

    it.live("ends a connection that a client closes in the middle of a frame", () =>
      Effect.gen(function*() {
        const server = yield* SmbServer.make({ host, port: 0, users, receive, shares: { data: MemoryStore.make() } })
        const connections = Effect.map(server.statistics, (all) => all.connections)
        const until = (count: number): Effect.Effect<void> =>
          Effect.flatMap(
            connections,
            (there) => there === count ? Effect.void : Effect.andThen(Effect.sleep(5), until(count))
          )
        for (const [announced, sent, how] of [[131_000, 100_000, "destroy"], [131_000, 70_000, "end"]] as const) {
          const socket = Net.connect(server.port, host)
          socket.on("error", () => {})
          const frame = new Uint8Array(4 + sent)
          FrameReader.writeHeader(frame, announced)
          socket.write(frame)
          yield* until(1)
          yield* Effect.sleep(20)
          socket[how]()
          yield* until(0)
          socket.destroy()
        }
      }).pipe(Effect.scoped, Effect.timeout("10 seconds")))
  })
}
