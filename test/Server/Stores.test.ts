/**
 * Proves how the server handles a store that fails, breaks, hangs or is slow in each operation, and files that vanish:
 * with a store whose operations a test makes fail, behind raw clients.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Redacted, Scope, Stream } from "effect"
import { Codec, NtStatus as Status, SecurityDescriptor as Sd } from "effect-smb/Codec"
import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Access from "../../src/Server/internal/State/Access.ts"
import type * as Limits from "../../src/Server/Limits.ts"
import {
  type ShareStore,
  type StoreError,
  storeError,
  type StoreFile,
  type StoreReason
} from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask, CreateDisposition, GenericAccess } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import type * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.36.13"

/** The operations of a store and of its files. */
type Operation =
  | "list"
  | "open"
  | "remove"
  | "rename"
  | "stat"
  | "volume"
  | Exclude<keyof StoreFile, "id" | "parent" | "readInto" | "stat">

/** How a call fails; undefined if it does not. */
type Fault = (operation: Operation, path: string) => Effect.Effect<never, StoreError> | undefined

/** A store whose operations fail as `fault` says. */
const faulty = (store: ShareStore, fault: Fault): ShareStore => {
  const guard = <A, E, R>(operation: Operation, path: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | StoreError, R> => fault(operation, path.join("\\")) ?? effect)
  return {
    ...store,
    volume: guard("volume", [], store.volume),
    stat: (path) => guard("stat", path, store.stat(path)),
    list: (path) => Stream.unwrap(guard("list", path, Effect.succeed(store.list(path)))),
    remove: (path, options) => guard("remove", path, store.remove(path, options)),
    rename: (from, to, options) => guard("rename", from, store.rename(from, to, options)),
    open: (path, options) =>
      Effect.map(guard("open", path, store.open(path, options)), ({ file, ...opened }) => ({
        ...opened,
        file: {
          id: file.id,
          stat: guard("stat", path, file.stat),
          read: (offset, length) => guard("read", path, file.read(offset, length)),
          write: (offset, data) => guard("write", path, file.write(offset, data)),
          truncate: (size) => guard("truncate", path, file.truncate(size)),
          flush: guard("flush", path, file.flush),
          set: (changes) => guard("set", path, file.set(changes)),
          getBlob: (blob) => guard("getBlob", path, file.getBlob(blob)),
          setBlob: (blob, bytes) => guard("setBlob", path, file.setBlob(blob, bytes)),
          streams: guard("streams", path, file.streams),
          zero: (range) => guard("zero", path, file.zero(range)),
          allocated: (range) => guard("allocated", path, file.allocated(range)),
          ...file.renameStream === undefined ? {} : {
            renameStream: (name, how) => guard("renameStream", path, file.renameStream!(name, how))
          }
        }
      }))
  }
}

interface Place {
  readonly client: (share?: string) => Promise<RawClient>
  /** Sets how calls fail from now on. */
  readonly fault: (fault: Fault) => void
  /** Errors in the log. */
  readonly said: Array<string>
}

const none: Fault = () => undefined

const withStore = async (
  store: Effect.Effect<ShareStore, StoreError, Scope.Scope>,
  use: (place: Place) => Promise<void>,
  limits: Partial<Limits.Limits> = {}
): Promise<void> => {
  let fault = none
  const said: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Error") said.push(String(message))
  })
  const scope = Scope.makeUnsafe()
  const { port } = await Effect.runPromise(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: {
        data: Effect.map(store, (made) => faulty(made, (operation, path) => fault(operation, path))),
        calm: MemoryStore.make()
      },
      signing: "enabled",
      guest: "anonymous",
      limits
    }).pipe(Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([logger]))))
  )
  const clients: Array<RawClient> = []
  try {
    await use({
      client: async (share = "data") => {
        const made = new RawClient(host, port)
        clients.push(made)
        assert.isTrue(await made.logOn(share))
        return made
      },
      fault: (next) => {
        fault = next
      },
      said
    })
  } finally {
    for (const each of clients) each.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const opened = async (client: RawClient, ...of: Parameters<RawClient["open"]>): Promise<FileId> => {
  const file = await client.open(...of)
  if (typeof file === "number") assert.fail(Status.name(file))
  return file
}

/** Opens a sparse file: the server asks the store for its allocated ranges. */
const openedSparse = async (client: RawClient, name: string): Promise<FileId> => {
  const file = await opened(client, name)
  assert.strictEqual(await ask(client, Requests.fsctl(file, Fsctl.FSCTL_SET_SPARSE, Buffer.alloc(0))), 0)
  return file
}

const ask = async (client: RawClient, request: Message.Request): Promise<number | undefined> =>
  statusOf(await client.ask(request))

const content = Buffer.from("some old bytes")
const basic = Buffer.alloc(40)
basic.writeBigInt64LE(132_000_000_000_000_000n, 16)
const newName = Buffer.from("g", "utf16le")
const rename = Buffer.concat([Buffer.alloc(16), Buffer.from([newName.length, 0, 0, 0]), newName])
/** A descriptor without a list: each user has all rights. */
const descriptor = Buffer.from("0100048000000000000000000000000000000000", "hex")

/** For each operation a request that uses it, of the open file `f` or of the root. */
const requests: {
  readonly [O in Exclude<Operation, "remove" | "renameStream" | "copyFrom" | "complete">]: (
    file: FileId,
    root: FileId
  ) => Message.Request
} = {
  volume: (file) => Requests.query(file, "fileSystem", "FileFsSizeInformation"),
  stat: (file) => Requests.query(file, "file", "FileNetworkOpenInformation"),
  // Not `.` and `..`, which the server knows by itself.
  list: (_, root) => Requests.list(root, "f*"),
  open: () => Requests.create("f"),
  rename: (file) => Requests.set(file, "file", "FileRenameInformation", rename),
  read: (file) => Requests.read(file, 100),
  write: (file) => Requests.write(file, content),
  truncate: (file) => Requests.set(file, "file", "FileEndOfFileInformation", Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])),
  flush: (file) => Requests.flush(file),
  set: (file) => Requests.set(file, "file", "FileBasicInformation", basic),
  getBlob: (file) => Requests.query(file, "security"),
  setBlob: (file) => Requests.set(file, "security", 0, descriptor),
  streams: (file) => Requests.query(file, "file", "FileStreamInformation"),
  // FSCTL_SET_ZERO_DATA and FSCTL_QUERY_ALLOCATED_RANGES of the first four bytes.
  zero: (file) =>
    Requests.fsctl(file, Fsctl.FSCTL_SET_ZERO_DATA, Buffer.from("00000000000000000400000000000000", "hex")),
  allocated: (file) =>
    Requests.fsctl(file, Fsctl.FSCTL_QUERY_ALLOCATED_RANGES, Buffer.from("00000000000000000400000000000000", "hex"))
}

const operations = Object.keys(requests) as Array<keyof typeof requests>

/** FSCTL_SET_SPARSE: the server asks a store for the ranges of sparse files only. */
const sparse = (file: FileId) => Requests.fsctl(file, Fsctl.FSCTL_SET_SPARSE, new Uint8Array(0))

/** Sends the request of each operation while it fails, and the same request when it works again. */
const each = (effect: Effect.Effect<never, StoreError>, status: number, limits: Partial<Limits.Limits> = {}) =>
  withStore(MemoryStore.make(), async ({ client, fault, said }) => {
    const one = await client()
    const file = await openedSparse(one, "f")
    const root = await opened(one, "", Requests.directory)
    assert.strictEqual(await ask(one, Requests.write(file, content)), 0)
    assert.strictEqual(await ask(one, sparse(file)), 0)
    for (const operation of operations) {
      fault((asked) => asked === operation ? effect : undefined)
      const request = requests[operation](file, root)
      assert.strictEqual(Status.name((await ask(one, request))!), Status.name(status), operation)
      fault(none)
      if (operation === "rename") continue
      assert.strictEqual(await ask(one, request), 0, operation)
      assert.strictEqual(await ask(one, Requests.write(file, content)), 0, operation)
    }
    // A failed open leaves nothing behind: another client can open the file without sharing.
    const two = await client()
    fault((asked) => asked === "open" ? effect : undefined)
    assert.strictEqual(await two.open("g"), status)
    fault(none)
    await opened(two, "g", { shareAccess: 0 })
    const { STATUS_INTERNAL_ERROR, STATUS_IO_TIMEOUT, STATUS_UNEXPECTED_IO_ERROR } = NtStatus
    if (status === STATUS_INTERNAL_ERROR) assert.lengthOf(said, operations.length + 1)
    else if (status === STATUS_IO_TIMEOUT || status === STATUS_UNEXPECTED_IO_ERROR) {
      // Faults of a disk come in large numbers: the log has the first of each second.
      assert.isNotEmpty(said)
      assert.isBelow(said.length, operations.length)
      assert.isTrue(said.every((line) => line.startsWith("the store of a share failed")))
    } else assert.isEmpty(said)
  }, limits)

describe("a store that fails", () => {
  const statuses: ReadonlyArray<readonly [StoreReason["_tag"], number]> = [
    ["AccessDenied", NtStatus.STATUS_ACCESS_DENIED],
    ["Full", NtStatus.STATUS_DISK_FULL],
    ["ReadOnly", NtStatus.STATUS_MEDIA_WRITE_PROTECTED],
    ["Stale", NtStatus.STATUS_FILE_CLOSED],
    ["Busy", NtStatus.STATUS_SHARING_VIOLATION],
    ["TimedOut", NtStatus.STATUS_IO_TIMEOUT],
    ["Failed", NtStatus.STATUS_UNEXPECTED_IO_ERROR]
  ]
  for (const [reason, status] of statuses) {
    it(`makes each request fail with ${Status.name(status)} if the reason is ${reason}`, () =>
      each(Effect.fail(storeError(reason)), status))
  }

  it("makes each request fail with STATUS_INTERNAL_ERROR, and is logged, if its code throws", () =>
    each(Effect.die(new Error("broken")), NtStatus.STATUS_INTERNAL_ERROR))

  it(
    "makes each request fail with STATUS_IO_TIMEOUT if it hangs",
    () => each(Effect.never, NtStatus.STATUS_IO_TIMEOUT, { storeTime: "60 millis" }),
    30_000
  )

  it("makes the rename of a stream fail, which then keeps its name", () =>
    withStore(MemoryStore.make(), async ({ client, fault }) => {
      const one = await client()
      const file = await opened(one, "f:s")
      const other = Buffer.from(":t", "utf16le")
      const renamed = Requests.set(
        file,
        "file",
        "FileRenameInformation",
        Buffer.concat([Buffer.alloc(16), Buffer.from([other.length, 0, 0, 0]), other])
      )
      fault((asked) => asked === "renameStream" ? Effect.fail(storeError("Failed")) : undefined)
      assert.strictEqual(await ask(one, renamed), NtStatus.STATUS_UNEXPECTED_IO_ERROR)
      fault(none)
      assert.strictEqual(
        await one.open("f:t", { createDisposition: CreateDisposition.FILE_OPEN }),
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
      assert.strictEqual(await ask(one, renamed), 0)
      await opened(one, "f:t", { createDisposition: CreateDisposition.FILE_OPEN })
    }))

  it("makes CLOSE fail if it cannot remove the file, and another client can open the file again", () =>
    withStore(MemoryStore.make(), async ({ client, fault }) => {
      const one = await client()
      const file = await opened(one, "f")
      assert.strictEqual(await ask(one, Requests.write(file, content)), 0)
      assert.strictEqual(await ask(one, Requests.set(file, "file", "FileDispositionInformation", Uint8Array.of(1))), 0)
      fault((asked) => asked === "remove" ? Effect.fail(storeError("Failed")) : undefined)
      assert.strictEqual(await ask(one, Requests.close(file)), NtStatus.STATUS_UNEXPECTED_IO_ERROR)
      fault(none)
      const again = await opened(await client(), "f", { createDisposition: CreateDisposition.FILE_OPEN })
      assert.isObject(again)
    }))
})

describe("a file whose CREATE fails after it was made", () => {
  /** FILE_FULL_EA_INFORMATION of one attribute (MS-FSCC 2.4.15): A=B. */
  const attributes = Buffer.from("0000000000010100410042", "hex")

  for (const [name, asked] of [["f", "setBlob"], ["f", "stat"], ["f:stream", "stat"]] as const) {
    it(`does not exist afterwards, for ${name} when ${asked} fails`, () =>
      withStore(MemoryStore.make(), async ({ client, fault }) => {
        const one = await client()
        if (name !== "f") await ask(one, Requests.close((await opened(one, "f")) as FileId))
        fault((operation) => operation === asked ? Effect.fail(storeError("Full")) : undefined)
        const createContexts = asked === "setBlob" ? [{ _tag: "EaBuffer" as const, eaBuffer: attributes }] : []
        const answer = await one.ask(
          Requests.create(name, { createDisposition: CreateDisposition.FILE_CREATE, createContexts })
        )
        assert.strictEqual(statusOf(answer), NtStatus.STATUS_DISK_FULL)
        fault(none)
        const again = await one.open(name, { createDisposition: CreateDisposition.FILE_OPEN })
        assert.strictEqual(again, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      }))
  }
})

it("a CREATE with a descriptor fails with STATUS_NOT_SUPPORTED in a folder whose store keeps none, and others succeed", () => {
  const make = Effect.map(MemoryStore.make(), (memory): ShareStore => ({
    ...memory,
    open: (path, how) =>
      path[0] === "stick" && how.mode !== "existing" && how.initial?.securityDescriptor !== undefined
        ? Effect.fail(storeError("Unsupported"))
        : memory.open(path, how)
  }))
  return withStore(make, async ({ client }) => {
    const one = await client()
    for (const [name, how] of [["stick", Requests.directory], ["stick\\f", {}], ["stick\\g:s", {}]] as const) {
      await ask(
        one,
        Requests.close(await opened(one, name, { ...how, createDisposition: CreateDisposition.FILE_CREATE }) as FileId)
      )
    }
    const secret = Codec.encode(Sd.SecurityDescriptor)({
      sbz1: 0,
      control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
      owner: undefined,
      group: undefined,
      sacl: undefined,
      dacl: { aclRevision: 2, aces: [] }
    })
    const createContexts = [{ _tag: "SdBuffer" as const, sdBuffer: secret }]
    const answer = await one.ask(
      Requests.create("stick\\secret", { createDisposition: CreateDisposition.FILE_CREATE, createContexts })
    )
    assert.strictEqual(statusOf(answer), NtStatus.STATUS_NOT_SUPPORTED)
    assert.strictEqual(
      await one.open("stick\\secret", { createDisposition: CreateDisposition.FILE_OPEN }),
      NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
    )
  })
})

describe("a slow store", () => {
  const slow = operations.filter((operation) => operation !== "volume")

  it("delays only the request that uses it, and no other request of any client", () =>
    withStore(MemoryStore.make(), async ({ client, fault }) => {
      const [one, two, three] = [await client(), await client(), await client("calm")]
      const file = await openedSparse(one, "f")
      const root = await opened(one, "", Requests.directory)
      const same = await opened(two, "f")
      const other = await opened(two, "other")
      const calm = await opened(three, "calm")
      assert.strictEqual(await ask(one, sparse(file)), 0)
      for (const operation of slow) {
        let release = () => {}
        const held = new Promise<void>((resolve) => {
          release = resolve
        })
        let first = true
        let reach = () => {}
        const reached = new Promise<void>((resolve) => {
          reach = resolve
        })
        fault((asked, path) => {
          if (asked !== operation || !first || path === "other") return undefined
          first = false
          reach()
          return Effect.flatMap(Effect.promise(() => held), () => Effect.fail(storeError("Busy")))
        })
        one.say(requests[operation](file, root))
        await reached
        assert.strictEqual(await ask(two, Requests.read(other, 10)), NtStatus.STATUS_END_OF_FILE, operation)
        assert.strictEqual(await ask(two, Requests.write(same, content)), 0, operation)
        assert.strictEqual(await ask(two, Requests.read(same, 10)), 0, operation)
        const more = await opened(two, "f")
        assert.strictEqual(await ask(two, Requests.close(more)), 0, operation)
        assert.strictEqual(await ask(three, Requests.write(calm, content)), 0, operation)
        // Other requests of the same client are not delayed either.
        assert.strictEqual(await ask(one, Requests.echo), 0, operation)
        release()
        assert.strictEqual(statusOf(await one.next()), NtStatus.STATUS_SHARING_VIOLATION, operation)
      }
    }))

  it("does not keep the files of a client that is gone closed to others", () =>
    withStore(
      Effect.map(MemoryStore.make(), (store): ShareStore => ({
        ...store,
        open: (path, options) =>
          path[0] === "slow"
            ? Effect.acquireRelease(store.open(path, options), () => Effect.never)
            : store.open(path, options)
      })),
      async ({ client }) => {
        const one = await client()
        await opened(one, "slow", { shareAccess: 0 })
        await opened(one, "f", { shareAccess: 0 })
        const two = await client()
        assert.strictEqual(await two.open("f", { shareAccess: 0 }), NtStatus.STATUS_SHARING_VIOLATION)
        one.close()
        for (let waited = 0;; waited += 20) {
          const file = await two.open("f", { shareAccess: 0 })
          if (typeof file !== "number") break
          assert.isBelow(waited, 2000)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        await opened(two, "slow", { shareAccess: 0 })
      },
      { stopTime: "100 millis" }
    ))
})

describe("a file whose security descriptor was lost", () => {
  it("cannot be opened by a client, and other files can", () => {
    const folder = mkdtempSync(join(tmpdir(), "lost-"))
    const store = Effect.gen(function*() {
      yield* Effect.scoped(Effect.flatMap(LocalStore.make(folder), (store) =>
        store.open(["f"], {
          mode: "new",
          type: "file",
          initial: { securityDescriptor: Access.encode(Access.defaultDescriptor) }
        })))
      const made = yield* LocalStore.make(folder)
      const records = join(folder, LocalStore.sidecarName, "records")
      for (const name of readdirSync(records)) unlinkSync(join(records, name))
      writeFileSync(join(folder, "g"), content)
      return made
    })
    return withStore(store, async ({ client }) => {
      const one = await client()
      for (
        const desiredAccess of [
          GenericAccess.FILE_GENERIC_READ,
          AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE,
          AccessMask.DELETE,
          AccessMask.WRITE_DAC
        ]
      ) {
        assert.strictEqual(
          await one.open("f", { createDisposition: CreateDisposition.FILE_OPEN, desiredAccess }),
          NtStatus.STATUS_UNEXPECTED_IO_ERROR
        )
      }
      await opened(one, "g", { createDisposition: CreateDisposition.FILE_OPEN })
    }).finally(() => rmSync(folder, { recursive: true, force: true }))
  })
})

describe("a file that vanishes below an open", () => {
  it("can be read if it was in use, fails otherwise, and its name is free for another file", () => {
    const folder = mkdtempSync(join(tmpdir(), "vanish-"))
    return withStore(LocalStore.make(folder), async ({ client, said }) => {
      const one = await client()
      const file = await opened(one, "f")
      assert.strictEqual(await ask(one, Requests.write(file, content)), 0)
      assert.strictEqual(await ask(one, Requests.flush(file)), 0)
      writeFileSync(join(folder, "unread"), "of before")
      const unread = await opened(one, "unread")
      unlinkSync(join(folder, "f"))
      unlinkSync(join(folder, "unread"))
      // As with a local program's descriptor: the bytes exist as long as the file is open.
      const answer = (await one.ask(Requests.read(file, 100)))!
      assert.strictEqual(statusOf(answer), 0)
      assert.isTrue(answer.subarray(80).equals(content))
      // A file that was never read or written is not open in the system: its requests fail.
      for (const request of [Requests.read(unread, 100), Requests.write(unread, content), Requests.flush(unread)]) {
        const status = (await ask(one, request))!
        assert.include(
          [NtStatus.STATUS_FILE_CLOSED, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND],
          status,
          Status.name(status)
        )
      }
      const two = await client()
      assert.strictEqual(
        await two.open("f", { createDisposition: CreateDisposition.FILE_OPEN }),
        NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
      )
      // A new file with the same name is another file.
      writeFileSync(join(folder, "unread"), "of somebody else")
      const status = (await ask(one, Requests.read(unread, 100)))!
      assert.notStrictEqual(status, 0)
      const fresh = await opened(two, "unread")
      assert.include((await two.ask(Requests.read(fresh, 100)))!.toString(), "of somebody else")
      for (const each of [file, unread]) assert.strictEqual(await ask(one, Requests.close(each)), 0)
      assert.deepStrictEqual(said, [])
    }).finally(() => rmSync(folder, { recursive: true, force: true }))
  })
})
