/** `serve http` over smbd: listings, parts of files, names with any character, and what the server refuses. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, References } from "effect"
import { Smb, SmbClient, UncPath } from "effect-smb"
import { listen } from "../../src/Cli/ServeHttp.ts"
import * as Lab from "./Lab.ts"

const address = "127.0.52.1"

it.live("a share of smbd is shown in a browser", () =>
  Effect.gen(function*() {
    yield* Lab.server({ address, shares: [{ name: "data" }] })
    const context = yield* Layer.build(
      Smb.layer({ user: Lab.user.name, password: Redacted.make(Lab.user.password) })
    )
    const smb = Context.get(context, SmbClient.SmbClient).withNames("mapped")
    const base = yield* Effect.fromResult(UncPath.parseInShare(`//${address}/data`))
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31 + (index >> 9)) & 0xff)
    yield* smb.makeDirectory({ ...base, path: "folder" })
    yield* smb.writeFile({ ...base, path: "film.mp4" }, bytes)
    yield* smb.writeFile({ ...base, path: "a:b <i> ü?.txt" }, "text")
    const { port } = yield* listen(base, {
      host: address,
      port: 0,
      connections: 10,
      allowedNames: [],
      json: false
    }).pipe(Effect.provide(context), Effect.provideService(References.MinimumLogLevel, "Error"))
    const get = (path: string, headers: Record<string, string> = {}) =>
      Effect.promise(async () => {
        const response = await fetch(`http://${address}:${port}${path}`, { headers })
        return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) }
      })

    const page = String((yield* get("/")).body)
    assert.include(page, "<a href=\"./folder/\">folder/</a>")
    assert.include(page, ">a:b &lt;i&gt; ü?.txt</a>")
    assert.strictEqual(String((yield* get("/a%3Ab%20%3Ci%3E%20%C3%BC%3F.txt")).body), "text")
    assert.isTrue((yield* get("/film.mp4")).body.equals(bytes))
    const part = yield* get("/film.mp4", { range: "bytes=1048570-2097160" })
    assert.deepStrictEqual([part.status, part.headers.get("content-range")], [206, "bytes 1048570-2097160/3000000"])
    assert.isTrue(part.body.equals(bytes.subarray(1_048_570, 2_097_161)))
    assert.match(String((yield* get("/folder")).body), /This folder is empty/)
    assert.strictEqual((yield* get("/none")).status, 404)
  }))
