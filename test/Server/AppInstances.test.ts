/**
 * Proves which opens of an application instance are closed when the application opens its file by another client, and
 * which versions decide (MS-SMB2 2.2.13.2.13, 2.2.13.2.15, 3.3.5.9.13), by clients of the dialects 2.1, 3.0 and 3.1.1.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context as Services, Effect, Layer } from "effect"
import { Credentials, OpenMode, SmbClient, type SmbFile, TcpTransport } from "effect-smb"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Access from "../../src/Server/internal/State/Access.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { AccessMask as A, CreateDisposition, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { random } from "../random.ts"
import { createRequest, durable, key } from "./LeaseClient.ts"
import { descriptor, encode, secret, sids } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { Client, connect, fileOf, treeOf } from "./SigningClient.ts"

const { NtStatus } = Status
const host = "127.0.38.21"
const BATCH = 9

type Dialect = "2.1" | "3.0" | "3.1.1"
type Open = ReturnType<typeof fileOf>

const instance = (id: number): Context.Request => ({ _tag: "AppInstanceId", appInstanceId: key(id) })

const version = (high: bigint, low: bigint): Context.Request => ({
  _tag: "AppInstanceVersion",
  appInstanceVersionHigh: high,
  appInstanceVersionLow: low
})

/** A user's client on a share, by its ClientGuid. */
class Application extends Client {
  async begin(dialect: Dialect, guid: number, user = "ann", share = "data"): Promise<this> {
    await this.meet(dialect, key(guid))
    await this.as(user)
    this.treeId = treeOf(await this.send(this.signed(connect(share))))
    return this
  }

  /** The final response. */
  async final(request: Message.Request): Promise<Buffer | undefined> {
    const answer = await this.send(this.signed(request))
    return statusOf(answer) === NtStatus.STATUS_PENDING ? this.next(10_000) : answer
  }

  /** Default: the open shares nothing. */
  create(contexts: ReadonlyArray<Context.Request>, how: Partial<Create.Request> = {}): Promise<Buffer | undefined> {
    return this.final(createRequest("f", contexts, { shareAccess: 0, ...how }))
  }

  async must(contexts: ReadonlyArray<Context.Request>, how: Partial<Create.Request> = {}): Promise<Open> {
    return fileOf(await this.create(contexts, how))
  }

  async stays(open: Open): Promise<boolean> {
    const status = await this.status(Requests.write(open, Buffer.from("text")))
    if (status !== 0) assert.strictEqual(status, NtStatus.STATUS_FILE_CLOSED)
    return status === 0
  }
}

type Start = (dialect: Dialect, guid: number, user?: string, share?: string) => Promise<Application>

const served = (use: (start: Start) => Promise<void>) =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const store = yield* MemoryStore.make()
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ ann: { password: secret, sid: sids.ann }, joe: { password: secret, sid: sids.joe } }),
      shares: { data: { store }, other: { store } }
    })
    const clients: Array<Application> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((one) => one.close())))
    yield* Effect.promise(() =>
      use((dialect, guid, user, share) => {
        const client = new Application(host, port)
        clients.push(client)
        return client.begin(dialect, guid, user, share)
      })
    )
  })))

describe("an open of the same application instance by another client", () => {
  const { STATUS_FILE_FORCED_CLOSED: FORCED_CLOSED, STATUS_SHARING_VIOLATION: VIOLATION } = NtStatus
  type Half = readonly [Dialect, ...ReadonlyArray<Context.Request>]
  // The first CREATE, the second one, the status of the second one, and whether the first open stays.
  const cases: ReadonlyArray<readonly [string, Half, Half, number, boolean]> = [
    ["is closed without versions", ["3.0", instance(1)], ["3.0", instance(1)], 0, false],
    ["is closed in dialect 3.1.1 too", ["3.1.1", instance(1)], ["3.1.1", instance(1)], 0, false],
    ["stays if the identifiers differ", ["3.0", instance(1)], ["3.0", instance(2)], VIOLATION, true],
    ["stays if the second CREATE names none", ["3.0", instance(1)], ["3.0"], VIOLATION, true],
    ["stays if the first CREATE named none", ["3.0"], ["3.0", instance(1)], VIOLATION, true],
    ["stays if the second dialect has no instances", ["3.0", instance(1)], ["2.1", instance(1)], VIOLATION, true],
    ["stays if the first dialect has no instances", ["2.1", instance(1)], ["3.0", instance(1)], VIOLATION, true],
    ...([
      ["a greater high part", [1n, 9n], [2n, 0n], true],
      ["a greater low part", [1n, 1n], [1n, 2n], true],
      ["the greatest version", [(1n << 64n) - 1n, 0n], [(1n << 64n) - 1n, (1n << 64n) - 1n], true],
      ["the same version", [1n, 1n], [1n, 1n], false],
      ["the version 0 again", [0n, 0n], [0n, 0n], false],
      ["a lower high part", [2n, 0n], [1n, 9n], false],
      ["a lower low part", [1n, 2n], [1n, 1n], false]
    ] as const).map(([what, first, second, closed]): readonly [string, Half, Half, number, boolean] => [
      `${closed ? "is closed" : "stays"} with ${what}`,
      ["3.1.1", instance(1), version(first[0], first[1])],
      ["3.1.1", instance(1), version(second[0], second[1])],
      closed ? 0 : FORCED_CLOSED,
      !closed
    ]),
    [
      "stays if only it has a version",
      ["3.1.1", instance(1), version(1n, 0n)],
      ["3.1.1", instance(1)],
      FORCED_CLOSED,
      true
    ],
    ["is closed if only the second has one", ["3.1.1", instance(1)], ["3.1.1", instance(1), version(0n, 0n)], 0, false],
    [
      "stays if the second dialect has no versions",
      ["3.1.1", instance(1), version(1n, 0n)],
      ["3.0", instance(1), version(2n, 0n)],
      FORCED_CLOSED,
      true
    ],
    [
      "is closed if its own dialect had no versions",
      ["3.0", instance(1), version(9n, 0n)],
      ["3.1.1", instance(1), version(1n, 0n)],
      0,
      false
    ],
    ["stays if a version comes alone", ["3.1.1", instance(1)], ["3.1.1", version(1n, 0n)], VIOLATION, true]
  ]
  it.each(cases)(
    "%s",
    (_, [firstDialect, ...first], [secondDialect, ...second], status, stays) =>
      served(async (start) => {
        const [one, two] = [await start(firstDialect, 1), await start(secondDialect, 2)]
        const open = await one.must(first)
        assert.strictEqual(statusOf(await two.create(second)), status)
        assert.strictEqual(await one.stays(open), stays)
      })
  )

  it("stays for the same client, another share, and another name", () =>
    served(async (start) => {
      const one = await start("3.0", 1)
      const open = await one.must([instance(1)])
      const [same, elsewhere, two] = [
        await start("3.0", 1),
        await start("3.0", 2, "ann", "other"),
        await start("3.0", 2)
      ]
      assert.strictEqual(statusOf(await same.create([instance(1)])), VIOLATION)
      assert.strictEqual(statusOf(await elsewhere.create([instance(1)])), VIOLATION)
      assert.strictEqual(statusOf(await two.create([instance(1)], { name: "g" })), 0)
      assert.strictEqual(statusOf(await two.create([instance(1)], { name: "f:s", shareAccess: 7 })), 0)
      assert.isTrue(await one.stays(open))
    }))

  it("stays if the user cannot read the file, and if the CREATE is refused for its rights", () =>
    served(async (start) => {
      const [one, two] = [await start("3.0", 1), await start("3.0", 2, "joe")]
      const file = await one.must([instance(1)], { desiredAccess: A.FILE_WRITE_DATA | A.WRITE_DAC })
      const give = async (rights: number) => {
        const given = encode(descriptor(sids.ann, { ann: Access.generic.all, joe: rights }))
        assert.strictEqual(await one.status(Requests.set(file, "security", 0, given)), 0)
      }
      await give(A.FILE_WRITE_DATA)
      assert.strictEqual(statusOf(await two.create([instance(1)], { desiredAccess: A.FILE_WRITE_DATA })), VIOLATION)
      assert.isTrue(await one.stays(file))
      await give(Access.generic.read)
      const refused = await two.create([instance(1)], { desiredAccess: A.FILE_WRITE_DATA })
      assert.strictEqual(statusOf(refused), NtStatus.STATUS_ACCESS_DENIED)
      assert.isTrue(await one.stays(file))
      const how = { desiredAccess: A.FILE_READ_DATA, createDisposition: CreateDisposition.FILE_OPEN }
      assert.strictEqual(statusOf(await two.create([instance(1)], how)), 0)
      assert.isFalse(await one.stays(file))
    }))

  it("is closed with all others of that instance, while a break of its oplock is under way, and when its client is away", () =>
    served(async (start) => {
      const [one, two, other] = [await start("3.0", 1), await start("3.0", 2), await start("3.0", 3)]
      const open = await one.must([instance(1), durable(1)], { requestedOplockLevel: BATCH, shareAccess: 7 })
      // The oplock is asked for, and never given back.
      other.frame(other.signed(createRequest("f", [], { shareAccess: 7 })))
      const broken = await one.next()
      assert.strictEqual(broken?.readUInt16LE(12), 18)
      const taken = await two.must([instance(1), durable(2)], { requestedOplockLevel: BATCH, shareAccess: 7 })
      assert.isFalse(await one.stays(open))
      two.close()
      const three = await start("3.0", 4)
      assert.strictEqual(statusOf(await three.create([instance(1)], { shareAccess: 7 })), 0)
      const again = await start("3.0", 2)
      const reconnect = { _tag: "DurableHandleReconnectV2", fileId: taken, createGuid: key(2), flags: 0 } as const
      const lost = await again.create([reconnect], { requestedOplockLevel: BATCH })
      assert.strictEqual(statusOf(lost), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    }))

  it("takes its file with it if it was to delete that at its close", () =>
    served(async (start) => {
      const [one, two] = [await start("3.0", 1), await start("3.0", 2)]
      const how = { createOptions: CreateOptions.FILE_DELETE_ON_CLOSE }
      const open = await one.must([instance(1)], how)
      const gone = await two.create([instance(1)], { createDisposition: CreateDisposition.FILE_OPEN })
      assert.strictEqual(statusOf(gone), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      assert.isFalse(await one.stays(open))
    }))
})

describe("a malformed context of an application instance", () => {
  const names = {
    AppInstanceId: "45bca66aefa7f74a9008fa462e144d74",
    AppInstanceVersion: "b982d0b73b56074fa07b524a8116a010"
  }
  const sizes = { AppInstanceId: 20, AppInstanceVersion: 24 } as const
  for (const tag of ["AppInstanceId", "AppInstanceVersion"] as const) {
    it(`is refused, and closes no open: ${tag}`, () =>
      served(async (start) => {
        const [one, two] = [await start("3.1.1", 1), await start("3.1.1", 2)]
        const open = await one.must([instance(1)])
        const send = (data: Uint8Array) =>
          two.create([
            ...tag === "AppInstanceId" ? [] : [instance(1)],
            { _tag: "Unknown", name: Buffer.from(names[tag], "hex"), data }
          ])
        const size = sizes[tag]
        const whole = Buffer.alloc(size, 1)
        whole.writeUInt32LE(size)
        for (let length = 0; length < size; length++) {
          assert.strictEqual(statusOf(await send(whole.subarray(0, length))), NtStatus.STATUS_INVALID_PARAMETER)
        }
        const wrong = Buffer.from(whole)
        wrong[0] = 0xff
        assert.strictEqual(statusOf(await send(wrong)), NtStatus.STATUS_INVALID_PARAMETER)
        const twice = [instance(1), instance(1), version(1n, 0n), version(1n, 0n)].filter((one) => one._tag === tag)
        assert.strictEqual(statusOf(await two.create(twice)), NtStatus.STATUS_INVALID_PARAMETER)
        const below = random(14)
        for (let i = 0; i < 50; i++) {
          const status = statusOf(await send(Uint8Array.from({ length: below(64) }, () => below(256))))
          assert.isTrue(status === NtStatus.STATUS_INVALID_PARAMETER || status === NtStatus.STATUS_SHARING_VIOLATION)
        }
        assert.isTrue(await one.stays(open))
      }))
  }
})

describe("this client", () => {
  const at = (port: number, dialect: "3.0" | "3.1.1") =>
    Effect.map(
      Layer.build(
        SmbClient.layer({ dialects: [dialect] }).pipe(
          Layer.provide([TcpTransport.layer(), Credentials.layer(Credentials.password("ann", secret))])
        )
      ),
      (context) => Services.get(context, SmbClient.SmbClient)
    )

  it("opens a file as an application instance, with a version in 3.1.1 alone", () =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const { port } = yield* SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ ann: secret }),
        shares: { data: MemoryStore.make() }
      })
      const path = `\\\\${host}:${port}\\data\\f`
      const open = (dialect: "3.0" | "3.1.1", low: bigint) =>
        Effect.flatMap(at(port, dialect), (smb) =>
          smb.open(path, {
            ...OpenMode.readWrite,
            shareAccess: 0,
            appInstance: { id: key(1), version: { high: 3n, low } }
          }))
      const written = (file: SmbFile) => Effect.result(file.write(0n, Buffer.from("text")))
      const first = yield* open("3.0", 9n)
      const second = yield* open("3.1.1", 7n)
      const refused = yield* Effect.flip(open("3.1.1", 7n))
      assert.strictEqual(refused._tag === "SmbError" && refused.reason._tag, "FileForcedClosed")
      assert.strictEqual((yield* written(second))._tag, "Success")
      assert.strictEqual((yield* written(first))._tag, "Failure")
      assert.strictEqual((yield* written(yield* open("3.1.1", 8n)))._tag, "Success")
      // The server has closed both: the CLOSE at the end of the scope would fail.
      for (const lost of [first, second]) assert.strictEqual((yield* Effect.result(lost.close))._tag, "Failure")
    }))))
})
