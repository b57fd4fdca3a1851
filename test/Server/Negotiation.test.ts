/** Proves that the server announces capabilities only to clients that announce them too (MS-SMB2 3.3.5.4). */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Capabilities, Dialect, SecurityMode } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient } from "./RawClient.ts"

const host = "127.0.28.15"

const both = Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING | Capabilities.SMB2_GLOBAL_CAP_MULTI_CHANNEL

// impacket 0.10 fails for every file of a share's root if the server announces directory leases unasked.
it.live("a server announces directory leases and channels only to clients of 3.0 that announce them", () =>
  Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      shares: { data: MemoryStore.make() }
    })
    const allCapabilities = Object.values(Capabilities).reduce((all, one) => all | one, 0)
    const capabilities = (dialect: number, asked: number) =>
      Effect.promise(async () => {
        const raw = new RawClient(host, port)
        const answer = await raw.ask({
          _tag: "NEGOTIATE",
          body: {
            securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
            capabilities: asked,
            clientGuid: new Uint8Array(16).fill(7),
            dialects: [dialect],
            negotiateContexts: []
          }
        })
        raw.close()
        const decoded = Codec.decode("NEGOTIATE", Codec.at(Header.size, Message.messages.NEGOTIATE.response))(answer!)
        assert(decoded._tag === "Success")
        return decoded.success.capabilities & both
      })
    for (const dialect of [Dialect.SMB_3_0, Dialect.SMB_3_0_2]) {
      assert.strictEqual(yield* capabilities(dialect, Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION), 0)
      assert.strictEqual(
        yield* capabilities(dialect, Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING),
        Capabilities.SMB2_GLOBAL_CAP_DIRECTORY_LEASING
      )
      assert.strictEqual(yield* capabilities(dialect, allCapabilities), both)
    }
    assert.strictEqual(yield* capabilities(Dialect.SMB_2_1, allCapabilities), 0)
  }).pipe(Effect.scoped))
