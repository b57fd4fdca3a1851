/**
 * Proves who can connect to a share, and with which rights (MS-SMB2 3.3.5.7).
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, SubscriptionRef } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Access from "../../src/Server/internal/State/Access.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import { Client, descriptor, link, type Name, rename, secret, sids } from "./people.ts"
import * as Requests from "./requests.ts"

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

const change = 0x1301bf

describe("the security descriptor of a share", () => {
  it.live("decides who can connect, and gives each user their MaximalAccess", () =>
    Effect.gen(function*() {
      const clientOf = yield* serve({
        mixed: {
          store: MemoryStore.make(),
          // The owner and administrators have no rights to the files but those of the list.
          security: `O:${sids.ann}D:(D;;0x2;;;${sids.joe})(A;;0x1301bf;;;${sids.joe})(A;;FR;;;BA)`
        },
        fixed: { store: MemoryStore.make(), readOnly: true, security: "D:(A;;FA;;;AU)" },
        everyone: { store: MemoryStore.make(), security: "D:NO_ACCESS_CONTROL" },
        nobody: { store: MemoryStore.make(), security: "D:" },
        files: { store: MemoryStore.make(), security: descriptor(sids.ann, { joe: A.GENERIC_READ }) }
      })
      const [ann, joe, root, guest] = yield* Effect.all((["ann", "joe", "root", undefined] as const).map(clientOf))
      const refused = { status: STATUS_ACCESS_DENIED, maximalAccess: 0 }
      const given = (maximalAccess: number) => ({ status: 0, maximalAccess })
      for (
        const [client, share, expected] of [
          [ann!, "mixed", refused],
          [joe!, "mixed", given(change & ~0x2)],
          [root!, "mixed", given(Access.generic.read)],
          [guest!, "mixed", refused],
          [ann!, "fixed", given(Access.readOnlyAccess)],
          [guest!, "fixed", refused],
          [guest!, "everyone", given(Access.generic.all)],
          [root!, "nobody", refused],
          [joe!, "files", given(Access.generic.read)],
          [ann!, "files", refused],
          [guest!, "open", given(Access.generic.all)]
        ] as const
      ) assert.deepStrictEqual(yield* connect(client, share), expected, share)
    }).pipe(Effect.scoped))

  it.live("limits the rights of each open, and what a user can make, rename, link and replace", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const clientOf = yield* serve({
        all: store,
        read: { store, security: "D:(A;;FRFX;;;AU)" },
        // To read, and to add files.
        few: { store, security: "D:(A;;0x12008b;;;AU)" },
        // All rights except to delete.
        add: { store, security: "D:(A;;0x1e01bf;;;AU)" }
      })
      const joe = yield* clientOf("joe")
      const statusOf = (name: string, how: Parameters<typeof joe.open>[1]) =>
        Effect.promise(async () => {
          const opened = await joe.open(name, how)
          if (typeof opened === "number") return opened
          await joe.status(Requests.close(opened))
          return 0
        })
      const { FILE_CREATE, FILE_OPEN, FILE_OVERWRITE, FILE_SUPERSEDE } = D
      assert.strictEqual((yield* connect(joe, "all")).status, 0)
      for (const name of ["a", "b"]) assert.strictEqual(yield* statusOf(name, { createDisposition: FILE_CREATE }), 0)

      assert.strictEqual((yield* connect(joe, "read")).status, 0)
      const createOptions = CreateOptions.FILE_DELETE_ON_CLOSE
      for (
        const [expected, name, how] of [
          [0, "a", { createDisposition: FILE_OPEN, desiredAccess: A.FILE_READ_DATA }],
          [0, "a", { createDisposition: FILE_OPEN }],
          [STATUS_ACCESS_DENIED, "a", { createDisposition: FILE_OPEN, desiredAccess: A.FILE_WRITE_DATA }],
          [STATUS_ACCESS_DENIED, "a", { createDisposition: FILE_OPEN, desiredAccess: A.WRITE_DAC }],
          [STATUS_ACCESS_DENIED, "a", { createDisposition: FILE_OVERWRITE, desiredAccess: A.FILE_READ_DATA }],
          [STATUS_ACCESS_DENIED, "a", { createDisposition: FILE_SUPERSEDE, desiredAccess: A.FILE_READ_DATA }],
          [STATUS_ACCESS_DENIED, "a", { createDisposition: FILE_OPEN, createOptions }],
          [STATUS_ACCESS_DENIED, "new", { createDisposition: FILE_CREATE, desiredAccess: A.FILE_READ_DATA }],
          [STATUS_ACCESS_DENIED, "new", { createDisposition: FILE_CREATE, createOptions: 1 }],
          [STATUS_ACCESS_DENIED, "a:new", { createDisposition: FILE_CREATE, desiredAccess: A.FILE_READ_DATA }]
        ] as const
      ) assert.strictEqual(yield* statusOf(name, how), expected, `${name} ${JSON.stringify(how)}`)
      // A link needs no right of its open.
      const reader = yield* Effect.promise(() => joe.must("a", { createDisposition: FILE_OPEN }))
      assert.strictEqual(yield* Effect.promise(() => joe.status(link(reader, "linked"))), STATUS_ACCESS_DENIED)

      // A link changes the file as well: the user needs FILE_WRITE_ATTRIBUTES from the share.
      assert.strictEqual((yield* connect(joe, "few")).status, 0)
      const few = yield* Effect.promise(() => joe.must("a", { createDisposition: FILE_OPEN }))
      assert.strictEqual(yield* Effect.promise(() => joe.status(link(few, "linked"))), STATUS_ACCESS_DENIED)

      assert.strictEqual((yield* connect(joe, "add")).status, 0)
      const made = yield* Effect.promise(() => joe.must("c", { createDisposition: FILE_CREATE }))
      assert.strictEqual(yield* Effect.promise(() => joe.status(link(made, "b", true))), STATUS_ACCESS_DENIED)
      assert.strictEqual(yield* Effect.promise(() => joe.status(link(made, "d"))), 0)
      assert.strictEqual(yield* Effect.promise(() => joe.status(rename(made, "e"))), STATUS_ACCESS_DENIED)
      for (const desiredAccess of [A.DELETE | A.FILE_READ_DATA, A.MAXIMUM_ALLOWED]) {
        const how = { createDisposition: FILE_CREATE, createOptions, desiredAccess }
        assert.strictEqual(yield* statusOf("f", how), STATUS_ACCESS_DENIED)
      }
      const writable = { createDisposition: FILE_CREATE, desiredAccess: A.FILE_WRITE_DATA }
      assert.strictEqual(yield* statusOf("f", writable), 0)
    }).pipe(Effect.scoped))

  it.live("can change while the server runs, for later connections to the share", () =>
    Effect.gen(function*() {
      const security = yield* SubscriptionRef.make(descriptor(sids.ann, { joe: Access.generic.read }))
      const clientOf = yield* serve({ some: { store: MemoryStore.make(), security } })
      const joe = yield* clientOf("joe")
      assert.strictEqual((yield* connect(joe, "some")).maximalAccess, Access.generic.read)
      yield* SubscriptionRef.set(security, descriptor(sids.ann, { ann: Access.generic.all }))
      assert.strictEqual((yield* connect(joe, "some")).status, STATUS_ACCESS_DENIED)
    }).pipe(Effect.scoped))

  it.live("must be a text with a DACL: otherwise the server does not start", () =>
    Effect.gen(function*() {
      for (
        const [security, expected] of [["D:(A;;FA;;;DA)", /share some: SDDL .* byte 11/], ["O:BA", /no DACL/]] as const
      ) {
        const exit = yield* Effect.exit(serve({ some: { store: MemoryStore.make(), security } }))
        assert.isTrue(Exit.hasDies(exit))
        assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", expected)
      }
    }).pipe(Effect.scoped))
})
