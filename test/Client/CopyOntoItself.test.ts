/**
 * A copy whose target is another name of its source: nothing changes. Over the own server, which has share modes. And how a copy
 * opens its source, over a server in memory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { client, server } from "../Cli/served.ts"

describe("copy", () => {
  it.live("onto a hard link of its source fails and keeps the content, and an open source can be copied", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const { port } = yield* server({ shares: { data: store, same: store } })
      yield* Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const at = (share: string, name: string) => `//127.0.0.1:${port}/${share}/${name}`
        yield* smb.writeFile(at("data", "f"), "precious")
        yield* smb.makeHardLink(at("data", "f"), at("data", "g"))
        const result = yield* Effect.result(smb.copy(at("data", "f"), at("data", "g")))
        assert.strictEqual(result._tag, "Failure")
        assert.strictEqual(yield* smb.readFileString(at("data", "f")), "precious")
        // A file that another program writes to can be copied.
        const open = yield* smb.open(at("data", "f"), OpenMode.append)
        yield* smb.copy(at("data", "f"), at("data", "other"))
        // That program shares the file with everybody, but the copy does not share its target with writers.
        for (const share of ["data", "same"]) {
          const onto = yield* Effect.result(smb.copy(at("data", "f"), at(share, "g")))
          assert.strictEqual(onto._tag, "Failure")
        }
        assert.strictEqual(yield* smb.readFileString(at("data", "f")), "precious")
        yield* open.close
        assert.strictEqual(yield* smb.readFileString(at("data", "other")), "precious")
      }).pipe(Effect.scoped, Effect.provide(client()))
    }).pipe(Effect.scoped))
})

describe("the source of a copy", () => {
  const refusing = (status: "STATUS_ACCESS_DENIED" | "STATUS_SHARING_VIOLATION") =>
    Effect.provide(
      SmbClient.layer().pipe(
        Layer.provideMerge(TestTransport.layerFiles({ data: { f: "text" } }, {
          faults: [{
            when: ({ request }) => request._tag === "CREATE" && request.body.name === "f",
            times: 1,
            is: { status }
          }]
        })),
        Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
      )
    )
  const opens = Effect.flatMap(
    TestTransport.TestServers,
    ({ requests }) =>
      Effect.map(requests, (all) => all.filter(({ request }) => request._tag === "CREATE" && request.body.name === "f"))
  )
  const copy = Effect.flatMap(SmbClient.SmbClient, (smb) => Effect.result(smb.copy("//nas/data/f", "//nas/data/g")))

  it.effect("is opened again, shared with writers, if another program has it open", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* copy)._tag, "Success")
      const [first, second] = (yield* opens).map(({ request }) =>
        request._tag === "CREATE" ? request.body.shareAccess : undefined
      )
      // FILE_SHARE_WRITE (MS-SMB2 2.2.13)
      assert.deepStrictEqual([first! & 2, second! & 2], [0, 2])
    }).pipe(refusing("STATUS_SHARING_VIOLATION")))

  it.effect("is asked for once if the server refuses it for another reason", () =>
    Effect.gen(function*() {
      const result = yield* copy
      assert.deepInclude(result, { _tag: "Failure" })
      assert.lengthOf(yield* opens, 1)
    }).pipe(refusing("STATUS_ACCESS_DENIED")))
})
