/**
 * The client compares names of shares by Windows' own table of capitals. JavaScript gives `İst` and `i̇st` (with
 * U+0307) one lower case, but Windows tells them apart: the client must not use the tree of one for the other.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"

const capital = "\u0130st"
const composed = "i\u0307st"

it.effect("the client connects two trees for two shares whose names are equal in JavaScript's lower case only", () =>
  Effect.gen(function*() {
    assert.strictEqual(capital.toLowerCase(), composed.toLowerCase())
    const smb = yield* SmbClient.SmbClient
    assert.strictEqual(yield* smb.readFileString(`\\\\nas\\${capital}\\f`), "of the capital")
    assert.strictEqual(yield* smb.readFileString(`\\\\nas\\${composed}\\f`), "of the small letter")
    assert.strictEqual(yield* smb.readFileString(`\\\\NAS\\${capital}\\f`), "of the capital")
    const sent = yield* (yield* TestTransport.TestServers).requests
    const paths = sent.flatMap(({ request }) => request._tag === "TREE_CONNECT" ? [request.body.path] : [])
    assert.deepStrictEqual(paths, [`\\\\nas\\${capital}`, `\\\\nas\\${composed}`])
  }).pipe(
    Effect.provide(
      SmbClient.layer().pipe(
        Layer.provideMerge(TestTransport.layerFiles({
          [capital]: { f: "of the capital" },
          [composed]: { f: "of the small letter" }
        })),
        Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
      )
    )
  ))
