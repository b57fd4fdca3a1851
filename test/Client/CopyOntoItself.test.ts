/** A copy whose target is another name of its source: nothing changes. Over the own server, which has share modes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SmbClient } from "effect-smb"
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
