/**
 * Proves who can connect to a share, and with which rights (MS-SMB2 3.3.5.7).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { Client, type Name, secret, sids } from "./people.ts"

const { STATUS_ACCESS_DENIED } = Status.NtStatus

const host = "127.0.28.75"

const serve = (shares: Record<string, SmbServer.Share>) =>
  Effect.map(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({
        ann: { password: secret, sid: sids.ann },
        joe: { password: secret, sid: sids.joe },
        root: { password: secret, sid: sids.root, administrator: true }
      }),
      shares: { open: MemoryStore.make(), ...shares },
      signing: "enabled",
      guest: "anonymous"
    }),
    ({ port }) => (user: Name | undefined) =>
      Effect.acquireRelease(
        Effect.promise(async () => {
          const made = new Client(host, port)
          const logon = user === undefined ? undefined : Credentials.password(user, secret)
          assert.isTrue(await made.logOn("open", logon))
          return made
        }),
        (made) => Effect.sync(() => made.close())
      )
  )

/** The status of a TREE_CONNECT, or the MaximalAccess of its response. */
const connect = (client: Client, share: string): Effect.Effect<{ status: number; maximalAccess: number }> =>
  Effect.promise(async () => {
    const path = `\\\\${host}\\${share}`
    const response = (await client.ask({ _tag: "TREE_CONNECT", body: { flags: 0, path, treeConnectContexts: [] } }))!
    const status = response.readUInt32LE(8)
    if (status !== 0) return { status, maximalAccess: 0 }
    client.treeId = response.readUInt32LE(36)
    return { status, maximalAccess: response.readUInt32LE(64 + 12) }
  })

describe("a share for administrators", () => {
  it.live("refuses other users and guests with STATUS_ACCESS_DENIED", () =>
    Effect.gen(function*() {
      const clientOf = yield* serve({ ADMIN$: { store: MemoryStore.make(), administrators: true, guest: true } })
      const statusOf = (user: Name | undefined) =>
        Effect.flatMap(clientOf(user), (client) => Effect.map(connect(client, "admin$"), ({ status }) => status))
      assert.strictEqual(yield* statusOf("root"), 0)
      assert.strictEqual(yield* statusOf("joe"), STATUS_ACCESS_DENIED)
      assert.strictEqual(yield* statusOf(undefined), STATUS_ACCESS_DENIED)
    }).pipe(Effect.scoped))
})
