/**
 * Proves what a session allows at its borders: a logon to an existing session, requests in the order of a connection, a
 * compound after a failed CREATE, names of shares, and requests that wait when their session ends (MS-SMB2 3.3.5.2,
 * 3.3.5.5, 3.3.5.7).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { anyFileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, Dialect } from "../../src/Smb2/Message/Constants.ts"
import { HANDLE, lease, LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import { secret } from "./people.ts"
import { RawClient, responses, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { Client, connect, treeOf } from "./SigningClient.ts"

const { NtStatus } = Status
const host = "127.0.43.38"
const ann = Credentials.password("ann", secret)
const joe = Credentials.password("joe", secret)
const stranger = Credentials.password("eve", secret)

const served = (
  use: (port: number, keep: <C extends RawClient>(client: C) => C) => Promise<void>,
  options: Partial<SmbServer.Options> = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const store = yield* MemoryStore.make()
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ ann: secret, joe: secret }),
      shares: { data: { store }, fixed: { store, readOnly: true }, closed: { store, guest: false } },
      guest: "unknown",
      signing: "enabled",
      ...options
    })
    const clients: Array<RawClient> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(() =>
      use(port, (client) => {
        clients.push(client)
        return client
      })
    )
  }))

describe("a logon to an existing session", () => {
  type How = "signed" | "unsigned" | "wrongly signed"
  const again = (client: Client, credential: Credentials.Credential, how: How) =>
    client.setup(credential, {
      sessionId: client.sessionId,
      ask: (request) => {
        if (how === "unsigned") return client.ask(request)
        const packet = client.signed(request)
        if (how === "wrongly signed") packet.fill(9, 48, 64)
        return client.send(packet)
      }
    })

  for (const dialect of ["2.1", "3.0", "3.1.1"] as const) {
    for (const signing of ["enabled", "required"] as const) {
      const cases: ReadonlyArray<readonly [How, number]> = [
        ["signed", 0],
        ["unsigned", signing === "required" ? NtStatus.STATUS_ACCESS_DENIED : 0],
        ["wrongly signed", NtStatus.STATUS_ACCESS_DENIED]
      ]
      for (const [how, status] of cases) {
        it.live(`has the status of its signature: ${how}, ${signing}, ${dialect}`, () =>
          served(async (port, keep) => {
            const client = keep(new Client(host, port))
            await client.meet(dialect)
            await client.as("ann")
            client.treeId = treeOf(await client.send(client.signed(connect("data"))))
            assert.strictEqual(await again(client, joe, how), status)
            // The session, its keys and its trees go on.
            assert.strictEqual(await client.status(Requests.create("f")), 0)
          }, { signing }))
      }
    }
  }

  it.live("that fails ends the session, and no guest takes it over", () =>
    served(async (port, keep) => {
      for (const credential of [stranger, Credentials.password("ann", Redacted.make("wrong"))]) {
        const client = keep(new Client(host, port))
        await client.meet("3.0")
        await client.as("ann")
        client.treeId = treeOf(await client.send(client.signed(connect("data"))))
        assert.strictEqual(await again(client, credential, "signed"), NtStatus.STATUS_LOGON_FAILURE)
        assert.strictEqual(await client.status(Requests.create("f")), NtStatus.STATUS_USER_SESSION_DELETED)
        assert.strictEqual(await again(client, ann, "signed"), NtStatus.STATUS_USER_SESSION_DELETED)
      }
    }))

  it.live("that does not exist, or belongs to another connection, is refused", () =>
    served(async (port, keep) => {
      const [first, second] = [keep(new RawClient(host, port)), keep(new RawClient(host, port))]
      assert.isTrue(await first.logOn("data", ann))
      await second.negotiate()
      for (const sessionId of [first.sessionId, 12_345n]) {
        assert.strictEqual(await second.setup(ann, { sessionId }), NtStatus.STATUS_USER_SESSION_DELETED)
      }
      assert.strictEqual(statusOf(await first.ask(Requests.create("f"))), 0)
    }))
})

describe("a channel", () => {
  const begin = async (client: Client) => {
    await client.meet("3.0")
    await client.as("ann")
    client.treeId = treeOf(await client.send(client.signed(connect("data"))))
  }
  const binding = (channel: Client, session: Client) => {
    channel.sign = session.sign
    return {
      sessionId: session.sessionId,
      binding: true,
      ask: (request: Parameters<Client["signed"]>[0]) => channel.send(channel.signed(request))
    }
  }

  it.live("has its own key, keeps the session when the first connection ends, and ends it by LOGOFF", () =>
    served(async (port, keep) => {
      const [first, channel] = [keep(new Client(host, port)), keep(new Client(host, port))]
      await begin(first)
      await channel.meet("3.0")
      await channel.as("ann", binding(channel, first))
      channel.treeId = first.treeId
      assert.strictEqual(await channel.status(Requests.create("f")), 0)
      // The key of the first connection is not the key of this one.
      const own = channel.sign
      channel.sign = first.sign
      assert.strictEqual(await channel.status(Requests.create("f")), NtStatus.STATUS_ACCESS_DENIED)
      channel.sign = own
      first.close()
      for (const name of ["f", "g"]) assert.strictEqual(await channel.status(Requests.create(name)), 0)
      assert.strictEqual(await channel.status({ _tag: "LOGOFF", body: {} }), 0)
      assert.strictEqual(await channel.status(Requests.create("f")), NtStatus.STATUS_USER_SESSION_DELETED)
    }))

  it.live("counts as a connection of its user, as the first one does, until it ends", () =>
    served(async (port, keep) => {
      const first = keep(new Client(host, port))
      await begin(first)
      const bind = async () => {
        const channel = keep(new Client(host, port))
        await channel.meet("3.0")
        return { channel, status: await channel.setup(ann, binding(channel, first)) }
      }
      const { channel, status } = await bind()
      assert.strictEqual(status, 0)
      // Neither a further channel nor a session of the same user has room now.
      assert.strictEqual((await bind()).status, NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
      const other = keep(new Client(host, port))
      await other.meet("3.0")
      assert.strictEqual(await other.setup(ann), NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
      channel.close()
      for (let tries = 0; tries < 1000; tries++) {
        if ((await bind()).status === 0) return
      }
      assert.fail("the place of the channel that ended was not given back")
    }, { limits: { userConnections: 2 } }))

  it.live("is refused to a connection that is one already, to a missing session, and beyond 32", () =>
    served(async (port, keep) => {
      const first = keep(new Client(host, port))
      await begin(first)
      assert.strictEqual(
        await first.setup(ann, binding(first, first)),
        NtStatus.STATUS_REQUEST_NOT_ACCEPTED
      )
      const missing = keep(new Client(host, port))
      await missing.meet("3.0")
      assert.strictEqual(
        await missing.setup(ann, { ...binding(missing, first), sessionId: 12_345n }),
        NtStatus.STATUS_USER_SESSION_DELETED
      )
      for (let count = 2; count <= 33; count++) {
        const channel = keep(new Client(host, port))
        await channel.meet("3.0")
        assert.strictEqual(
          await channel.setup(ann, binding(channel, first)),
          count <= 32 ? 0 : NtStatus.STATUS_INSUFFICIENT_RESOURCES,
          `${count}`
        )
      }
      assert.strictEqual(await first.status(Requests.create("f")), 0)
    }))
})

describe("the response to a logon", () => {
  it.live("says whether the user is a guest or anonymous, and whether the session is encrypted (2.2.6)", () =>
    Effect.forEach(
      [
        [ann, "enabled", 0],
        [stranger, "enabled", 1],
        [Credentials.anonymous, "enabled", 2],
        [ann, "required", 4]
      ] as const,
      ([credential, encryption, flags]) =>
        served(async (port, keep) => {
          const client = keep(new Client(host, port))
          await client.meet("3.0")
          let last: Buffer | undefined
          const status = await client.setup(credential, {
            ask: async (request) => {
              last = await client.ask(request)
              return last
            }
          })
          assert.strictEqual(status, 0)
          assert.strictEqual(last!.readUInt16LE(66), flags)
        }, { encryption })
    ))
})

describe("a connection", () => {
  it.live("ends with any other command before the dialect is negotiated, also after the wildcard dialect", () =>
    served(async (port, keep) => {
      const wildcard = Buffer.concat([Buffer.alloc(35), Buffer.from("\x02SMB 2.???\0", "latin1")])
      wildcard.write("\xffSMB\x72", 0, "latin1")
      wildcard.writeUInt16LE(wildcard.length - 35, 33)
      for (const isMultiProtocol of [false, true]) {
        for (const request of [Requests.echo, connect("data"), { _tag: "LOGOFF", body: {} } as const]) {
          const client = keep(new RawClient(host, port))
          if (isMultiProtocol) {
            client.frame(wildcard)
            assert.isDefined(await client.next())
            client.messageId = 1
          }
          client.say(request)
          while (!client.closed) await client.next()
        }
        const client = keep(new RawClient(host, port))
        if (isMultiProtocol) {
          client.frame(wildcard)
          assert.isDefined(await client.next())
          client.messageId = 1
        }
        assert.notStrictEqual(await client.setup(ann).catch(() => undefined), 0)
      }
    }))
})

describe("a compound of related requests", () => {
  const statuses = async (client: RawClient, requests: Parameters<RawClient["sayRelated"]>[0]) => {
    client.sayRelated(requests)
    return responses((await client.next())!).map((one) => Status.name(statusOf(one)!))
  }
  const missing = Requests.create("none", { createDisposition: D.FILE_OPEN })
  const query = Requests.query(anyFileId, "file", "FileStandardInformation")
  const notFound = "STATUS_OBJECT_NAME_NOT_FOUND"
  const success = "STATUS_SUCCESS"

  it.live("gives the requests after a failed CREATE its status, until the next CREATE succeeds", () =>
    served(async (port, keep) => {
      const client = keep(new RawClient(host, port))
      assert.isTrue(await client.logOn("data", ann))
      const make = Requests.create("f")
      const close = Requests.close(anyFileId)
      assert.deepStrictEqual(await statuses(client, [missing, query, close]), [notFound, notFound, notFound])
      assert.deepStrictEqual(await statuses(client, [make, query, close]), [success, success, success])
      // The file of the first CREATE is not the file of the requests after the second one.
      assert.deepStrictEqual(
        await statuses(client, [make, missing, query, close]),
        [success, notFound, notFound, notFound]
      )
      assert.deepStrictEqual(
        await statuses(client, [missing, query, make, query, close]),
        [notFound, notFound, success, success, success]
      )
      // A request without a file runs.
      assert.deepStrictEqual(await statuses(client, [missing, Requests.echo, query]), [notFound, success, notFound])
      // A failed request does not take the file from the next ones, and a closed file is closed.
      assert.deepStrictEqual(
        await statuses(client, [make, Requests.set(anyFileId, "file", 200, Buffer.alloc(8)), query, close, query]),
        [success, "STATUS_INVALID_INFO_CLASS", success, success, "STATUS_FILE_CLOSED"]
      )
      // A named FileId does not help after a failed CREATE either.
      const file = await client.open("f")
      assert(typeof file !== "number")
      assert.deepStrictEqual(
        await statuses(client, [missing, Requests.query(file, "file", "FileStandardInformation")]),
        [notFound, notFound]
      )
      assert.strictEqual(statusOf(await client.ask(Requests.close(file))), 0)
    }))

  it.live("is refused if its first request is related, or the request before has no session", () =>
    served(async (port, keep) => {
      const client = keep(new RawClient(host, port))
      assert.isTrue(await client.logOn("data", ann))
      const related = client.packet(13, Uint8Array.of(4, 0, 0, 0))
      new DataView(related.buffer).setUint32(16, 4, true)
      client.frame(related)
      assert.strictEqual(statusOf(await client.next()), NtStatus.STATUS_INVALID_PARAMETER)
      const { sessionId } = client
      client.sessionId = 77n
      assert.deepStrictEqual(
        await statuses(client, [Requests.create("f"), query, query]),
        ["STATUS_USER_SESSION_DELETED", "STATUS_INVALID_PARAMETER", "STATUS_INVALID_PARAMETER"]
      )
      client.sessionId = sessionId
      // A request without a tree fails, and the next ones with it.
      const { treeId } = client
      client.treeId = treeId + 9
      assert.deepStrictEqual(
        await statuses(client, [Requests.create("f"), query]),
        ["STATUS_NETWORK_NAME_DELETED", "STATUS_NETWORK_NAME_DELETED"]
      )
    }))
})

describe("TREE_CONNECT", () => {
  const all = 0x001f_01ff
  it.live("reaches a share by any spelling of its name, and no other path", () =>
    served(async (port, keep) => {
      const client = keep(new RawClient(host, port))
      assert.isTrue(await client.logOn("data", ann))
      const fieldsOf = async (path: string) => {
        const answer = (await client.ask({ _tag: "TREE_CONNECT", body: { flags: 0, path, treeConnectContexts: [] } }))!
        return statusOf(answer) === 0
          ? { type: answer[66], capabilities: answer.readUInt32LE(72), access: answer.readUInt32LE(76) }
          : Status.name(statusOf(answer)!)
      }
      const disk = { type: 1, capabilities: 0, access: all }
      const pipes = { type: 2, capabilities: 0, access: all }
      for (const path of ["\\\\server\\data", "\\\\x\\DATA", "\\\\server\\data\0rest"]) {
        assert.deepStrictEqual(await fieldsOf(path), disk, path)
      }
      for (const path of ["\\\\server\\IPC$", "\\\\server\\ipc$"]) assert.deepStrictEqual(await fieldsOf(path), pipes)
      const readOnly = A.FILE_READ_DATA | A.FILE_READ_EA | A.FILE_READ_ATTRIBUTES | A.FILE_EXECUTE | A.READ_CONTROL |
        A.SYNCHRONIZE
      assert.deepStrictEqual(await fieldsOf("\\\\server\\fixed"), { ...disk, access: readOnly })
      for (
        const path of [
          "",
          "data",
          "\\data",
          "\\server\\data",
          "x\\\\server\\data",
          "\\\\server",
          "\\\\server\\",
          "\\\\\\data",
          "\\\\server\\data\\",
          "\\\\server\\data\\f",
          "\\\\server\\none"
        ]
      ) {
        assert.strictEqual(await fieldsOf(path), "STATUS_BAD_NETWORK_NAME", path)
      }
    }))

  it.live("is refused at the limit of trees, until one is disconnected", () =>
    served(async (port, keep) => {
      const client = keep(new RawClient(host, port))
      await client.negotiate()
      assert.strictEqual(await client.setup(ann), 0)
      for (const status of [0, 0, NtStatus.STATUS_INSUFFICIENT_RESOURCES]) {
        assert.strictEqual(await client.connect("data"), status)
      }
      assert.strictEqual(statusOf(await client.ask({ _tag: "TREE_DISCONNECT", body: {} })), 0)
      assert.strictEqual(await client.connect("data"), 0)
    }, { limits: { trees: 2 } }))

  it.live("of a guest is refused by a share without guests", () =>
    served(async (port, keep) => {
      const client = keep(new RawClient(host, port))
      await client.negotiate()
      assert.strictEqual(await client.setup(stranger), 0)
      assert.strictEqual(await client.connect("closed"), NtStatus.STATUS_ACCESS_DENIED)
      for (const share of ["data", "IPC$"]) assert.strictEqual(await client.connect(share), 0)
      const user = keep(new RawClient(host, port))
      await user.negotiate()
      assert.strictEqual(await user.setup(ann), 0)
      assert.strictEqual(await user.connect("closed"), 0)
    }))
})

describe("a session that ends", () => {
  it.live("cancels its requests that wait for another client, and the requests of other sessions go on", () =>
    served(async (port, keep) => {
      const holder = keep(new LeaseClient(host, port, 1))
      assert.isTrue(await holder.begin("data", ann))
      const held = await holder.create("f", [lease(1, READ | WRITE | HANDLE)])
      assert.strictEqual(held.leaseState, READ | WRITE | HANDLE)
      const waiting = keep(new RawClient(host, port))
      assert.isTrue(await waiting.logOn("data", joe))
      const other = keep(new RawClient(host, port))
      assert.isTrue(await other.logOn("data", joe))
      for (const client of [waiting, other]) {
        assert.strictEqual(
          statusOf(await client.ask(Requests.create("f", { desiredAccess: A.FILE_READ_DATA }))),
          NtStatus.STATUS_PENDING
        )
      }
      const told = (await holder.nextBreak())!
      const next = keep(new RawClient(host, port))
      await next.negotiate(Dialect.SMB_2_1)
      assert.strictEqual(await next.setup(joe, { previousSessionId: waiting.sessionId }), 0)
      assert.strictEqual(statusOf(await waiting.next()), NtStatus.STATUS_CANCELLED)
      assert.strictEqual(
        statusOf(await waiting.ask(Requests.create("g"))),
        NtStatus.STATUS_USER_SESSION_DELETED
      )
      assert.deepStrictEqual(other.frames, [])
      assert.strictEqual(await holder.acknowledge(told), 0)
      assert.strictEqual(statusOf(await other.next()), 0)
    }))
})
