/** The checks of accounts and permissions at the own server, over loopback, and a server that tells no names. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as Served from "../Cli/served.ts"
import * as Suite from "./permissionsSuite.ts"

const place = Effect.gen(function*() {
  const { port } = yield* Served.server({ name: "NAS" })
  const smb = Context.get(yield* Layer.build(Served.client({ port })), SmbClient.SmbClient)
  return { smb, share: `//127.0.0.1:${port}/data`, user: "joe", other: "ann", domain: "NAS" } satisfies Suite.Place
})

it.live("accounts have names and SIDs at the own server", () => Effect.scoped(Effect.flatMap(place, Suite.accounts)))

it.live("permissions are shown and changed at the own server", () =>
  Effect.scoped(Effect.flatMap(place, Suite.permissions)))

it.effect("a server without pipes gives the SIDs as they are, and no SID for a name", () =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const sids = ["S-1-5-21-1-2-3-1000", "S-1-5-18"]
    assert.deepStrictEqual((yield* smb.lookupSids("//nas/data", sids)).map(({ name }) => name), [sids[0], "SYSTEM"])
    const error = yield* Effect.flip(smb.lookupNames("//nas/data", ["ann"]))
    assert.strictEqual(error._tag, "SmbError")
  }).pipe(Effect.provide(
    SmbClient.layer().pipe(
      Layer.provide(TestTransport.layerFiles({ data: {} })),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )))
