/**
 * Large reads and writes as many requests in flight, over a server in memory: many run at the same time, the last of
 * them count too, and no buffer is used again while a request still has it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport, Transport } from "effect-smb"
import { TestClock } from "effect/testing"

const base = "\\\\nas\\data"
const big = `${base}\\big.bin`
const chunk = 65536
const content = Uint8Array.from({ length: chunk * 100 + 5 }, (_, i) => (i * 7 + (i >> 8) + (i >> 16) * 11) & 0xff)

const provide = <R>(servers: Layer.Layer<Transport.Transport | R>) =>
  Effect.provide(
    SmbClient.layer().pipe(
      Layer.provideMerge(servers),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )

const servers = (...faults: ReadonlyArray<TestTransport.Fault>) =>
  TestTransport.layerFiles({ data: { "big.bin": content } }, { faults, maximumTransfer: chunk })

/** Lets all running work continue, without virtual time passing. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
})

/** Calls `use` some turns of the event loop after `before`. */
const after = async (before: Promise<void>, use: () => void): Promise<void> => {
  await before
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  use()
}

/** Fills the buffers that it gets with all of `content`. */
const filling = () => {
  let at = 0
  return (buffer: Uint8Array) =>
    Effect.sync(() => {
      const part = content.subarray(at, at + buffer.length)
      buffer.set(part)
      at += part.length
      return part.length
    })
}

type Run = (smb: SmbClient.Client) => Effect.Effect<unknown, { readonly _tag: string }>

const readers: ReadonlyArray<{ readonly name: string; readonly run: Run }> = [
  { name: "readFile", run: (smb) => smb.readFile(big) },
  { name: "stream", run: (smb) => Stream.runDrain(smb.stream(big)) },
  { name: "readTo", run: (smb) => smb.readTo(big, () => Effect.void) }
]

const writers: ReadonlyArray<{ readonly name: string; readonly run: Run }> = [
  { name: "writeFile", run: (smb) => smb.writeFile(`${base}\\n`, content) },
  { name: "sink", run: (smb) => Stream.run(Stream.make(content), smb.sink(`${base}\\n`)) },
  { name: "writeFrom", run: (smb) => smb.writeFrom(`${base}\\n`, filling()) }
]

describe("requests in flight", () => {
  for (const [command, cases] of [["READ", readers], ["WRITE", writers]] as const) {
    it.effect.each(cases)(
      "are at least 8 and fewer than 101 at once: $name",
      ({ name, run }) =>
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          const { commands } = yield* TestTransport.TestServers
          const fiber = yield* Effect.forkChild(run(smb))
          yield* settle
          const before = (yield* commands).filter((name) => name === command).length
          assert.isAtLeast(before, 8)
          assert.isBelow(before, 101)
          yield* TestClock.adjust("1 hour")
          yield* Fiber.join(fiber)
        }).pipe(
          provide(servers(TestTransport.fault(command, { delay: "10 seconds" }, { skip: name === "readFile" ? 1 : 0 })))
        )
    )
  }

  it.effect.each(writers)(
    "fail the whole operation when the last of them fails late: $name",
    ({ run }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const { commands } = yield* TestTransport.TestServers
        const fiber = yield* Effect.forkChild(Effect.flip(run(smb)))
        while ((yield* commands).filter((name) => name === "WRITE").length < 101) yield* settle
        yield* TestClock.adjust("10 seconds")
        const error = yield* Fiber.join(fiber)
        assert.deepInclude(error as object, { _tag: "SmbError", statusName: "STATUS_DISK_FULL", command: "WRITE" })
      }).pipe(provide(servers(
        TestTransport.fault("WRITE", { status: "STATUS_DISK_FULL", delay: "5 seconds" }, { skip: 100 })
      )))
  )

  it.effect("keep their bytes while the transport has not sent them", () => {
    // Passes the chunks on much later, as a full socket does.
    let delayed = 0
    const slow = Layer.effectContext(
      Effect.map(Layer.build(servers()), (context) => {
        const { connect } = Context.get(context, Transport.Transport)
        return Context.add(
          context,
          Transport.Transport,
          Transport.Transport.of({
            connect: (endpoint, handlers) =>
              Effect.map(connect(endpoint, handlers), (duplex) => {
                let last = Promise.resolve()
                return {
                  close: duplex.close,
                  send: (chunks, onSent) => {
                    delayed++
                    last = after(last, () => duplex.send(chunks, onSent))
                  }
                }
              })
          })
        )
      })
    )
    return Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const { read } = yield* TestTransport.TestServers
      for (const { run } of writers) {
        yield* run(smb)
        assert.isTrue(Buffer.from((yield* read("nas", "data", "n"))!).equals(content))
      }
      assert.isAbove(delayed, 300)
    }).pipe(provide(slow))
  })

  it.effect("do not write into the buffer of a caller that was interrupted", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(big)
      const buffer = new Uint8Array(chunk)
      const fiber = yield* Effect.forkChild(file.readInto(0, buffer))
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.isTrue(buffer.every((byte) => byte === 0))
      assert.strictEqual((yield* smb.stat(big)).size, BigInt(content.length))
    }).pipe(
      Effect.scoped,
      provide(servers(TestTransport.fault("READ", { delay: "5 seconds", uncancellable: true })))
    ))
})

describe("a rename", () => {
  it.effect("to the same host at another port fails with AcrossShares, and keeps the file", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.rename(big, "\\\\nas:4450\\data\\n"))
      assert(error._tag === "PathError" && error.reason._tag === "AcrossShares")
      const file = yield* smb.open(big, OpenMode.read)
      assert.strictEqual(file.opened.endOfFile, BigInt(content.length))
    }).pipe(Effect.scoped, provide(servers())))
})
