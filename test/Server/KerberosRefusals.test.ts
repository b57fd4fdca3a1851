/**
 * Proves what the server counts when a client's Kerberos proof is refused and the logon goes on with the reason (RFC
 * 4120 5.9.1): scripted Kerberos keys refuse each proof.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { AuthenticationError, type KerberosKeys, Spnego } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { RawClient, statusOf } from "./RawClient.ts"

const { NtStatus } = Status
const host = "127.0.43.62"

const refused = new AuthenticationError.AuthenticationError({
  reason: { _tag: "LogonRejected" },
  detail: "the clock of the client is wrong",
  mechanism: "Kerberos"
})

const keys: KerberosKeys.KerberosKeys = {
  begin: () => ({
    step: () => Effect.succeed({ token: Uint8Array.of(1, 2, 3), proven: undefined, refused }),
    sign: () => Effect.fail(refused),
    verify: () => Effect.fail(refused),
    release: () => {}
  })
}

const token = Spnego.encode({
  _tag: "NegTokenInit",
  mechTypes: [Spnego.Mechanism.kerberos],
  mechToken: Uint8Array.of(0x60, 1, 2, 3),
  mechListMic: undefined
})

it.live("a refused Kerberos proof counts as a failed logon, and the connection ends at the limit `logonAttempts`", () =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      kerberos: keys,
      limits: { logonAttempts: 3 },
      shares: { data: MemoryStore.make() }
    })
    const client = new RawClient(host, server.port)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    const begin = () => {
      client.sessionId = 0n
      return client.ask({
        _tag: "SESSION_SETUP",
        body: { flags: 0, securityMode: 1, capabilities: 0, previousSessionId: 0n, securityBuffer: token }
      })
    }
    yield* Effect.promise(async () => {
      await client.negotiate()
      for (let i = 1; i <= 2; i++) {
        assert.strictEqual(statusOf(await begin()), NtStatus.STATUS_MORE_PROCESSING_REQUIRED)
        assert.isFalse(client.closed)
      }
      await begin()
      while (!client.closed) await client.next()
    })
    assert.strictEqual((yield* server.statistics).refused.logons, 3)
  })))
