/**
 * Proves what each CreateDisposition does with each kind of existing name (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1): the status,
 * the CreateAction, the attributes, the size, and what changes in the store.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { type ShareStore, type StoreError, storeError, type StoreOpen } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  FileAttributes as F
} from "../../src/Smb2/Message/Constants.ts"
import type * as Create from "../../src/Smb2/Message/Create.ts"
import { Client, descriptor, encode, everything, type People, people, place, read, secret, sids } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.34"
const { FILE_ATTRIBUTE_ARCHIVE: ARCHIVE, FILE_ATTRIBUTE_HIDDEN: HIDDEN, FILE_ATTRIBUTE_SYSTEM: SYSTEM } = F
const { FILE_ATTRIBUTE_DIRECTORY: DIRECTORY, FILE_ATTRIBUTE_READONLY: READONLY } = F

/** The fields of a CREATE response after its header (2.2.14). */
const fieldsOf = (answer: Buffer) => ({
  action: answer.readUInt32LE(64 + 4),
  size: answer.readBigUInt64LE(64 + 48),
  attributes: answer.readUInt32LE(64 + 56)
})

/** Sends a CREATE and closes its open. Gives the name of the status, or the fields of the response. */
const outcome = async (client: Client, name: string, how: Partial<Create.Request>) => {
  const answer = (await client.ask(Requests.create(name, how)))!
  const status = statusOf(answer)!
  if (status !== 0) return Status.name(status)
  // No oplock was asked for, and no flag has a meaning here.
  assert.deepStrictEqual([...answer.subarray(66, 68)], [0, 0])
  const fileId = { persistent: answer.readBigUInt64LE(128), volatile: answer.readBigUInt64LE(136) }
  assert.strictEqual(await client.status(Requests.close(fileId)), 0)
  return fieldsOf(answer)
}

/** What a name stands for before the CREATE. */
const kinds = {
  nothing: undefined,
  "no parent": undefined,
  file: 0,
  "read-only file": READONLY,
  "hidden file": HIDDEN,
  "system file": SYSTEM,
  directory: DIRECTORY,
  "stream of a file": 0,
  "missing stream of a file": 0,
  "stream of a directory": DIRECTORY
} as const
type Kind = keyof typeof kinds

const nameOf = (kind: Kind): string =>
  kind === "no parent" ? "none\\it" : kind.startsWith("stream") || kind.startsWith("missing") ? "it:s" : "it"

const prepare = async (client: Client, kind: Kind): Promise<void> => {
  // Also a read-only file from before.
  const left = await client.open("it", { createDisposition: D.FILE_OPEN, desiredAccess: A.DELETE })
  if (typeof left !== "number") {
    const deletes = Requests.set(left, "file", "FileDispositionInformationEx", Uint8Array.of(0x11, 0, 0, 0))
    assert.strictEqual(await client.status(deletes), 0)
    assert.strictEqual(await client.status(Requests.close(left)), 0)
  }
  const fileAttributes = kinds[kind]
  if (fileAttributes === undefined) return
  const createOptions = fileAttributes === DIRECTORY ? O.FILE_DIRECTORY_FILE : 0
  const made = await client.must("it", { createDisposition: D.FILE_CREATE, fileAttributes, createOptions })
  if (createOptions === 0) assert.strictEqual(await client.status(Requests.write(made, Buffer.from("old"))), 0)
  if (kind.startsWith("stream")) {
    const stream = await client.must("it:s")
    assert.strictEqual(await client.status(Requests.write(stream, Buffer.from("old"))), 0)
    assert.strictEqual(await client.status(Requests.close(stream)), 0)
  }
  assert.strictEqual(await client.status(Requests.close(made)), 0)
}

const OPENED = 1
const CREATED = 2

/** What the documents say. `attributes` are those that the CREATE asks for. */
const expected = (kind: Kind, disposition: number, options: number, attributes: number) => {
  const isStream = nameOf(kind).includes(":")
  const asksForDirectory = options === O.FILE_DIRECTORY_FILE
  const overwrites = ([D.FILE_SUPERSEDE, D.FILE_OVERWRITE, D.FILE_OVERWRITE_IF] as ReadonlyArray<number>)
    .includes(disposition)
  if (asksForDirectory && overwrites) return "STATUS_INVALID_PARAMETER"
  if (asksForDirectory && isStream) return "STATUS_NOT_A_DIRECTORY"
  if (kind === "no parent") return "STATUS_OBJECT_PATH_NOT_FOUND"
  const asked = attributes === 0 ? 0 : attributes
  if (kind === "nothing" || kind.startsWith("missing")) {
    if (disposition === D.FILE_OPEN || disposition === D.FILE_OVERWRITE) return "STATUS_OBJECT_NAME_NOT_FOUND"
    const file = kind === "nothing" ? asked | (asksForDirectory ? DIRECTORY : ARCHIVE) : ARCHIVE
    return { action: CREATED, size: 0n, attributes: file }
  }
  if (disposition === D.FILE_CREATE) return "STATUS_OBJECT_NAME_COLLISION"
  if (kind === "directory") {
    if (options === O.FILE_NON_DIRECTORY_FILE || overwrites) return "STATUS_FILE_IS_A_DIRECTORY"
    return { action: OPENED, size: 0n, attributes: DIRECTORY }
  }
  if (asksForDirectory) return "STATUS_NOT_A_DIRECTORY"
  const before = (kinds[kind] ?? 0) | (kinds[kind] === DIRECTORY ? 0 : ARCHIVE)
  if (!overwrites) return { action: OPENED, size: 3n, attributes: before }
  if (kind === "read-only file") return "STATUS_ACCESS_DENIED"
  const keeps = before & (HIDDEN | SYSTEM)
  if (!isStream && (keeps & ~asked) !== 0) return "STATUS_ACCESS_DENIED"
  const action = disposition === D.FILE_SUPERSEDE ? 0 : 3
  return { action, size: 0n, attributes: isStream ? before : asked | ARCHIVE }
}

const alone = (run: (root: Client, changes: Array<string>) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const { changes, client } = yield* place(host)
    const root = yield* client("root")
    yield* Effect.promise(() => run(root, changes))
  }))

describe("a CREATE", () => {
  it.live("does with each name what its disposition, options and attributes say", () =>
    alone(async (root, changes) => {
      const wrong: Array<unknown> = []
      for (const kind of Object.keys(kinds) as Array<Kind>) {
        let isPrepared = false
        for (const createDisposition of Object.values(D)) {
          for (const createOptions of [0, O.FILE_DIRECTORY_FILE, O.FILE_NON_DIRECTORY_FILE]) {
            for (
              const fileAttributes of kind === "hidden file" || kind === "system file"
                ? [0, HIDDEN, SYSTEM]
                : [0, HIDDEN]
            ) {
              if (!isPrepared) await prepare(root, kind)
              changes.length = 0
              const desiredAccess = A.FILE_READ_ATTRIBUTES
              const found = await outcome(root, nameOf(kind), {
                createDisposition,
                createOptions,
                fileAttributes,
                desiredAccess
              })
              const right = expected(kind, createDisposition, createOptions, fileAttributes)
              const about = `${kind}, ${createDisposition}, ${createOptions}, ${fileAttributes}`
              if (JSON.stringify(found, text) !== JSON.stringify(right, text)) wrong.push([about, found, right])
              // A refused or plain open leaves the store alone.
              const isPlain = typeof right === "string" || right.action === OPENED
              isPrepared = isPlain
              if (isPlain && changes.length > 0) wrong.push([about, [...changes]])
            }
          }
        }
      }
      assert.deepStrictEqual(wrong, [])
    }))

  it.live("gives a new file the attributes that clients can set, and no others", () =>
    alone(async (root) => {
      const settable = [0, 1, 2, 5, 8, 12, 13]
      for (const bit of [0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14]) {
        const fileAttributes = 2 ** bit
        const kept = settable.includes(bit) ? fileAttributes : 0
        const create = { createDisposition: D.FILE_CREATE, fileAttributes }
        assert.deepStrictEqual(
          await outcome(root, `file ${bit}`, create),
          { action: CREATED, size: 0n, attributes: kept | ARCHIVE },
          `${bit}`
        )
        // A directory cannot be temporary (MS-FSA 2.1.5.1.1).
        assert.deepStrictEqual(
          await outcome(root, `directory ${bit}`, { ...create, createOptions: O.FILE_DIRECTORY_FILE }),
          fileAttributes === F.FILE_ATTRIBUTE_TEMPORARY
            ? "STATUS_INVALID_PARAMETER"
            : { action: CREATED, size: 0n, attributes: kept | DIRECTORY },
          `${bit}`
        )
        await root.must(`over ${bit}`)
        assert.deepStrictEqual(
          await outcome(root, `over ${bit}`, { ...create, createDisposition: D.FILE_SUPERSEDE }),
          { action: 0, size: 0n, attributes: kept | ARCHIVE },
          `${bit}`
        )
      }
    }))

  it.live("refuses the share's root and read-only files that are to be deleted", () =>
    alone(async (root) => {
      const deletes = { createOptions: O.FILE_DELETE_ON_CLOSE }
      // A name with a fault has the status of that fault, and a stream of the root can be deleted.
      assert.strictEqual(await root.open("a*b", deletes), NtStatus.STATUS_OBJECT_NAME_INVALID)
      await root.status(Requests.close(await root.must(":s", deletes)))
      assert.strictEqual(
        await root.open(":s", { createDisposition: D.FILE_OPEN }),
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
      assert.strictEqual(
        await root.open("f", { ...deletes, fileAttributes: READONLY }),
        NtStatus.STATUS_CANNOT_DELETE
      )
      assert.strictEqual(
        await root.open("f", { createDisposition: D.FILE_OPEN }),
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
      for (const createDisposition of [D.FILE_CREATE, D.FILE_OPEN_IF]) {
        const right = createDisposition === D.FILE_CREATE ? NtStatus.STATUS_OBJECT_NAME_COLLISION : 0
        const found = await root.open("", { createDisposition, createOptions: O.FILE_DIRECTORY_FILE })
        assert.strictEqual(typeof found === "number" ? found : 0, right)
      }
    }))
})

describe("a CREATE in a directory", () => {
  const cases = (name: string, run: (among: People) => Promise<void>) =>
    it.live(name, () => Effect.scoped(Effect.flatMap(people(host), (among) => Effect.promise(() => run(among)))))

  cases(
    "needs the parent's right for its own kind, and changes nothing without it",
    async ({ ann, changes, fixed, joe }) => {
      await ann.make("files", { joe: read | A.FILE_ADD_FILE }, O.FILE_DIRECTORY_FILE)
      await ann.make("folders", { joe: read | A.FILE_ADD_SUBDIRECTORY }, O.FILE_DIRECTORY_FILE)
      changes.length = 0
      for (const createDisposition of [D.FILE_CREATE, D.FILE_OPEN_IF, D.FILE_OVERWRITE_IF, D.FILE_SUPERSEDE]) {
        assert.strictEqual(await joe.open("folders\\f", { createDisposition }), NtStatus.STATUS_ACCESS_DENIED)
        assert.strictEqual(await joe.open("folders\\f:s", { createDisposition }), NtStatus.STATUS_ACCESS_DENIED)
        assert.strictEqual(await fixed.open("files\\f", { createDisposition }), NtStatus.STATUS_ACCESS_DENIED)
      }
      for (const createDisposition of [D.FILE_CREATE, D.FILE_OPEN_IF]) {
        const how = { createDisposition, createOptions: O.FILE_DIRECTORY_FILE }
        assert.strictEqual(await joe.open("files\\d", how), NtStatus.STATUS_ACCESS_DENIED)
      }
      for (const name of ["files\\f", "files\\g:s"]) {
        assert.strictEqual(
          await joe.open(name, { desiredAccess: A.ACCESS_SYSTEM_SECURITY }),
          NtStatus.STATUS_PRIVILEGE_NOT_HELD
        )
      }
      assert.deepStrictEqual(changes, [])
      await joe.must("files\\f")
      await joe.must("files\\g:s")
      await joe.must("folders\\d", { createOptions: O.FILE_DIRECTORY_FILE })
    }
  )

  cases(
    "gives the access that was asked for to the creator, no matter what the new descriptor says",
    async ({ joe }) => {
      const sdBuffer = encode(descriptor(sids.joe, { joe: A.FILE_READ_DATA }))
      const createContexts = [{ _tag: "SdBuffer" as const, sdBuffer }]
      const accessOf = async (name: string, desiredAccess: number) => {
        const file = await joe.must(name, { createContexts, desiredAccess })
        const answer = (await joe.ask(Requests.query(file, "file", "FileAccessInformation")))!
        await joe.status(Requests.close(file))
        return answer.readUInt32LE(64 + 8)
      }
      assert.strictEqual(await accessOf("a", A.FILE_WRITE_DATA), A.FILE_WRITE_DATA)
      assert.strictEqual(await accessOf("b", A.MAXIMUM_ALLOWED), everything)
      assert.strictEqual(await accessOf("c", A.GENERIC_READ), read)
      // The next open has the rights of the descriptor, and those of an owner.
      assert.strictEqual(
        await accessOf("a", A.MAXIMUM_ALLOWED),
        A.FILE_READ_DATA | A.READ_CONTROL | A.WRITE_DAC | A.DELETE | A.FILE_READ_ATTRIBUTES
      )
      for (const desiredAccess of [A.FILE_WRITE_DATA, A.FILE_READ_EA]) {
        assert.strictEqual(
          await joe.open("a", { createDisposition: D.FILE_OPEN, desiredAccess }),
          NtStatus.STATUS_ACCESS_DENIED
        )
      }
    }
  )
})

// A client that is told of a failure must not have an open that it does not know of.
describe("a CREATE whose store fails after the file is open", () => {
  const failing = (run: (root: Client, fail: (operation: string | undefined) => void) => Promise<void>) =>
    Effect.scoped(Effect.gen(function*() {
      const inner = yield* MemoryStore.make()
      let failed: string | undefined
      const guard = <B>(operation: string, effect: Effect.Effect<B, StoreError>) =>
        Effect.suspend(() => operation === failed ? Effect.fail(storeError("Full")) : effect)
      const store: ShareStore = {
        ...inner,
        open: (path, options) =>
          Effect.map(inner.open(path, options), (opened) => ({
            ...opened,
            file: {
              ...opened.file,
              stat: guard("stat", opened.file.stat),
              truncate: (size) => guard("truncate", opened.file.truncate(size)),
              set: (changes) => guard("set", opened.file.set(changes)),
              setBlob: (blob, bytes) => guard("setBlob", opened.file.setBlob(blob, bytes))
            }
          }))
      }
      const { port } = yield* SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ joe: { password: secret, sid: sids.joe } }),
        shares: { data: { store } },
        signing: "enabled",
        limits: { userOpens: 2 }
      })
      const client = new Client(host, port)
      yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
      yield* Effect.promise(async () => {
        assert.isTrue(await client.logOn("data", Credentials.password("joe", secret)))
        await run(client, (operation) => {
          failed = operation
        })
      })
    }))

  it.live("leaves no open, no oplock, no place in the limits, and no new file behind", () =>
    failing(async (client, fail) => {
      // FILE_FULL_EA_INFORMATION (MS-FSCC 2.4.16) with the name A.
      const createContexts = [{ _tag: "EaBuffer" as const, eaBuffer: Buffer.from("0000000000010100410001", "hex") }]
      const cases: ReadonlyArray<readonly [string, boolean, Partial<Create.Request>]> = [
        ["stat", false, { createDisposition: D.FILE_CREATE }],
        ["stat", true, { createDisposition: D.FILE_OPEN }],
        ["setBlob", false, { createDisposition: D.FILE_CREATE, createContexts }],
        ["truncate", true, { createDisposition: D.FILE_OVERWRITE }],
        ["set", true, { createDisposition: D.FILE_OVERWRITE }],
        ["setBlob", true, { createDisposition: D.FILE_SUPERSEDE, createContexts }]
      ]
      for (const [operation, exists, how] of cases) {
        const about = `${operation} ${how.createDisposition}`
        if (exists) assert.strictEqual(await client.status(Requests.close(await client.must("f"))), 0)
        for (let turn = 0; turn < 3; turn++) {
          fail(operation)
          assert.strictEqual(
            await client.open("f", { ...how, shareAccess: 0, requestedOplockLevel: 9 }),
            NtStatus.STATUS_DISK_FULL,
            about
          )
          fail(undefined)
          if (!exists) {
            assert.strictEqual(
              await client.open("f", { createDisposition: D.FILE_OPEN }),
              NtStatus.STATUS_OBJECT_NAME_NOT_FOUND,
              about
            )
          }
        }
        // Alone: no open is in its way, and no oplock must be broken before.
        const file = await client.must("f", { shareAccess: 0, createOptions: O.FILE_DELETE_ON_CLOSE })
        assert.strictEqual(await client.status(Requests.close(file)), 0, about)
        assert.strictEqual(
          await client.open("f", { createDisposition: D.FILE_OPEN }),
          NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
        )
      }
    }))
})

describe("the store of a CREATE", () => {
  const asked = (run: (client: Client, last: () => StoreOpen | undefined) => Promise<void>) =>
    Effect.scoped(Effect.gen(function*() {
      const inner = yield* MemoryStore.make()
      let first: StoreOpen | undefined
      const store: ShareStore = {
        ...inner,
        open: (path, options) => {
          if (path[0] === "f" && options.mode === "existing") first ??= options
          return inner.open(path, options)
        }
      }
      const { port } = yield* SmbServer.make({
        host,
        port: 0,
        users: UserStore.inMemory({ joe: { password: secret, sid: sids.joe } }),
        shares: { data: { store } },
        signing: "enabled"
      })
      const client = new Client(host, port)
      yield* Effect.addFinalizer(() => Effect.sync(() => client.close()))
      yield* Effect.promise(async () => {
        assert.isTrue(await client.logOn("data", Credentials.password("joe", secret)))
        await run(client, () => {
          const found = first
          first = undefined
          return found
        })
      })
    }))

  it.live("is told the kind of file, whether a link itself is meant, and whether the data is used", () =>
    asked(async (client, last) => {
      for (const createDisposition of [D.FILE_OPEN, D.FILE_OPEN_IF, D.FILE_OVERWRITE_IF, D.FILE_SUPERSEDE]) {
        for (const createOptions of [0, O.FILE_OPEN_REPARSE_POINT, O.FILE_NON_DIRECTORY_FILE]) {
          for (const name of ["f", "f:s"]) {
            await outcome(client, name, { createDisposition, createOptions })
            const told = last()
            const linkItself = createDisposition === D.FILE_OPEN && createOptions === O.FILE_OPEN_REPARSE_POINT &&
              name === "f"
            assert.deepInclude(told, { type: "file", linkItself, forData: false }, `${name} ${createOptions}`)
            assert.strictEqual(told?.stream, name === "f" ? undefined : "s")
          }
        }
      }
      for (const [name, right] of Object.entries(A)) {
        await outcome(client, "f", { createDisposition: D.FILE_OPEN, desiredAccess: right })
        const forData = ["FILE_READ_DATA", "FILE_WRITE_DATA", "GENERIC_READ", "GENERIC_WRITE", "GENERIC_ALL"]
        assert.strictEqual(last()?.forData, forData.includes(name) || (right & 3) !== 0, name)
      }
      await outcome(client, "f", { createDisposition: D.FILE_OPEN, createOptions: O.FILE_DIRECTORY_FILE })
      assert.strictEqual(last()?.type, "directory")
      // A CREATE of a new file does not look for an existing one.
      await outcome(client, "f", { createDisposition: D.FILE_CREATE })
      assert.isUndefined(last())
    }))
})

describe("a CREATE that names a type of its stream", () => {
  it.live("opens only a file as ::$DATA, and only a directory as ::$INDEX_ALLOCATION", () =>
    alone(async (root) => {
      const existing = { createDisposition: D.FILE_OPEN, desiredAccess: A.FILE_READ_ATTRIBUTES }
      await root.must("f")
      await root.must("d", { createOptions: O.FILE_DIRECTORY_FILE })
      const opens = async (name: string, createOptions = 0) => {
        const found = await outcome(root, name, { ...existing, createOptions })
        return typeof found === "string" ? found : "STATUS_SUCCESS"
      }
      assert.strictEqual(await opens("f::$DATA"), "STATUS_SUCCESS")
      assert.strictEqual(await opens("d::$DATA"), "STATUS_FILE_IS_A_DIRECTORY")
      assert.strictEqual(await opens("d::$INDEX_ALLOCATION"), "STATUS_SUCCESS")
      assert.strictEqual(await opens("f::$INDEX_ALLOCATION"), "STATUS_NOT_A_DIRECTORY")
    }))
})

const text = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value)
