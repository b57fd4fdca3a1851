/**
 * Proves when leases are granted, broken and kept, in the cases where Windows decides by details: deletions in which two
 * clients have a part, sizes, locks of an absent client, opens that read the security descriptor (MS-SMB2 3.3.5.9.8,
 * 3.3.5.9.11, MS-FSA 2.1.5.18).
 */
import { assert, describe, it } from "@effect/vitest"
import { NtStatus as Status } from "effect-smb/Codec"
import {
  AccessMask,
  Command,
  CompletionFilter,
  CreateDisposition,
  CreateOptions,
  NotifyAction
} from "../../src/Smb2/Message/Constants.ts"
import { HANDLE, lease, type LeaseClient, READ, WRITE } from "./LeaseClient.ts"
import * as LeaseServer from "./LeaseServer.ts"
import { RawClient } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.38.3"

/** Runs a test with clients of a server that has no other clients. */
const withClients = (
  use: Parameters<typeof LeaseServer.withClients>[1],
  store?: Parameters<typeof LeaseServer.withClients>[2]
) => LeaseServer.withClients(host, use, store)

const directory = {
  createOptions: CreateOptions.FILE_DIRECTORY_FILE,
  desiredAccess: AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE
}
/** The MessageId of a message that is no response (MS-SMB2 2.2.23.2). */
const noMessageId = 0xffff_ffff_ffff_ffffn

/** The next break, or undefined if the server has sent none before the response to an ECHO. */
const breakSoFar = async (client: LeaseClient) => {
  assert.strictEqual(await client.status(Requests.echo), 0)
  return client.nextBreak(20)
}

describe("a lease of a directory", () => {
  it("is broken once by a new size: by the SET_INFO, and not again by the CLOSE", () =>
    withClients(async (connect) => {
      const [watcher, writer] = [await connect(1), await connect(2)]
      await watcher.shut((await watcher.create("d", [], directory)).fileId)
      const file = await writer.create("d\\f")
      await watcher.create("d", [lease(1, READ | HANDLE)], directory)
      const size = Buffer.alloc(8)
      size.writeUInt32LE(100)
      assert.strictEqual(await writer.set(file.fileId, "FileEndOfFileInformation", size), 0)
      const told = await watcher.nextBreak()
      assert.strictEqual(told?.newLeaseState, 0)
      assert.strictEqual(await watcher.acknowledge(told!), 0)
      assert.strictEqual((await watcher.create("d", [lease(1, READ | HANDLE)], directory)).leaseState, READ | HANDLE)
      assert.strictEqual(await writer.shut(file.fileId), 0)
      assert.isUndefined(await breakSoFar(watcher))
    }))

  it("is broken after the response to the request that changes the directory", () =>
    withClients(async (connect) => {
      const client = await connect(1)
      await client.create("d", [lease(1, READ | HANDLE)], directory)
      const { fileId } = await client.create("d\\f", [], { createDisposition: CreateDisposition.FILE_CREATE })
      assert.strictEqual((await client.nextBreak())?.leaseKey[0], 1)
      await client.create("d", [lease(2, READ | HANDLE)], directory)
      const size = Buffer.alloc(8)
      size.writeUInt32LE(100)
      client.say(Requests.set(fileId, "file", "FileEndOfFileInformation", size))
      const unsolicited = async () => (await RawClient.prototype.next.call(client))?.readBigUInt64LE(24) === noMessageId
      assert.deepStrictEqual([await unsolicited(), await unsolicited()], [false, true])
    }))

  for (const same of [true, false]) {
    it(`${same ? "stays" : "is broken"} when ${same ? "its own client" : "another client"} asks for the deletion of an entry and its client closes the last open`, () =>
      withClients(async (connect) => {
        const [one, two] = [await connect(1), await connect(2)]
        await one.create("d", [lease(1, READ | HANDLE)], directory)
        const last = await one.create("d\\f", [lease(2, READ | HANDLE, { parent: 1 })])
        // Without HANDLE caching of the other client, no break of that lease is waited for.
        const first = await (same ? one : two).create("d\\f", same ? [lease(3, READ, { parent: 1 })] : [lease(4, READ)])
        assert.strictEqual(first.status, 0)
        assert.strictEqual(
          await (same ? one : two).set(first.fileId, "FileDispositionInformation", Uint8Array.of(1)),
          0
        )
        const broken = await one.nextBreak()
        assert.strictEqual(broken?.leaseKey[0], 2)
        assert.strictEqual(await one.acknowledge(broken!), 0)
        assert.strictEqual(await (same ? one : two).shut(first.fileId), 0)
        assert.isUndefined(await breakSoFar(one))
        assert.strictEqual(await one.shut(last.fileId), 0)
        const told = same ? await breakSoFar(one) : await one.nextBreak()
        assert.deepStrictEqual(told?.leaseKey[0], same ? undefined : 1)
      }))
  }
})

describe("the key of a lease", () => {
  it("names one file: for another file it is refused, and no lease is broken and no file is made", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      await one.create("f", [lease(1, READ | WRITE | HANDLE)])
      await two.create("g", [lease(2, READ | WRITE | HANDLE)])
      const watched = await two.create("", [], directory)
      two.say(Requests.notify(watched.fileId))
      const pending = await RawClient.prototype.next.call(two)
      assert.strictEqual(pending?.readUInt32LE(8), NtStatus.STATUS_PENDING)
      for (const name of ["g", "new", "f:stream"]) {
        for (const createDisposition of Object.values(CreateDisposition)) {
          const exists = name === "g"
          const { FILE_CREATE, FILE_OPEN, FILE_OVERWRITE } = CreateDisposition
          // Whether the name exists is decided before.
          const missing = !exists && (createDisposition === FILE_OPEN || createDisposition === FILE_OVERWRITE)
          const expected = exists && createDisposition === FILE_CREATE
            ? NtStatus.STATUS_OBJECT_NAME_COLLISION
            : missing
            ? NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
            : NtStatus.STATUS_INVALID_PARAMETER
          const { status } = await one.create(name, [lease(1, READ)], { createDisposition })
          assert.include([expected, NtStatus.STATUS_INVALID_PARAMETER], status, `${name} ${createDisposition}`)
        }
      }
      // Neither a break nor a change in the directory has come before this response.
      two.say(Requests.echo)
      const echo = await RawClient.prototype.next.call(two)
      assert.strictEqual(echo?.readUInt16LE(12), Command.ECHO)
    }))
})

describe("a lease of a file", () => {
  it("does not cache writes next to an open that can read the security descriptor", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const attributes = AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE
      const first = await one.create("f", [], { desiredAccess: attributes | AccessMask.READ_CONTROL })
      assert.strictEqual((await two.create("f", [lease(1, READ | WRITE | HANDLE)])).leaseState, READ | HANDLE)
      await one.shut(first.fileId)
      await one.create("g", [], { desiredAccess: attributes })
      assert.strictEqual((await two.create("g", [lease(2, READ | WRITE | HANDLE)])).leaseState, READ | WRITE | HANDLE)
    }))

  it("has the epoch of its client if it is granted nothing", () =>
    withClients(async (connect) => {
      const [one, two] = [await connect(1), await connect(2)]
      const { fileId } = await one.create("f")
      assert.strictEqual(await one.status(Requests.lock(fileId, 0)), 0)
      const { epoch, leaseState } = await two.create("f", [lease(1, READ | HANDLE, { epoch: 7 })])
      assert.deepStrictEqual([leaseState, epoch], [0, 7])
    }))

  for (const [state, stays] of [[READ | WRITE | HANDLE, true], [READ | HANDLE, false]] as const) {
    const what = stays ? "keeps" : "does not keep"
    it(`${what} a durable open with a byte-range lock after a lost connection ${stays ? "with" : "without"} WRITE caching`, () =>
      withClients(async (connect) => {
        const client = await connect(1)
        const createGuid = new Uint8Array(16).fill(5)
        const file = await client.create("f", [
          lease(1, state),
          { _tag: "DurableHandleRequestV2", timeout: 0, flags: 0, createGuid }
        ])
        assert.isTrue(file.contexts.some(({ _tag }) => _tag === "DurableHandleResponseV2"))
        assert.strictEqual(await client.status(Requests.lock(file.fileId, 0)), 0)
        client.close()
        const again = await connect(1)
        let status: number = NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
        // The server may hear of the lost connection after the first attempts.
        for (let i = 0; i < 20 && status !== 0; i++) {
          if (i > 0) await new Promise((resolve) => setTimeout(resolve, 10))
          const { fileId } = file
          const reconnect = { _tag: "DurableHandleReconnectV2", fileId, createGuid, flags: 0 } as const
          status = (await again.create("f", [lease(1, state), reconnect])).status
        }
        assert.strictEqual(status, stays ? 0 : NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      }))
  }
})

describe("a rename", () => {
  for (
    const [what, how, expected] of [
      ["a file", {}, [[NotifyAction.FILE_ACTION_MODIFIED, "new"]]],
      ["a directory", directory, []]
    ] as const
  ) {
    it(`of ${what} is ${expected.length > 0 ? "a change" : "no change"} of its attributes for a watch of attributes`, () =>
      withClients(async (connect) => {
        const [watcher, client] = [await connect(1), await connect(2)]
        const root = await watcher.create("", [], directory)
        const access = { desiredAccess: AccessMask.MAXIMUM_ALLOWED }
        const { fileId } = await client.create("old", [], { ...how, ...access })
        watcher.say({
          _tag: "CHANGE_NOTIFY",
          body: {
            flags: 0,
            outputBufferLength: 4096,
            fileId: root.fileId,
            completionFilter: CompletionFilter.FILE_NOTIFY_CHANGE_ATTRIBUTES
          }
        })
        assert.strictEqual((await watcher.next())?.readUInt32LE(8), NtStatus.STATUS_PENDING)
        const name = Buffer.from("new", "utf16le")
        const rename = Buffer.alloc(20 + name.length)
        rename.writeUInt32LE(name.length, 16)
        name.copy(rename, 20)
        assert.strictEqual(await client.set(fileId, "FileRenameInformation", rename), 0)
        // The end of the watch shows that no other change came before it.
        if (expected.length === 0) watcher.say(Requests.close(root.fileId))
        const answer = await watcher.next()
        const length = answer!.readUInt32LE(64 + 4)
        const entries = length === 0 ? [] : [[
          answer!.readUInt32LE(64 + 8 + 4),
          answer!.toString("utf16le", 64 + 8 + 12, 64 + 8 + 12 + answer!.readUInt32LE(64 + 8 + 8))
        ]]
        assert.deepStrictEqual(entries, expected.map((one) => [...one]))
        assert.strictEqual(answer!.readUInt32LE(8), expected.length > 0 ? 0 : NtStatus.STATUS_NOTIFY_CLEANUP)
      }))
  }
})
