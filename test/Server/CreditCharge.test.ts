/**
 * CreditCharge (MS-SMB2 3.3.5.2.5): what a request sends or asks for is paid for, one credit for each 64 KiB of the larger of
 * both; more is refused with STATUS_INVALID_PARAMETER.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { Command, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.9"

const served = (use: (client: RawClient) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* SmbServer.make({
      host,
      port: 0,
      shares: { data: MemoryStore.make() },
      signing: "enabled",
      guest: "anonymous",
      users: UserStore.inMemory({})
    })
    const client = new RawClient(host, server.port)
    yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
    yield* Effect.promise(() => use(client))
  }))

/** Sends a request with this CreditCharge, and gives its status; an interim response is cancelled. */
const status = async (client: RawClient, request: Message.Request, charge: number): Promise<number | undefined> => {
  const packet = Buffer.from(client.packet(Command[request._tag], Message.encodeRequest(request), 256))
  packet.writeUInt16LE(charge, 6)
  client.messageId += Math.max(charge, 1) - 1
  client.frame(packet)
  return statusOf(await client.next())
}

const unit = 65_536

interface Case {
  readonly name: string
  readonly request: (file: FileId, folder: FileId, size: number) => Message.Request
  /** The status when it is paid for. */
  readonly paid: number
}

const cases: ReadonlyArray<Case> = [
  { name: "READ", request: (file, _, size) => Requests.read(file, size), paid: 0 },
  { name: "WRITE", request: (file, _, size) => Requests.write(file, new Uint8Array(size)), paid: 0 },
  {
    name: "QUERY_DIRECTORY",
    request: (_, folder, size) => {
      const request = Requests.list(folder)
      return { ...request, body: { ...request.body, outputBufferLength: size } } as Message.Request
    },
    paid: 0
  },
  {
    name: "QUERY_INFO",
    request: (file, _, size) => {
      const request = Requests.query(file, "file", "FileAllInformation")
      return { ...request, body: { ...request.body, outputBufferLength: size } } as Message.Request
    },
    paid: 0
  },
  {
    name: "CHANGE_NOTIFY",
    request: (_, folder, size) => Requests.notify(folder, size),
    paid: NtStatus.STATUS_PENDING
  },
  {
    name: "IOCTL",
    request: (file, _, size) => {
      const request = Requests.fsctl(file, Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, new Uint8Array(0))
      return { ...request, body: { ...request.body, maxOutputResponse: size } } as Message.Request
    },
    paid: 0
  }
]

describe("a request of more bytes than its CreditCharge pays for", () => {
  it.live.each(cases)("$name", ({ paid, request }) =>
    served(async (client) => {
      assert.isTrue(await client.logOn("data"))
      // Credits for what follows.
      await status(client, Requests.echo, 1)
      const file = await client.open("f")
      const folder = await client.open("d", { createOptions: CreateOptions.FILE_DIRECTORY_FILE })
      assert(typeof file === "object" && typeof folder === "object")
      assert.strictEqual(await status(client, Requests.write(file, new Uint8Array(3 * unit)), 3), 0)
      for (
        const [size, charge, expected] of [
          [unit, 0, paid],
          [unit, 1, paid],
          [unit + 1, 0, NtStatus.STATUS_INVALID_PARAMETER],
          [unit + 1, 1, NtStatus.STATUS_INVALID_PARAMETER],
          [unit + 1, 2, paid],
          [2 * unit, 2, paid],
          [2 * unit + 1, 2, NtStatus.STATUS_INVALID_PARAMETER],
          [2 * unit + 1, 3, paid]
        ] as const
      ) {
        assert.strictEqual(await status(client, request(file, folder, size), charge), expected, `${size} for ${charge}`)
      }
    }))
})

it.live("a response grants the credits that were asked for, and at least those that its request used (3.3.1.2)", () =>
  served(async (client) => {
    await client.negotiate()
    for (
      const [charge, asked, granted] of [[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1], [1, 7, 7], [5, 2, 5], [3, 3, 3]]
    ) {
      const packet = Buffer.from(client.packet(Command.ECHO, Message.encodeRequest(Requests.echo), asked))
      packet.writeUInt16LE(charge!, 6)
      client.messageId += Math.max(charge!, 1) - 1
      client.frame(packet)
      const answer = (await client.next())!
      assert.strictEqual(statusOf(answer), 0)
      assert.deepStrictEqual([answer.readUInt16LE(6), answer.readUInt16LE(14)], [charge, granted])
    }
  }))
