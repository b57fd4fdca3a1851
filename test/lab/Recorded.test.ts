/**
 * A client's run through a namespace of smbd servers, recorded, and played back when they are gone.
 *
 * With UPDATE_FIXTURES=1 the recording becomes the fixture that unit tests play back.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { RecordedTransport, TcpTransport } from "effect-smb"
import { writeFileSync } from "node:fs"
import { connect } from "node:net"
import * as Run from "../Layers/smbd.ts"
import * as Lab from "./Lab.ts"

const { addresses } = Run
const data = [{ name: "data" }]

const servers = Lab.servers({
  root: { address: addresses.root, shares: [{ name: "dfs", dfs: Run.links }] },
  one: { address: addresses.one, signing: "mandatory", shares: data },
  two: { address: addresses.two, shares: data },
  secret: { address: addresses.secret, encryption: "required", shares: data }
})

class World extends Context.Service<World, Effect.Success<typeof servers>>()("test/lab/Recorded/World") {
  static readonly layer = Layer.effect(
    World,
    Effect.tap(
      servers,
      (all) =>
        Effect.forEach(
          Run.files,
          ([server, share, path, text]) => server === "dead" ? Effect.void : all[server].write(share, path, text)
        )
    )
  )
}

const answers = (address: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host: address, port: 445 })
    socket.on("connect", () => resume(Effect.succeed(true)))
    socket.on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })("a recording of smbd", (it) => {
  it.effect("plays back when the servers are gone: failover, signatures and encryption included", () =>
    Effect.gen(function*() {
      const { one, root, secret, two } = yield* World
      const recording = yield* Effect.gen(function*() {
        // The client goes first, so that its farewells are on the recording.
        const seen = yield* Effect.provide(Run.program(one.stop), Run.client)
        assert.deepStrictEqual(seen, Run.seen)
        return yield* Effect.flatMap(RecordedTransport.Recorder, (recorder) => recorder.recording)
      }).pipe(Effect.provide(
        RecordedTransport.record(TcpTransport.layer, {
          ...(process.env.UPDATE_FIXTURES === "1" ? { seed: "smbd-dfs" } : {})
        })
      ))
      yield* Effect.all([root.stop, two.stop, secret.stop])
      for (const address of Object.values(addresses)) assert.isFalse(yield* answers(address))

      const json = RecordedTransport.toJson(recording)
      assert.notInclude(json, Lab.user.password)
      assert.notInclude(json, Buffer.from(Lab.user.password, "utf16le").toString("base64").slice(2, -4))
      const read = RecordedTransport.fromJson(json)
      assert(read._tag === "Success")
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* Effect.provide(Run.program(Effect.void), Run.client), Run.seen)
        yield* Effect.flatMap(RecordedTransport.Replay, (replay) => replay.checkComplete)
      }).pipe(Effect.provide(RecordedTransport.replay(read.success)))

      // Nothing may be missing that this is about.
      const events = RecordedTransport.events(recording)
      const requests = events.filter(({ what }) => what === "request").map(({ command, server }) =>
        `${server} ${command}`
      )
      assert.include(requests, `${addresses.root} REFERRAL`)
      assert.include(requests, `${addresses.secret} ENCRYPTED`)
      assert.isTrue(events.some(({ server, status }) => server === addresses.one && status === "Refused"))
      if (process.env.UPDATE_FIXTURES === "1") writeFileSync(Run.fixture, `${json}\n`)
    }))
})
