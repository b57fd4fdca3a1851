/**
 * Proves what the server trusts: it refuses unsigned, wrongly signed and unencrypted requests, a changed negotiation,
 * and requests that name sessions, trees, opens or requests of another user (MS-SMB2 3.3.5.2).
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, References, Schedule } from "effect"
import { Authenticator, Credentials } from "effect-smb/Auth"
import { Codec, NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { anyFileId } from "../../src/Smb2/Message/Common.ts"
import {
  Command,
  Dialect,
  HeaderFlags,
  OplockLevel,
  SecurityMode,
  SessionSetupFlags
} from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { secret } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { capabilities, Client, connect, type dialects, fileOf, guid, isSigned, treeOf } from "./SigningClient.ts"

const { NtStatus } = Status
const host = "127.0.43.5"
const served = (
  use: (client: () => Promise<Client>, server: SmbServer.SmbServer["Service"]) => Promise<void>,
  options: Partial<SmbServer.Options> = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ ann: secret, joe: secret }),
      shares: { data: MemoryStore.make(), sealed: { store: yield* MemoryStore.make(), encrypt: true } },
      ...options
    })
    const clients: Array<Client> = []
    const client = () => {
      const made = new Client(host, server.port)
      clients.push(made)
      return Promise.resolve(made)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(() => use(client, server))
  }))

describe("a session that must be signed", () => {
  for (const name of ["2.1", "3.0", "3.1.1"] as const) {
    it.live(`refuses unsigned and wrongly signed requests with STATUS_ACCESS_DENIED in ${name}`, () =>
      served(async (client) => {
        const ann = await client()
        await ann.meet(name)
        await ann.as("ann")
        assert.strictEqual(statusOf(await ann.ask(connect("data"))), NtStatus.STATUS_ACCESS_DENIED)
        const forged = ann.signed(connect("data"))
        forged[70] = forged[70]! ^ 1
        assert.strictEqual(statusOf(await ann.send(forged)), NtStatus.STATUS_ACCESS_DENIED)
        const answer = (await ann.send(ann.signed(connect("data"))))!
        ann.treeId = treeOf(answer)
        assert.isTrue(isSigned(answer))
        const file = fileOf(await ann.send(ann.signed(Requests.create("a"))))
        for (const request of [Requests.write(file, Buffer.from("x")), Requests.close(file), Requests.flush(file)]) {
          assert.strictEqual(statusOf(await ann.ask(request)), NtStatus.STATUS_ACCESS_DENIED)
        }
        assert.strictEqual(statusOf(await ann.ask({ _tag: "LOGOFF", body: {} })), NtStatus.STATUS_ACCESS_DENIED)
        assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("x"))), 0)
        assert.strictEqual(await ann.status({ _tag: "LOGOFF", body: {} }), 0)
        assert.strictEqual(await ann.status(Requests.read(file, 1)), NtStatus.STATUS_USER_SESSION_DELETED)
      }))
  }

  it.live("logs each kind of refusal, and fewer than 100 lines for 202 refused requests", () => {
    const log: Array<Readonly<Record<string, unknown>>> = []
    const logger = Logger.make(({ fiber }) => void log.push(fiber.getRef(References.CurrentLogAnnotations)))
    return served(async (client) => {
      const ann = await client()
      await ann.meet("3.0")
      await ann.as("ann")
      assert.strictEqual(statusOf(await ann.ask(connect("data"))), NtStatus.STATUS_ACCESS_DENIED)
      const forged = ann.signed(connect("data"))
      forged[70] = forged[70]! ^ 1
      assert.strictEqual(statusOf(await ann.send(forged)), NtStatus.STATUS_ACCESS_DENIED)
      const about = { event: "unprotected", command: "TREE_CONNECT", user: "ann", address: "127.0.0.1" }
      const lines = () => log.filter(({ event }) => event === "unprotected")
      assert.deepInclude(lines()[0], { ...about, reason: "unsigned" })
      assert.deepInclude(lines()[1], { ...about, reason: "wrongly signed" })
      for (let i = 0; i < 200; i++) await ann.ask(connect("data"))
      assert.isBelow(lines().length, 100)
    }).pipe(Effect.provide(Layer.fresh(Logger.layer([logger]))))
  })

  // Two messages with one nonce reveal the secret of AES-GMAC.
  it.live("signs no response on another connection to a request with a wrong signature, or in 3.1.1 to a repeated one", () =>
    served(async (client) => {
      for (const name of ["2.1", "3.0", "3.1.1"] as const) {
        const ann = await client()
        await ann.meet(name)
        await ann.as("ann")
        const request = ann.signed(connect("data"))
        assert.strictEqual(statusOf(await ann.send(request)), 0)
        for (const [what, repeated] of [["made up", false], ["recorded", true]] as const) {
          const eve = await client()
          await eve.meet(name)
          eve.sessionId = ann.sessionId
          while (eve.messageId < request.readUInt32LE(24)) await eve.ask(Requests.echo)
          const sent = Buffer.from(request)
          if (!repeated) sent.fill(9, 48, 64)
          const answer = (await eve.send(sent))!
          assert.strictEqual(statusOf(answer), NtStatus.STATUS_USER_SESSION_DELETED)
          assert.strictEqual(isSigned(answer), repeated && name !== "3.1.1", `${what}, ${name}`)
        }
      }
    }))
})

describe("required encryption", () => {
  it.live("of a share makes the server refuse unencrypted requests, and a client of 2.1", () =>
    served(async (client) => {
      const ann = await client()
      await ann.meet("3.0")
      await ann.as("ann")
      ann.treeId = treeOf(await ann.send(ann.signed(connect("sealed"))))
      assert.strictEqual(await ann.status(Requests.create("a")), NtStatus.STATUS_ACCESS_DENIED)
      const old = await client()
      await old.meet("2.1")
      await old.as("ann")
      assert.strictEqual(await old.status(connect("sealed")), NtStatus.STATUS_ACCESS_DENIED)
    }))

  it.live("of the server makes it refuse unencrypted requests, and the logon of a client of 2.1", () =>
    served(async (client) => {
      const ann = await client()
      await ann.meet("3.0")
      await ann.as("ann")
      assert.strictEqual(await ann.status(connect("data")), NtStatus.STATUS_ACCESS_DENIED)
      const old = await client()
      await old.meet("2.1")
      assert.strictEqual(await old.setup(Credentials.password("ann", secret)), NtStatus.STATUS_ACCESS_DENIED)
    }, { encryption: "required" }))
})

it.live("FSCTL_VALIDATE_NEGOTIATE_INFO with other values than the client negotiated ends the connection", () =>
  served(async (client) => {
    const said = {
      capabilities,
      guid,
      securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
      dialects: [Dialect.SMB_3_0] as ReadonlyArray<number>
    }
    const others = [
      { ...said, capabilities: 0 },
      { ...said, guid: new Uint8Array(16) },
      { ...said, securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED },
      { ...said, dialects: [Dialect.SMB_3_0, Dialect.SMB_3_0_2] },
      { ...said, dialects: [Dialect.SMB_2_1] }
    ]
    for (const words of [said, ...others]) {
      const ann = await client()
      await ann.meet("3.0")
      await ann.as("ann")
      ann.treeId = treeOf(await ann.send(ann.signed(connect("data"))))
      const answer = await ann.send(
        ann.signed(
          Requests.fsctl(
            anyFileId,
            Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO,
            Codec.encode(Fsctl.ValidateNegotiateInfoRequest)(words)
          )
        )
      )
      assert.strictEqual(words === said, !ann.closed, JSON.stringify(words))
      assert.strictEqual(statusOf(answer), words === said ? 0 : undefined)
    }
  }))

// 3.3.5.15.12: in 3.1.1 the negotiation is protected by itself, and nothing asks for it again.
it.live("FSCTL_VALIDATE_NEGOTIATE_INFO in 3.1.1, without its fields, or without room for its response ends the connection", () =>
  served(async (client) => {
    const said = (dialect: number) =>
      Codec.encode(Fsctl.ValidateNegotiateInfoRequest)({ capabilities, guid, securityMode: 1, dialects: [dialect] })
    const cases: ReadonlyArray<readonly [keyof typeof dialects, Uint8Array, number, number | undefined]> = [
      ["3.0", said(Dialect.SMB_3_0), 24, 0],
      ["3.0", said(Dialect.SMB_3_0), 23, undefined],
      ["3.0", said(Dialect.SMB_3_0).subarray(0, -1), 24, undefined],
      ["3.0", new Uint8Array(0), 24, undefined],
      ["3.0", new Uint8Array(0), 0, undefined],
      ["3.1.1", said(Dialect.SMB_3_1_1), 24, undefined]
    ]
    for (const [name, input, room, status] of cases) {
      const ann = await client()
      await ann.meet(name)
      await ann.as("ann")
      ann.treeId = treeOf(await ann.send(ann.signed(connect("data"))))
      const request = Requests.fsctl(anyFileId, Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO, input)
      assert(request._tag === "IOCTL")
      const answer = await ann.send(ann.signed({ ...request, body: { ...request.body, maxOutputResponse: room } }))
      assert.strictEqual(statusOf(answer), status)
      assert.strictEqual(ann.closed, status === undefined)
    }
  }))

describe("a session of another user", () => {
  /** Two users of one connection, each with a tree and an open folder. */
  const both = async (ann: Client, dialect: keyof typeof dialects) => {
    await ann.meet(dialect)
    const one = async (user: string) => {
      ann.treeId = 0
      await ann.as(user)
      ann.treeId = treeOf(await ann.send(ann.signed(connect("data"))))
      const folder = fileOf(await ann.send(ann.signed(Requests.create("", Requests.directory))))
      const { seal, sessionId, sign, treeId, unseal } = ann
      return { sessionId, treeId, sign, seal, unseal, folder }
    }
    return { first: await one("ann"), second: await one("joe") }
  }

  it.live("gives no access to its opens and trees, or to itself over another connection", () =>
    served(async (client) => {
      const ann = await client()
      const { first, second } = await both(ann, "3.0")
      Object.assign(ann, { sessionId: second.sessionId, sign: second.sign, treeId: second.treeId })
      assert.strictEqual(await ann.status(Requests.list(first.folder)), NtStatus.STATUS_FILE_CLOSED)
      assert.strictEqual(await ann.status(Requests.list(second.folder)), 0)
      ann.treeId = second.treeId + 1
      assert.strictEqual(await ann.status(Requests.list(second.folder)), NtStatus.STATUS_NETWORK_NAME_DELETED)
      // Signed with the key of the other user.
      Object.assign(ann, { sessionId: first.sessionId, treeId: first.treeId })
      assert.strictEqual(await ann.status(Requests.list(first.folder)), NtStatus.STATUS_ACCESS_DENIED)
      const other = await client()
      await other.meet("3.0")
      Object.assign(other, { sessionId: first.sessionId, treeId: first.treeId, sign: first.sign })
      assert.strictEqual(await other.status(Requests.list(first.folder)), NtStatus.STATUS_USER_SESSION_DELETED)
    }))

  it.live("gets no request that is encrypted with the keys of another session", () =>
    served(async (client) => {
      const ann = await client()
      const { first, second } = await both(ann, "3.0")
      const status = async (by: typeof first, request: Message.Request) => {
        Object.assign(ann, { sessionId: first.sessionId, treeId: first.treeId })
        ann.frame(Buffer.concat(by.seal!([ann.packet(Command[request._tag], Message.encodeRequest(request))])))
        const answer = Buffer.from((await ann.next())!)
        // The refusal can come unencrypted, or encrypted with the sender's keys.
        const opened = answer.readUInt32LE(0) === 0x424d53fd ? by.unseal!(answer)?.packet : answer
        return statusOf(Buffer.from(opened!))
      }
      for (const request of [Requests.list(first.folder), Requests.create("a"), connect("data")]) {
        assert.strictEqual(await status(second, request), NtStatus.STATUS_ACCESS_DENIED, request._tag)
        assert.strictEqual(await status(first, request), 0, request._tag)
      }
      assert.strictEqual(await status(second, { _tag: "LOGOFF", body: {} }), NtStatus.STATUS_ACCESS_DENIED)
      assert.strictEqual(await status(first, Requests.create("b")), 0)
    }))

  it.live("refuses a logon to it that is encrypted with the keys of another session", () =>
    served(async (client) => {
      const ann = await client()
      const { first, second } = await both(ann, "3.0")
      const status = async (by: typeof first) => {
        const logon = await Effect.runPromise(
          Effect.scoped(Authenticator.makeNtlm().make(Credentials.password("joe", secret), { server: "server" }))
        )
        const { token } = await Effect.runPromise(logon.step(new Uint8Array(0)))
        Object.assign(ann, { sessionId: first.sessionId, treeId: 0 })
        const packet = ann.packet(
          Command.SESSION_SETUP,
          Message.encodeRequest({
            _tag: "SESSION_SETUP",
            body: {
              flags: 0,
              securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
              capabilities: 0,
              previousSessionId: 0n,
              securityBuffer: token
            }
          })
        )
        ann.frame(Buffer.concat(by.seal!([packet])))
        return statusOf(Buffer.from(by.unseal!((await ann.next())!)!.packet))
      }
      assert.strictEqual(await status(second), NtStatus.STATUS_ACCESS_DENIED)
      // With its own keys the logon goes on.
      assert.strictEqual(await status(first), NtStatus.STATUS_MORE_PROCESSING_REQUIRED)
    }))

  it.live("has no request cancelled by another session, or by an unsigned CANCEL", () =>
    served(async (client) => {
      const ann = await client()
      const { first, second } = await both(ann, "3.0")
      Object.assign(ann, first)
      const pending = (await ann.send(ann.signed(Requests.notify(first.folder))))!
      assert.strictEqual(statusOf(pending), NtStatus.STATUS_PENDING)
      const cancel = () => {
        const packet = ann.signed({ _tag: "CANCEL", body: {} })
        ann.messageId--
        packet.writeUInt32LE(HeaderFlags.SMB2_FLAGS_SIGNED | HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND, 16)
        pending.copy(packet, 24, 24, 40)
        packet.fill(0, 48, 64)
        packet.set(ann.sign!([packet], "client", packet.readUInt32LE(24), true).subarray(0, 16), 48)
        return packet
      }
      Object.assign(ann, second)
      ann.frame(cancel())
      // A CANCEL without a session does not cancel it either.
      ann.sessionId = 0n
      ann.frame(cancel())
      // Nor in the first's name under the keys of the second.
      Object.assign(ann, { sessionId: first.sessionId, treeId: first.treeId })
      ann.frame(Buffer.concat(second.seal!([cancel()])))
      Object.assign(ann, second)
      assert.strictEqual(await ann.status(Requests.list(second.folder)), 0)
      Object.assign(ann, first)
      assert.strictEqual(statusOf(await ann.send(cancel())), NtStatus.STATUS_CANCELLED)
    }))

  it.live("ends with its own connection if a further channel was lost while it was being bound", () => {
    const users = UserStore.inMemory({ ann: secret, joe: secret })
    let gate: Effect.Effect<unknown> = Effect.void
    return served(async (client, server) => {
      const until = (what: "connections" | "sessions" | "opens", count: number) =>
        Effect.runPromise(Effect.repeat(server.statistics, {
          until: (statistics) => statistics[what] === count,
          times: 300,
          schedule: Schedule.spaced("10 millis")
        }))
      const ann = await client()
      await ann.meet("3.0")
      await ann.as("ann")
      ann.treeId = treeOf(await ann.send(ann.signed(connect("data"))))
      fileOf(await ann.send(ann.signed(Requests.create("a"))))
      const channel = await client()
      await channel.meet("3.0")
      Object.assign(channel, { sessionId: ann.sessionId, sign: ann.sign })
      const logon = await Effect.runPromise(
        Effect.scoped(Authenticator.makeNtlm().make(Credentials.password("ann", secret), { server: "server" }))
      )
      const leg = async (input: Uint8Array) => {
        const { token } = await Effect.runPromise(logon.step(input))
        return channel.signed({
          _tag: "SESSION_SETUP",
          body: {
            flags: SessionSetupFlags.SMB2_SESSION_FLAG_BINDING,
            securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
            capabilities: 0,
            previousSessionId: 0n,
            securityBuffer: token
          }
        })
      }
      const first = (await channel.send(await leg(new Uint8Array(0))))!
      assert.strictEqual(statusOf(first), NtStatus.STATUS_MORE_PROCESSING_REQUIRED)
      const asked = Deferred.makeUnsafe<void>()
      const answered = Deferred.makeUnsafe<void>()
      gate = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answered))
      const at = first.readUInt16LE(68)
      channel.frame(await leg(Uint8Array.from(first.subarray(at, at + first.readUInt16LE(70)))))
      await Effect.runPromise(Deferred.await(asked))
      channel.close()
      await until("connections", 1)
      await Effect.runPromise(Deferred.succeed(answered, undefined))
      await Effect.runPromise(Effect.sleep("50 millis"))
      ann.close()
      await until("connections", 0)
      await until("opens", 0)
      await until("sessions", 0)
      assert.deepInclude(await Effect.runPromise(server.statistics), { connections: 0, sessions: 0, opens: 0 })
    }, { users: { find: (name, domain) => Effect.andThen(Effect.suspend(() => gate), users.find(name, domain)) } })
  })

  // MS-SMB2 3.3.5.6: the opens of a session end with it.
  it.live("does not get an open that was on its way when it ended", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.make()
      const asked = Deferred.makeUnsafe<void>()
      const answered = Deferred.makeUnsafe<void>()
      const slow: typeof store = {
        ...store,
        open: (path, how) =>
          path[0] !== "slow"
            ? store.open(path, how)
            : Effect.andThen(
              Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answered)),
              store.open(path, how)
            )
      }
      yield* served(async (client, server) => {
        const ann = await client()
        await ann.meet("3.0")
        await ann.as("ann")
        ann.treeId = treeOf(await ann.send(ann.signed(connect("slow"))))
        ann.frame(ann.signed(Requests.create("slow")))
        await Effect.runPromise(Deferred.await(asked))
        ann.frame(ann.signed({ _tag: "LOGOFF", body: {} }))
        await Effect.runPromise(Effect.repeat(server.statistics, {
          until: ({ sessions }) => sessions === 0,
          times: 100,
          schedule: Schedule.spaced("5 millis")
        }))
        await Effect.runPromise(Deferred.succeed(answered, undefined))
        const statuses = new Map<number, number | undefined>()
        for (let i = 0; i < 2; i++) {
          const answer = await ann.next()
          if (answer !== undefined) statuses.set(answer.readUInt16LE(12), statusOf(answer))
        }
        assert.strictEqual(statuses.get(Command.LOGOFF), 0)
        assert.strictEqual(statuses.get(Command.CREATE), NtStatus.STATUS_USER_SESSION_DELETED)
        assert.deepInclude(await Effect.runPromise(server.statistics), { opens: 0, sessions: 0 })
      }, { shares: { slow: Effect.succeed(slow) } })
    }))

  it.live("keeps a durable open for its own user only", () =>
    served(async (client) => {
      const ann = await client()
      await ann.meet("3.0")
      await ann.as("ann")
      ann.treeId = treeOf(await ann.send(ann.signed(connect("data"))))
      const file = fileOf(
        await ann.send(
          ann.signed(Requests.create("a", {
            requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
            createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
          }))
        )
      )
      ann.close()
      const back = async (user: string) => {
        const made = await client()
        await made.meet("3.0")
        await made.as(user)
        made.treeId = treeOf(await made.send(made.signed(connect("data"))))
        return made.status(Requests.create("a", {
          requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
          createContexts: [{ _tag: "DurableHandleReconnect", fileId: file }] as never
        }))
      }
      assert.strictEqual(await back("joe"), NtStatus.STATUS_ACCESS_DENIED)
      assert.strictEqual(await back("ann"), 0)
    }))
})
