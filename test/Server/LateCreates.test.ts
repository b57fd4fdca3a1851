/**
 * Proves that a CREATE that fails after the store has made the file leaves nothing: no file, and no open that the client
 * could not close (MS-SMB2 3.3.5.8, 3.3.5.9).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Latch, Redacted } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { type ShareStore, storeError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { CreateDisposition as D } from "../../src/Smb2/Message/Constants.ts"
import { Client } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.39"
const joe = Credentials.password("joe", Redacted.make("secret"))

const serve = Effect.fnUntraced(function*(store: ShareStore) {
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({ joe: Redacted.make("secret") }),
    shares: { data: Effect.succeed(store) },
    signing: "enabled"
  })
  return yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = new Client(host, port)
      assert.isTrue(await made.logOn("data", joe))
      return made
    }),
    (made) => Effect.sync(() => made.close())
  )
})

const exists = (store: ShareStore, name: string) =>
  Effect.match(store.stat([name]), { onSuccess: () => true, onFailure: () => false })

describe("a CREATE", () => {
  const dispositions = [["of a new file", "new", D.FILE_CREATE], ["of an existing file", "old", D.FILE_OPEN]] as const

  for (const [what, name, createDisposition] of dispositions) {
    it.live(`${what} is refused if its tree is disconnected before the store has opened the file`, () =>
      Effect.scoped(Effect.gen(function*() {
        const [begun, goesOn] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
        const memory = yield* MemoryStore.make()
        const client = yield* serve({
          ...memory,
          open: (path, how) =>
            path[0] === name && how.mode === (name === "new" ? "new" : "existing")
              ? Effect.tap(memory.open(path, how), () => Effect.andThen(begun.open, goesOn.await))
              : memory.open(path, how)
        })
        if (name === "old") {
          yield* Effect.scoped(memory.open(["old"], { mode: "new", type: "file" }))
        }
        yield* Effect.promise(async () => {
          const answered = client.status(Requests.create(name, { createDisposition }))
          await Effect.runPromise(begun.await)
          assert.strictEqual(await client.status({ _tag: "TREE_DISCONNECT", body: {} }), 0)
          goesOn.openUnsafe()
          assert.strictEqual(await answered, NtStatus.STATUS_NETWORK_NAME_DELETED)
        })
        assert.strictEqual(yield* exists(memory, name), name === "old")
      })))
  }

  it.live("of a stream that cannot be made leaves no file for it either", () =>
    Effect.scoped(Effect.gen(function*() {
      const memory = yield* MemoryStore.make()
      const client = yield* serve({
        ...memory,
        open: (path, how) =>
          how.stream !== undefined && how.mode === "new" ? Effect.fail(storeError("Full")) : memory.open(path, how)
      })
      const status = yield* Effect.promise(() => client.status(Requests.create("f:s")))
      assert.strictEqual(status, NtStatus.STATUS_DISK_FULL)
      assert.isFalse(yield* exists(memory, "f"))
    })))
})
