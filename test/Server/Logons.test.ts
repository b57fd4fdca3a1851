/**
 * Proves which sessions a logon can end, bind a connection to or continue (MS-SMB2 3.3.5.5); that guests, which share
 * one SID, are not taken for one another; and when the TREE_CONNECT of a client of SMB 3.1.1 must be signed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { Command, LeaseState, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import * as Signing from "../../src/Smb2/Signing.ts"
import { secret } from "./people.ts"
import { guidOf, RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { Client, connect, dialects, fileOf, guid, isSigned, treeOf } from "./SigningClient.ts"

const { NtStatus } = Status
const host = "127.0.43.33"

/** No user has this name: a guest. */
const eve = Credentials.password("eve", secret)
const credentials = {
  ann: Credentials.password("ann", secret),
  joe: Credentials.password("joe", secret),
  guest: eve,
  anonymous: Credentials.anonymous
} as const
type Who = keyof typeof credentials

const served = (
  use: (signing: () => Client, raw: () => RawClient) => Promise<void>,
  options: Partial<SmbServer.Options> = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ ann: secret, joe: secret }),
      shares: { data: MemoryStore.make(), sealed: { store: MemoryStore.make(), encrypt: true } },
      guest: "unknown",
      signing: "enabled",
      ...options
    })
    const clients: Array<RawClient> = []
    const keep = <A extends RawClient>(made: A): A => {
      clients.push(made)
      return made
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(() => use(() => keep(new Client(host, port)), () => keep(new RawClient(host, port))))
  }))

describe("a session that a later logon names as its PreviousSessionId", () => {
  const ends: ReadonlyArray<readonly [Who, Who, boolean]> = [
    ["ann", "ann", true],
    ["ann", "joe", false],
    ["ann", "guest", false],
    ["ann", "anonymous", false],
    ["guest", "ann", false],
    ["guest", "guest", false],
    ["anonymous", "anonymous", false],
    ["anonymous", "guest", false]
  ]
  for (const [before, after, ended] of ends) {
    it.live(`${ended ? "ends" : "goes on"} if it is ${before}'s and the logon is ${after}'s`, () =>
      served(async (_, raw) => {
        const first = raw()
        assert.isTrue(await first.logOn("data", credentials[before]))
        const second = raw()
        await second.negotiate()
        assert.strictEqual(await second.setup(credentials[after], { previousSessionId: first.sessionId }), 0)
        assert.strictEqual(
          await first.open("") instanceof Object,
          !ended
        )
      }))
  }
})

describe("a further connection of a session", () => {
  /** Ann's session, and a connection that `who` binds to it. */
  const bind = (
    name: "3.0" | "3.1.1",
    who: Who,
    status: number,
    how: {
      readonly by?: "nobody" | "joe" | "made up"
      readonly guid?: Uint8Array
      readonly dialect?: "2.1" | "3.0" | "3.1.1"
      readonly capabilities?: number
    } = {}
  ) =>
    served(async (signing) => {
      const ann = signing()
      await ann.meet(name)
      await ann.as("ann")
      const joe = signing()
      await joe.meet(name)
      await joe.as("joe")
      const channel = signing()
      await channel.meet(how.dialect ?? name, how.guid ?? guidOf(dialects[name][0]), how.capabilities)
      channel.sign = how.by === "joe" ? joe.sign : ann.sign
      const got = await channel.setup(credentials[who], {
        sessionId: ann.sessionId,
        binding: true,
        ask: (request) => {
          if (how.by === "nobody") return channel.ask(request)
          const packet = channel.signed(request)
          if (how.by === "made up") packet.fill(9, 48, 64)
          return channel.send(packet)
        }
      })
      assert.strictEqual(got, status, Status.name(got ?? 0))
      // The session itself goes on.
      assert.strictEqual(await ann.status(connect("data")), 0)
    })

  for (const name of ["3.0", "3.1.1"] as const) {
    const denied = NtStatus.STATUS_ACCESS_DENIED
    const cases: ReadonlyArray<readonly [string, Parameters<typeof bind>]> = [
      ["is bound by the session's user", [name, "ann", 0]],
      ["is not bound by another user who has the session's key", [name, "joe", denied]],
      ["is not bound by a guest", [name, "guest", NtStatus.STATUS_LOGON_FAILURE]],
      ["is not bound by an anonymous logon", [name, "anonymous", NtStatus.STATUS_LOGON_FAILURE]],
      ["is not bound without a signature", [name, "ann", NtStatus.STATUS_INVALID_PARAMETER, { by: "nobody" }]],
      ["is not bound with a signature by another session's key", [name, "ann", denied, { by: "joe" }]],
      ["is not bound with a wrong signature", [name, "ann", denied, { by: "made up" }]],
      [
        "is not bound with another ClientGuid",
        [name, "ann", NtStatus.STATUS_USER_SESSION_DELETED, { guid: new Uint8Array(16).fill(8) }]
      ]
    ]
    for (const [title, args] of cases) it.live(`${title}, in ${name}`, () => bind(...args))
  }

  // 3.3.5.5.2: a channel has the dialect, the cipher and the signing algorithm of its session.
  it.live("is not bound without the session's cipher", () =>
    bind("3.0", "ann", NtStatus.STATUS_INVALID_PARAMETER, { capabilities: 0 }))

  it.live("is not bound in another dialect, which has another signing algorithm", () =>
    Effect.andThen(
      bind("3.0", "ann", NtStatus.STATUS_NOT_SUPPORTED, { dialect: "3.1.1" }),
      bind("3.1.1", "ann", NtStatus.STATUS_REQUEST_OUT_OF_SEQUENCE, { dialect: "3.0" })
    ))

  it.live("is not bound in dialect 2.1, which has no channels", () =>
    bind("3.0", "ann", NtStatus.STATUS_REQUEST_NOT_ACCEPTED, { dialect: "2.1" }))

  it.live("is not bound to the session of a guest or of an anonymous user", () =>
    served(async (signing) => {
      for (const who of ["guest", "anonymous"] as const) {
        const first = signing()
        await first.meet("3.0")
        assert.strictEqual(await first.setup(credentials[who]), 0)
        const second = signing()
        await second.meet("3.0")
        const status = await second.setup(credentials[who], { sessionId: first.sessionId, binding: true })
        assert.strictEqual(status, NtStatus.STATUS_NOT_SUPPORTED)
      }
    }))
})

describe("a client that has a session of one dialect", () => {
  it.live("gets no session of another dialect under its ClientGuid, until the first one has ended (3.3.5.5.3)", () =>
    served(async (signing) => {
      const start = async (dialect: "2.1" | "3.0" | "3.1.1", who: Who, clientGuid = guid) => {
        const client = signing()
        await client.meet(dialect, clientGuid)
        return { client, status: await client.setup(credentials[who]) }
      }
      const first = await start("3.1.1", "ann")
      const same = await start("3.1.1", "ann")
      assert.deepStrictEqual([first.status, same.status], [0, 0])
      for (const dialect of ["2.1", "3.0"] as const) {
        assert.strictEqual((await start(dialect, "ann")).status, NtStatus.STATUS_USER_SESSION_DELETED)
        // Another client, and the client of another user who took the same ClientGuid.
        assert.strictEqual((await start(dialect, "ann", new Uint8Array(16).fill(dialect === "2.1" ? 9 : 10))).status, 0)
      }
      const other = await start("3.0", "joe")
      assert.strictEqual(other.status, 0)
      first.client.close()
      same.client.close()
      for (;;) {
        const { status } = await start("3.0", "ann")
        if (status === 0) break
        assert.strictEqual(status, NtStatus.STATUS_USER_SESSION_DELETED)
      }
    }))

  it.live("is not compared if it speaks SMB 2.0.2, which has no ClientGuid", () =>
    served(async (signing, raw) => {
      const modern = signing()
      await modern.meet("3.0", guidOf(0x0202))
      assert.strictEqual(await modern.setup(credentials.ann), 0)
      const old = raw()
      await old.negotiate(0x0202)
      assert.strictEqual(await old.setup(credentials.ann), 0)
    }))
})

describe("an anonymous session", () => {
  for (const dialect of ["2.1", "3.0", "3.1.1"] as const) {
    it.live(`has signed responses to signed requests, and refuses wrong signatures, ${dialect}`, () =>
      served(async (signing) => {
        const client = signing()
        await client.meet(dialect)
        await client.as(undefined)
        const answer = (await client.send(client.signed(connect("data"))))!
        client.treeId = treeOf(answer)
        assert.isTrue(isSigned(answer))
        assert.isTrue(Signing.verify(client.sign!, [answer], "server", answer.readUInt32LE(24), false))
        const wrong = client.signed(Requests.create("f"))
        wrong.fill(9, 48, 64)
        assert.strictEqual(statusOf(await client.send(wrong)), NtStatus.STATUS_ACCESS_DENIED)
        // No request has to be signed, not even where the server requires signatures of users.
        const unsigned = (await client.ask(Requests.create("f")))!
        assert.strictEqual(statusOf(unsigned), 0)
        assert.isFalse(isSigned(unsigned))
      }, { signing: "required" }))
  }

  const sealed = (client: Client, request: Message.Request) => {
    const packet = client.packet(Command[request._tag], Message.encodeRequest(request))
    client.frame(Buffer.concat(client.seal!([packet])))
    return client.next()
  }

  it.live("has encrypted responses to encrypted requests after a user, but no share that requires encryption", () =>
    served(async (signing) => {
      const client = signing()
      await client.meet("3.0")
      await client.as("ann")
      client.sessionId = 0n
      await client.as(undefined)
      const status = async (name: string) =>
        statusOf(Buffer.from(client.unseal!((await sealed(client, connect(name)))!)!.packet))
      assert.strictEqual(await status("data"), 0)
      assert.strictEqual(await status("sealed"), NtStatus.STATUS_ACCESS_DENIED)
    }))

  // MS-SMB2 3.3.1.7: ConstrainedConnection.
  it.live("ends a connection on which no user has logged on, by an encrypted request", () =>
    served(async (signing) => {
      const client = signing()
      await client.meet("3.0")
      await client.as(undefined)
      assert.isUndefined(await sealed(client, connect("data")))
      assert.isTrue(client.closed)
    }))
})

describe("a guest", () => {
  it.live("gets no durable open, and cannot reconnect to it", () =>
    served(async (_, raw) => {
      const how = (context: unknown) => ({
        requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
        createContexts: [context] as never
      })
      for (const who of ["guest", "anonymous"] as const) {
        const first = raw()
        assert.isTrue(await first.logOn("data", credentials[who]))
        const answer = (await first.ask(Requests.create(who, how({ _tag: "DurableHandleRequest", data: {} }))))!
        const file = fileOf(answer)
        // No response context says that the open is durable.
        assert.strictEqual(answer.readUInt32LE(64 + 84), 0)
        first.close()
        const second = raw()
        assert.isTrue(await second.logOn("data", credentials[who]))
        assert.strictEqual(
          await second.open(who, how({ _tag: "DurableHandleReconnect", fileId: file })),
          NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
        )
      }
    }))

  it.live("cannot reconnect to the durable open of a user, and another user cannot either", () =>
    served(async (_, raw) => {
      const how = (context: unknown) => ({
        requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
        createContexts: [context] as never
      })
      const ann = raw()
      assert.isTrue(await ann.logOn("data", credentials.ann))
      const file = fileOf(await ann.ask(Requests.create("a", how({ _tag: "DurableHandleRequest", data: {} }))))
      ann.close()
      for (
        const [who, status] of [
          ["guest", NtStatus.STATUS_ACCESS_DENIED],
          ["joe", NtStatus.STATUS_ACCESS_DENIED],
          ["ann", undefined]
        ] as const
      ) {
        const back = raw()
        assert.isTrue(await back.logOn("data", credentials[who]))
        const got = await back.open("a", how({ _tag: "DurableHandleReconnect", fileId: file }))
        assert.strictEqual(typeof got === "number" ? got : undefined, status, who)
      }
    }))

  it.live("cannot become a user in its unsigned session when signing is required", () =>
    served(async (_, raw) => {
      for (const who of ["guest", "anonymous"] as const) {
        const one = raw()
        assert.isTrue(await one.logOn("data", credentials[who]))
        assert.strictEqual(
          await one.setup(credentials.ann, { sessionId: one.sessionId }),
          NtStatus.STATUS_ACCESS_DENIED
        )
        assert.strictEqual(await one.open(""), NtStatus.STATUS_USER_SESSION_DELETED)
      }
    }, { signing: "required" }))

  // Connections of one client: the first one gets the break of a lease, if it is a connection of the same user.
  for (
    const [first, second, hears] of [
      ["ann", "ann", "first"],
      ["joe", "ann", "second"],
      ["guest", "guest", "second"],
      ["anonymous", "guest", "second"]
    ] as const
  ) {
    it.live(`and users share no lease breaks: the ${hears} connection gets it, with ${first}'s and ${second}'s of one ClientGuid`, () =>
      served(async (_, raw) => {
        const one = raw()
        assert.isTrue(await one.logOn("data", credentials[first]))
        const other = raw()
        assert.isTrue(await other.logOn("data", credentials[second]))
        const lease: Context.Request = {
          _tag: "RequestLease",
          leaseKey: new Uint8Array(16).fill(3),
          leaseState: LeaseState.SMB2_LEASE_READ_CACHING | LeaseState.SMB2_LEASE_HANDLE_CACHING |
            LeaseState.SMB2_LEASE_WRITE_CACHING,
          leaseFlags: 0
        }
        const how = { requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_LEASE, createContexts: [lease] }
        fileOf(await other.ask(Requests.create("leased", how)))
        const third = raw()
        assert.isTrue(await third.logOn("data", credentials.joe))
        third.say(Requests.create("leased"))
        const heard = await Promise.race([
          one.next().then((frame) => ["first", frame] as const),
          other.next().then((frame) => ["second", frame] as const)
        ])
        assert.strictEqual(heard[0], hears)
        assert.strictEqual(heard[1]?.readUInt16LE(12), Command.OPLOCK_BREAK)
      }))
  }
})

describe("TREE_CONNECT in SMB 3.1.1", () => {
  const lines: Array<string> = []
  const logger = Logger.layer([Logger.make(({ message }) => {
    lines.push(String(message))
  })])

  it.live("ends the connection and is logged if it is neither signed nor encrypted", () =>
    served(async (signing) => {
      const ann = signing()
      await ann.meet("3.1.1")
      await ann.as("ann")
      lines.length = 0
      assert.isUndefined(await ann.ask(connect("data")))
      assert.isTrue(ann.closed)
      assert.isTrue(lines.some((line) => line.includes("must be signed or encrypted")), lines.join("\n"))
    }).pipe(Effect.provide(logger)))

  it.live("is accepted signed, and unsigned from guests and in older dialects", () =>
    served(async (signing) => {
      const ann = signing()
      await ann.meet("3.1.1")
      await ann.as("ann")
      ann.treeId = treeOf(await ann.send(ann.signed(connect("data"))))
      // No other request must be signed.
      assert.strictEqual(statusOf(await ann.ask(Requests.create("a"))), 0)
      for (const who of ["guest", "anonymous"] as const) {
        const guest = signing()
        await guest.meet("3.1.1")
        assert.strictEqual(await guest.setup(credentials[who]), 0)
        assert.strictEqual(statusOf(await guest.ask(connect("data"))), 0)
      }
      for (const name of ["2.1", "3.0"] as const) {
        const older = signing()
        await older.meet(name)
        await older.as("ann")
        assert.strictEqual(statusOf(await older.ask(connect("data"))), 0)
      }
    }))
})
