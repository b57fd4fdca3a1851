/**
 * Proves the lock sequences that this client sends (MS-SMB2 3.2.4.19, 3.2.4.21, 3.2.5.14): by the LOCK requests on the
 * wire to a server, and against a model of the array that a server keeps (3.3.5.14).
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Credentials, OpenMode, SmbClient, type SmbFile, TcpTransport } from "effect-smb"
import { Codec } from "effect-smb/Codec"
import { RecordedTransport } from "effect-smb/Testing"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import * as LockSequences from "../../src/Smb2/LockSequences.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as Lock from "../../src/Smb2/Message/Lock.ts"
import type { Smb2Dialect } from "../../src/Smb2/Settings.ts"
import { random } from "../random.ts"

const host = "127.0.38.22"
const secret = Redacted.make("secret")
const BATCH = 9

/** The index and number of each LOCK request that `use` makes the client send. */
const sent = (
  dialect: Smb2Dialect,
  options: Parameters<SmbClient.Client["open"]>[1],
  use: (file: SmbFile) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: secret }),
      shares: { data: MemoryStore.make() }
    })
    const services = yield* Layer.build(
      SmbClient.layer({ dialects: [dialect], reconnect: "never" }).pipe(
        Layer.provideMerge(RecordedTransport.layerRecord(TcpTransport.layer())),
        Layer.provide(Credentials.layer(Credentials.password("joe", secret)))
      )
    )
    const smb = Context.get(services, SmbClient.SmbClient)
    const file = yield* smb.open(`\\\\${host}:${port}\\data\\f`, options)
    yield* use(file)
    const { entries } = yield* Context.get(services, RecordedTransport.Recorder).recording
    return entries.flatMap((entry) => {
      if (entry.what !== "client") return []
      const packet = Buffer.from(entry.bytes).subarray(4)
      if (packet.readUInt32BE(0) !== 0xfe53_4d42 || packet.readUInt16LE(12) !== Command.LOCK) return []
      const decoded = Codec.decode("LOCK", Codec.at(Header.size, Lock.Request))(packet)
      if (decoded._tag === "Failure") throw decoded.failure
      const { lockSequenceIndex, lockSequenceNumber } = decoded.success.lockSequence
      return [[lockSequenceIndex, lockSequenceNumber] as const]
    })
  }).pipe(Effect.scoped)

const lockOnce = (file: SmbFile) => Effect.scoped(file.lock([{ offset: 0, length: 1 }], { wait: false }))

const resilient = (file: SmbFile) =>
  file.run({
    _tag: "Ioctl",
    ctlCode: Fsctl.FSCTL_LMR_REQUEST_RESILIENCY,
    input: Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0),
    maximum: 0
  })

describe("the LOCK requests of this client", () => {
  const durable = { ...OpenMode.readWrite, oplockLevel: BATCH, durable: { timeout: 0 } }
  const cases = [
    ["have sequences on a durable open of 2.1", "2.1", durable, true],
    ["have sequences on a durable open of 3.1.1", "3.1.1", durable, true],
    ["have none on a durable open of 2.0.2", "2.0.2", durable, false],
    ["have none on an open that the server did not make durable", "3.1.1", { ...durable, oplockLevel: 0 }, false],
    ["have none on another open", "3.1.1", OpenMode.readWrite, false]
  ] as const
  it.live.each(cases)("%s", ([, dialect, options, expected]) =>
    Effect.gen(function*() {
      const twice = (file: SmbFile) => Effect.andThen(lockOnce(file), lockOnce(file))
      const sequences = yield* sent(dialect, options, twice)
      assert.deepStrictEqual(
        sequences,
        expected ? [[1, 0], [1, 1], [1, 2], [1, 3]] : Array.from({ length: 4 }, () => [0, 0])
      )
    }))

  it.live("have sequences once the open is resilient, also after a refused LOCK", () =>
    Effect.gen(function*() {
      const sequences = yield* sent("3.1.1", OpenMode.readWrite, (file) =>
        Effect.gen(function*() {
          yield* lockOnce(file)
          yield* resilient(file)
          yield* lockOnce(file)
          // The open has the range already: the second lock of it is refused.
          yield* Effect.scoped(Effect.andThen(
            file.lock([{ offset: 0, length: 1 }], { wait: false }),
            Effect.flip(file.run({ _tag: "Lock", ranges: [{ offset: 0n, length: 1n }], exclusive: true, wait: false }))
          ))
        }))
      assert.deepStrictEqual(sequences, [[0, 0], [0, 0], [1, 0], [1, 1], [1, 2], [1, 3], [1, 4]])
    }))
})

describe("LockSequences", () => {
  it("gives no two requests the same place as long as the server can remember the first one", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const below = random(seed * 7919)
      const sequences = new LockSequences.LockSequences()
      /** The number of the last request of each index that the server has completed (3.3.5.14). */
      const array = new Map<number, number>()
      const under: Array<LockSequences.LockSequence> = []
      let kept = 0
      for (let step = 0; step < 2000; step++) {
        if (below(2) === 0) {
          const place = sequences.take()
          const { lockSequenceIndex: index, lockSequenceNumber: number } = place
          if (index === 0) {
            assert.strictEqual(under.length + kept, 64)
            continue
          }
          assert.isTrue(index >= 1 && index <= 64 && number >= 0 && number <= 15)
          assert.isFalse(under.some((other) => other.lockSequenceIndex === index))
          assert.notStrictEqual(array.get(index), number, "the server takes it for the request before")
          under.push(place)
        } else if (under.length > 0) {
          const [place] = under.splice(below(under.length), 1)
          const { lockSequenceIndex: index, lockSequenceNumber: number } = place!
          // A success is remembered; any other request makes the server forget the number of its index.
          if (below(3) > 0) array.set(index, number)
          else array.delete(index)
          // The response of some is lost.
          if (below(50) === 0) kept++
          else sequences.answered(place!)
        }
      }
    }
  })
})
