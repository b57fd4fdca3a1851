/**
 * Proves which values the fields of a CREATE can have (MS-SMB2 2.2.13, 3.3.5.9, MS-FSA 2.1.5.1): each bit of each field by
 * itself, and the combinations that contradict themselves.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import { Client, descriptor, encode, everything, place, read, secret, sids } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.33"
const { STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED } = NtStatus

/** An administrator, who has all rights: only the fields can be wrong. */
const alone = (run: (root: Client) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const { client } = yield* place(host)
    const root = yield* client("root")
    yield* Effect.promise(() => run(root))
  }))

/** The status of a CREATE, whose open is closed again. */
const status = async (client: Client, name: string, how: Partial<Create.Request>): Promise<number> => {
  const file = await client.open(name, how)
  if (typeof file === "number") return file
  assert.strictEqual(await client.status(Requests.close(file)), 0)
  return 0
}

const bits = Array.from({ length: 32 }, (_, bit) => bit)
/** The bits of a field with which a CREATE of a new file has this status. */
const withStatus = async (
  client: Client,
  expected: number,
  field: (value: number) => Partial<Create.Request>
): Promise<ReadonlyArray<number>> => {
  const found: Array<number> = []
  for (const bit of bits) {
    const how = field(2 ** bit)
    if (await status(client, `${Object.keys(how).join()} ${bit}`, how) === expected) found.push(bit)
  }
  return found
}

const without = (...valid: ReadonlyArray<number>) => bits.filter((bit) => !valid.includes(bit))

describe("a CREATE is refused with", () => {
  it.live("bits of DesiredAccess that mean nothing, and none at all (2.2.13.1)", () =>
    alone(async (root) => {
      assert.deepStrictEqual(
        await withStatus(root, STATUS_ACCESS_DENIED, (desiredAccess) => ({ desiredAccess })),
        without(0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20, 24, 25, 28, 29, 30, 31)
      )
      assert.strictEqual(await status(root, "none", { desiredAccess: 0 }), STATUS_ACCESS_DENIED)
    }))

  it.live("bits of FileAttributes that mean nothing (MS-FSCC 2.6)", () =>
    alone(async (root) => {
      assert.deepStrictEqual(
        await withStatus(root, STATUS_INVALID_PARAMETER, (fileAttributes) => ({ fileAttributes })),
        without(0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17)
      )
    }))

  it.live("bits of ShareAccess that mean nothing", () =>
    alone(async (root) => {
      assert.deepStrictEqual(
        await withStatus(root, STATUS_INVALID_PARAMETER, (shareAccess) => ({ shareAccess })),
        without(0, 1, 2)
      )
    }))

  it.live("bits of CreateOptions that mean nothing, or that no server can do", () =>
    alone(async (root) => {
      const field = (createOptions: number) => ({ createOptions })
      assert.deepStrictEqual(
        await withStatus(root, STATUS_INVALID_PARAMETER, field),
        [24, 25, 26, 27, 28, 29, 30, 31]
      )
      // FILE_CREATE_TREE_CONNECTION, FILE_OPEN_BY_FILE_ID, FILE_RESERVE_OPFILTER.
      assert.deepStrictEqual(await withStatus(root, STATUS_NOT_SUPPORTED, field), [7, 13, 20])
    }))

  it.live("a greater CreateDisposition or ImpersonationLevel than the document has", () =>
    alone(async (root) => {
      for (const createDisposition of [0, 2, 3, 5]) {
        assert.strictEqual(await status(root, `disposition ${createDisposition}`, { createDisposition }), 0)
      }
      for (const createDisposition of [6, 0xffff_ffff]) {
        assert.strictEqual(await status(root, "f", { createDisposition }), STATUS_INVALID_PARAMETER)
      }
      for (const impersonationLevel of [0, 1, 2, 3]) {
        assert.strictEqual(await status(root, "f", { impersonationLevel }), 0)
      }
      assert.strictEqual(
        await status(root, "f", { impersonationLevel: 4 }),
        NtStatus.STATUS_BAD_IMPERSONATION_LEVEL
      )
    }))

  const [DIRECTORY, NON_DIRECTORY, DELETE_ON_CLOSE] = [1, 0x40, 0x1000]
  const combinations: ReadonlyArray<readonly [string, string, Partial<Create.Request>, number]> = [
    ["a directory that is none", "d", { createOptions: DIRECTORY | NON_DIRECTORY }, STATUS_INVALID_PARAMETER],
    ["a directory to be superseded", "d", { createOptions: DIRECTORY, createDisposition: 0 }, STATUS_INVALID_PARAMETER],
    [
      "a directory to be overwritten",
      "d",
      { createOptions: DIRECTORY, createDisposition: 4 },
      STATUS_INVALID_PARAMETER
    ],
    [
      "a directory to be overwritten or created",
      "d",
      { createOptions: DIRECTORY, createDisposition: 5 },
      STATUS_INVALID_PARAMETER
    ],
    [
      "DELETE_ON_CLOSE without the access DELETE",
      "f",
      { createOptions: DELETE_ON_CLOSE, desiredAccess: 0x0012_0089 },
      STATUS_INVALID_PARAMETER
    ],
    [
      "DELETE_ON_CLOSE of the share's root",
      "",
      { createOptions: DELETE_ON_CLOSE | DIRECTORY },
      NtStatus.STATUS_CANNOT_DELETE
    ],
    ["a stream that is a directory", "f:s", { createOptions: DIRECTORY }, NtStatus.STATUS_NOT_A_DIRECTORY],
    ["data that are a directory", "f::$DATA", { createOptions: DIRECTORY }, NtStatus.STATUS_NOT_A_DIRECTORY]
  ]
  it.live.each(combinations)("%s", ([, name, how, expected]) =>
    alone(async (root) => {
      assert.strictEqual(await status(root, name, how), expected)
    }))

  it.live("none of these when they do not contradict each other", () =>
    alone(async (root) => {
      for (const createDisposition of [2, 1, 3]) {
        assert.strictEqual(await status(root, "d", { createOptions: DIRECTORY, createDisposition }), 0)
      }
      for (const createDisposition of [2, 1, 3, 4, 5, 0]) {
        assert.strictEqual(await status(root, "f", { createOptions: NON_DIRECTORY, createDisposition }), 0)
      }
      for (const desiredAccess of [0x0001_0000, 0x1000_0000, 0x0200_0000]) {
        assert.strictEqual(await status(root, "gone", { createOptions: DELETE_ON_CLOSE, desiredAccess }), 0)
        assert.strictEqual(
          await status(root, "gone", { createDisposition: 1 }),
          NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
        )
      }
    }))
})

// Another program can make a file between the server's look at a name and its own attempt to make that file.
describe("a CREATE of a stream whose file another program makes at the same moment", () => {
  const madeFirst = (rights: Parameters<typeof descriptor>[1], run: (joe: Client) => Promise<void>) =>
    Effect.scoped(Effect.gen(function*() {
      const inner = yield* MemoryStore.make()
      let first = true
      const store: ShareStore = {
        ...inner,
        open: (path, options) => {
          if (options.mode !== "either" || !first) return inner.open(path, options)
          first = false
          const securityDescriptor = encode(descriptor(sids.ann, rights))
          return Effect.scoped(inner.open(path, { ...options, mode: "new", initial: { securityDescriptor } })).pipe(
            Effect.andThen(inner.open(path, options))
          )
        }
      }
      const { port } = yield* SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ joe: { password: secret, sid: sids.joe } }),
        shares: { data: { store } },
        signing: "enabled"
      })
      const joe = new Client(host, port)
      yield* Effect.addFinalizer(() => Effect.sync(() => joe.close()))
      yield* Effect.promise(async () => {
        assert.isTrue(await joe.logOn("data", Credentials.password("joe", secret)))
        await run(joe)
        assert.isFalse(first)
      })
    }))

  it.live("is refused to a user without the right to write to that file", () =>
    madeFirst({ ann: everything, joe: read }, async (joe) => {
      assert.strictEqual(await joe.open("f:s"), STATUS_ACCESS_DENIED)
      assert.strictEqual(await joe.open("f:s", { createDisposition: 1 }), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    }))

  it.live("makes the stream for a user with that right", () =>
    madeFirst({ ann: everything, joe: everything }, async (joe) => {
      const stream = await joe.must("f:s")
      assert.strictEqual(await joe.status(Requests.write(stream, Buffer.from("x"))), 0)
    }))
})
