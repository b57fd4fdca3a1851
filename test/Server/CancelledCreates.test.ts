/**
 * Proves what a CANCEL does to a CREATE (MS-SMB2 3.3.5.16): a CREATE that waits for another client ends with
 * STATUS_CANCELLED and has changed nothing; one that the store already works on ends as if there were no CANCEL. And that
 * a CREATE that fails leaves no file behind.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Codec, FileInformation, NtStatus as Status } from "effect-smb/Codec"
import { type ShareStore, storeError } from "../../src/Server/ShareStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import { Command, CreateDisposition as D, HeaderFlags } from "../../src/Smb2/Message/Constants.ts"
import type * as Context from "../../src/Smb2/Message/CreateContext.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { createRequest, HANDLE, lease, type LeaseClient, opened, READ, statusOf, WRITE } from "./LeaseClient.ts"
import { withClients } from "./LeaseServer.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.42"
const existing = { createDisposition: D.FILE_OPEN }
const all = READ | WRITE | HANDLE

/** Sends a CANCEL of the last request; of its AsyncId, if it has an interim response. */
const cancel = (client: LeaseClient, interim?: Buffer): void => {
  const messageId = BigInt(--client.messageId)
  const packet = client.packet(Command.CANCEL, Message.encodeRequest({ _tag: "CANCEL", body: {} }))
  const view = Header.view(packet)
  view.setBigUint64(24, messageId, true)
  if (interim !== undefined) {
    view.setUint32(16, HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND, true)
    view.setBigUint64(32, interim.readBigUInt64LE(32), true)
  }
  client.frame(packet)
}

/** A call of a store that stops until the test lets it go on. */
const gate = () => {
  const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const held = Effect.suspend(() => {
    reached.resolve()
    return Effect.promise(() => open.promise)
  })
  return { held, reached: reached.promise, open: open.resolve }
}

const namesIn = (store: ShareStore) =>
  Effect.runPromise(Effect.map(Stream.runCollect(store.list([])), (all) => all.map(({ name }) => name).toSorted()))

const text = async (client: LeaseClient, name: string): Promise<string> => {
  const { fileId } = await client.create(name, [], existing)
  const answer = (await client.ask(Requests.read(fileId, 100)))!
  await client.shut(fileId)
  return answer.subarray(64 + 16).toString()
}

/** A store in memory, with other operations than its own, and clients of a server with it. */
const served = async (
  over: (store: ShareStore) => Partial<ShareStore>,
  use: (connect: (guid: number) => Promise<LeaseClient>, store: ShareStore) => Promise<void>
) => {
  const store = await Effect.runPromise(MemoryStore.make())
  await withClients(host, (connect) => use(connect, store), Effect.succeed({ ...store, ...over(store) }))
}

describe("a CANCEL of a CREATE", () => {
  for (const [what, createDisposition] of [["an open", D.FILE_OPEN], ["an overwrite", D.FILE_OVERWRITE]] as const) {
    it(`that waits for the lease of another client ends ${what} with STATUS_CANCELLED, and changes nothing`, () =>
      served(() => ({}), async (connect) => {
        const [holder, other] = [await connect(1), await connect(2)]
        const held = await holder.create("f", [lease(1, all)])
        assert.strictEqual(await holder.write(held.fileId, "precious"), 0)
        const interim = (await other.ask(createRequest("f", [], { createDisposition })))!
        assert.strictEqual(statusOf(interim), NtStatus.STATUS_PENDING)
        const broken = (await holder.nextBreak())!
        cancel(other, interim)
        assert.strictEqual(statusOf(await other.next()), NtStatus.STATUS_CANCELLED)
        assert.strictEqual(await holder.acknowledge(broken), 0)
        assert.strictEqual(await text(other, "f"), "precious")
        // No open of the cancelled request is in the way.
        await holder.shut(held.fileId)
        const alone = await holder.create("f", [], { ...existing, shareAccess: 0 })
        assert.strictEqual(alone.status, 0)
      }))
  }

  it("that the store works on changes nothing: the file is made, and the client gets its open", async () => {
    const { held, open, reached } = gate()
    await served(
      (store) => ({
        open: (path, how) => how.mode === "new" ? Effect.andThen(held, store.open(path, how)) : store.open(path, how)
      }),
      async (connect, store) => {
        const client = await connect(1)
        client.say(createRequest("new", [], { createDisposition: D.FILE_CREATE }))
        await reached
        cancel(client)
        // The CANCEL has been handled when a later request has its response.
        client.messageId++
        client.say(Requests.echo)
        assert.strictEqual((await client.next())!.readUInt16LE(12), Command.ECHO)
        open()
        const made = opened(await client.next())
        assert.strictEqual(made.status, 0)
        assert.strictEqual(await client.write(made.fileId, "content"), 0)
        assert.deepStrictEqual(await namesIn(store), ["new"])
      }
    )
  })

  for (const [what, createDisposition] of [["an open", D.FILE_OPEN], ["an overwrite", D.FILE_OVERWRITE]] as const) {
    it(`that the store works on ends ${what} with STATUS_CANCELLED if it has to wait for a lease after that`, async () => {
      const { held, open, reached } = gate()
      let isGated = false
      await served(
        (store) => ({
          open: (path, how) => isGated ? Effect.andThen(held, store.open(path, how)) : store.open(path, how)
        }),
        async (connect) => {
          const [holder, other] = [await connect(1), await connect(2)]
          const held = await holder.create("f", [lease(1, all)])
          assert.strictEqual(await holder.write(held.fileId, "precious"), 0)
          isGated = true
          other.say(createRequest("f", [], { createDisposition }))
          await reached
          cancel(other)
          other.messageId++
          other.say(Requests.echo)
          assert.strictEqual((await other.next())!.readUInt16LE(12), Command.ECHO)
          isGated = false
          open()
          assert.strictEqual(statusOf(await other.next()), NtStatus.STATUS_CANCELLED)
          const broken = await holder.nextBreak()
          if (broken !== undefined) assert.strictEqual(await holder.acknowledge(broken), 0)
          assert.strictEqual(await text(other, "f"), "precious")
          await holder.shut(held.fileId)
          assert.strictEqual((await holder.create("f", [], { ...existing, shareAccess: 0 })).status, 0)
        }
      )
    })
  }

  it("of a file that another client has opened before its end ends with STATUS_CANCELLED, and keeps that client's file", async () => {
    const { held, open, reached } = gate()
    const attributes: Context.Request = {
      _tag: "EaBuffer",
      eaBuffer: Codec.encode(FileInformation.FileFullEaInformation)([
        { flags: 0, eaName: "A", eaValue: Uint8Array.of(1) }
      ])
    }
    await served(
      (store) => ({
        open: (path, how) =>
          Effect.map(store.open(path, how), (one) => ({
            ...one,
            file: { ...one.file, setBlob: (blob, bytes) => Effect.andThen(held, one.file.setBlob(blob, bytes)) }
          }))
      }),
      async (connect, store) => {
        const [maker, other] = [await connect(1), await connect(2)]
        maker.say(createRequest("new", [attributes], { createDisposition: D.FILE_CREATE }))
        await reached
        const theirs = await other.create("new", [lease(2, all)], existing)
        assert.strictEqual(theirs.leaseState, all)
        assert.strictEqual(await other.write(theirs.fileId, "theirs"), 0)
        open()
        const interim = (await maker.next())!
        assert.strictEqual(statusOf(interim), NtStatus.STATUS_PENDING)
        cancel(maker, interim)
        assert.strictEqual(statusOf(await maker.next()), NtStatus.STATUS_CANCELLED)
        const broken = (await other.nextBreak())!
        assert.strictEqual(await other.acknowledge(broken), 0)
        await other.shut(theirs.fileId)
        assert.deepStrictEqual(await namesIn(store), ["new"])
        assert.strictEqual(await text(other, "new"), "theirs")
      }
    )
  })
})

describe("a CREATE that fails", () => {
  it("after it made the file of a new stream leaves neither", () =>
    served(
      (store) => ({
        open: (path, how) =>
          how.stream !== undefined && how.mode === "new" ? Effect.fail(storeError("Full")) : store.open(path, how)
      }),
      async (connect, store) => {
        const client = await connect(1)
        const { status } = await client.create("f:s")
        assert.strictEqual(status, NtStatus.STATUS_DISK_FULL)
        assert.deepStrictEqual(await namesIn(store), [])
        // A file that existed before stays.
        await client.shut((await client.create("f")).fileId)
        assert.strictEqual((await client.create("f:s")).status, NtStatus.STATUS_DISK_FULL)
        assert.deepStrictEqual(await namesIn(store), ["f"])
      }
    ))
})
