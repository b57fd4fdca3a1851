/**
 * Proves that recordings of a client's runs through namespaces of smbd play back after the servers have stopped, and
 * hold no secret. With UPDATE_FIXTURES=1 the recordings become the fixtures that unit tests play back.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Result } from "effect"
import { RecordedTransport, TcpTransport } from "effect-smb"
import { connect } from "node:net"
import * as NtlmCrypto from "../../src/Auth/NtlmCrypto.ts"
import * as Run from "../Testing/smbd.ts"
import * as Lab from "./Lab.ts"

const { addresses } = Run
const data = [{ name: "data" }]

const servers = Lab.servers({
  root: { address: addresses.root, shares: [{ name: "dfs", dfs: Run.links }] },
  one: { address: addresses.one, signing: "mandatory", shares: [...data, { name: "dfs", dfs: Run.further }] },
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
  it.effect("plays back after the servers have stopped, and contains failover, signatures and encryption but no password", () =>
    Effect.gen(function*() {
      const { one, root, secret, two } = yield* World
      const recordings: Array<readonly [Run.Run, RecordedTransport.Recording]> = []
      for (const run of Run.runs) recordings.push([run, yield* Run.record(run, TcpTransport.layer(), one.stop)])
      yield* Effect.all([root.stop, two.stop, secret.stop])
      for (const address of Object.values(addresses)) assert.isFalse(yield* answers(address))

      const hash = NtlmCrypto.ntHash(Lab.user.password)
      for (const [run, recording] of recordings) {
        yield* Run.replay(run, Result.getOrThrow(RecordedTransport.fromJson(RecordedTransport.toJson(recording))))
        const bytes = Buffer.concat(
          recording.entries.map((entry) => "bytes" in entry ? entry.bytes : new Uint8Array(0))
        )
        assert.isAbove(bytes.length, 5000)
        for (const secret of [Lab.user.password, Buffer.from(Lab.user.password, "utf16le"), hash] as const) {
          assert.isFalse(bytes.includes(Buffer.from(secret)))
        }
      }

      // The recordings must have the requests that this test is about.
      const events = recordings.flatMap(([, recording]) => RecordedTransport.events(recording))
      const requests = events.flatMap(({ command, server, what }) => what === "request" ? [`${server} ${command}`] : [])
      assert.include(requests, `${addresses.root} REFERRAL`)
      assert.include(requests, `${addresses.root} REFERRAL_EX`)
      assert.include(requests, `${addresses.secret} ENCRYPTED`)
      assert.isTrue(events.some(({ server, status }) => server === addresses.one && status === "ConnectionRefused"))
    }))
})
