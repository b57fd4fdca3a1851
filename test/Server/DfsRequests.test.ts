/**
 * Proves the parts of the server's commands that a namespace changes (MS-SMB2 3.3.5.4, 3.3.5.7, 3.3.5.9,
 * 3.3.5.15.2): what it announces, how it answers requests for referrals, and how it reads names with the DFS flag.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import { encodeReferralRequest, encodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { anyFileId } from "../../src/Smb2/Message/Common.ts"
import { Command, CreateDisposition as D, CreateOptions as O, Dialect } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.65"
const DFS = 0x1000_0000

const namespaces = { roots: { public: { links: { plans: ["\\\\127.0.43.66\\data"] } } } }

const served = (use: (client: () => RawClient) => Promise<void>, hosts = true) =>
  Effect.scoped(Effect.gen(function*() {
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({}),
      shares: { plain: MemoryStore.make() },
      ...hosts ? { namespaces } : {},
      signing: "enabled",
      guest: "anonymous"
    })
    const clients: Array<RawClient> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(() =>
      use(() => {
        const client = new RawClient(host, port)
        clients.push(client)
        return client
      })
    )
  }))

it.live("a server announces DFS in each dialect if it hosts a namespace, and marks the share of the root", () =>
  Effect.gen(function*() {
    for (const hosts of [true, false]) {
      yield* served(async (client) => {
        for (const dialect of [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0]) {
          // Capabilities are at byte 24 of the response (2.2.4); DFS is 1.
          const answer = (await client().negotiate(dialect))!
          assert.strictEqual(answer.readUInt32LE(64 + 24) & 1, hosts ? 1 : 0, `${dialect}`)
        }
        const raw = client()
        await raw.negotiate()
        await raw.setup()
        for (const share of hosts ? ["plain", "public"] : ["plain"]) {
          const path = `\\\\server\\${share}`
          const tree = (await raw.ask({ _tag: "TREE_CONNECT", body: { flags: 0, path, treeConnectContexts: [] } }))!
          // 2.2.10: Capabilities; SMB2_SHARE_CAP_DFS is 8.
          assert.strictEqual(tree.readUInt32LE(72), share === "public" ? 8 : 0)
        }
      }, hosts)
    }
  }))

it.live("a request for referrals has a referral, or a status; only an overflow has the form of a response", () =>
  served(async (client) => {
    const raw = client()
    assert.isTrue(await raw.logOn("IPC$"))
    const text = (path: string) => `\\${host}\\${path}`
    const bytes = (made: ReturnType<typeof encodeReferralRequest>) =>
      made._tag === "Success" ? made.success : assert.fail("the request cannot be encoded")
    const plain = (path: string) =>
      [
        Fsctl.FSCTL_DFS_GET_REFERRALS,
        bytes(encodeReferralRequest({ requestFileName: text(path), maxReferralLevel: 4 }))
      ] as const
    const extended = (path: string) =>
      [
        Fsctl.FSCTL_DFS_GET_REFERRALS_EX,
        bytes(encodeReferralRequestEx({ requestFileName: text(path), maxReferralLevel: 4, siteName: "Berlin" }))
      ] as const
    for (const  of of[plain, extended]) {
      const ask = async ([code, input]: ReturnType<typeof plain> | ReturnType<typeof extended>, room = 4096) => {
        const request = Requests.fsctl(anyFileId, code, input)
        assert(request._tag === "IOCTL")
        const answer = (await raw.ask({ ...request, body: { ...request.body, maxOutputResponse: room } }))!
        // StructureSize is 49 for an IOCTL response, and 9 for an ERROR response.
        const [status, structureSize] = [Status.name(statusOf(answer)!), answer.readUInt16LE(64)]
        const size = structureSize === 49 ? answer.readUInt32LE(100) : 0
        return { status, structureSize, size }
      }
      const found = await ask(of("public\\plans"))
      assert.deepInclude(found, { status: "STATUS_SUCCESS", structureSize: 49 })
      assert.isAbove(found.size, 0)
      assert.deepStrictEqual(await ask(of("public\\plans"), found.size), found)
      assert.deepStrictEqual(
        await ask(of("public\\plans"), found.size - 1),
        { status: "STATUS_BUFFER_OVERFLOW", structureSize: 49, size: 0 }
      )
      const missing = await ask(of("elsewhere\\plans"))
      assert.strictEqual(missing.structureSize, 9)
      assert.strictEqual(missing.status, "STATUS_NOT_FOUND")
    }
    // The form of a request belongs to its control.
    const [, input] = plain("public\\plans")
    const request = Requests.fsctl(anyFileId, Fsctl.FSCTL_DFS_GET_REFERRALS_EX, input)
    assert.notStrictEqual(statusOf(await raw.ask(request)), 0)
  }))

it.live("a name with the DFS flag begins with server and share, and one across a link is not covered", () =>
  served(async (client) => {
    const raw = client()
    assert.isTrue(await raw.logOn("public"))
    const create = async (name: string, flags: number, how = {}) => {
      const packet = Buffer.from(
        raw.packet(
          Command.CREATE,
          Message.encodeRequest(Requests.create(name, { createDisposition: D.FILE_OPEN, ...how }))
        )
      )
      packet.writeUInt32LE(flags, 16)
      raw.frame(packet)
      return Status.name(statusOf(await raw.next())!)
    }
    const directory = { createOptions: O.FILE_DIRECTORY_FILE }
    for (const name of ["server\\public", "SERVER\\PUBLIC\\"]) {
      assert.strictEqual(await create(name, DFS, directory), "STATUS_SUCCESS", name)
    }
    assert.strictEqual(await create("", 0, directory), "STATUS_SUCCESS")
    for (const name of ["server\\public\\plans", "server\\public\\plans\\a\\b"]) {
      assert.strictEqual(await create(name, DFS), "STATUS_PATH_NOT_COVERED", name)
    }
    for (const name of ["plans", "PLANS\\a"]) assert.strictEqual(await create(name, 0), "STATUS_PATH_NOT_COVERED", name)
    assert.strictEqual(await create("server\\public\\none", DFS), "STATUS_OBJECT_NAME_NOT_FOUND")
    // The first two parts of the name are not looked at without a root, and are removed in any case.
    const plain = client()
    assert.isTrue(await plain.logOn("plain"))
    assert.isObject(await plain.open("f"))
    const packet = (name: string, flags: number) => {
      const one = Buffer.from(
        plain.packet(Command.CREATE, Message.encodeRequest(Requests.create(name, { createDisposition: D.FILE_OPEN })))
      )
      one.writeUInt32LE(flags, 16)
      return one
    }
    for (
      const [name, flags, status] of [
        ["server\\plain\\f", DFS, "STATUS_SUCCESS"],
        ["\\x\\y\\f", DFS, "STATUS_SUCCESS"],
        ["f", 0, "STATUS_SUCCESS"],
        ["server\\plain\\f", 0, "STATUS_OBJECT_PATH_NOT_FOUND"]
      ] as const
    ) {
      plain.frame(packet(name, flags))
      assert.strictEqual(Status.name(statusOf(await plain.next())!), status, name)
    }
  }))
