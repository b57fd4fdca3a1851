/**
 * Proves how a request waits (MS-SMB2 3.3.4.2): its interim response, its place among the requests that can be
 * cancelled, its limit, and that it ends once. And how sessions number their trees and count for their users.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import { Cancelled } from "../../src/Server/internal/State/Cancelled.ts"
import { FileTable } from "../../src/Server/internal/State/FileTable.ts"
import { Incoming } from "../../src/Server/internal/State/Incoming.ts"
import {
  FileNode,
  FileOpen,
  Lease,
  type PendingRequest,
  PipeOpen,
  Session,
  Share,
  type Tree
} from "../../src/Server/internal/State/Model.ts"

const { NtStatus } = Status

const setUp = (limit = 9) => {
  const interim: Array<bigint> = []
  let asyncIds = 100n
  const connection = {
    server: { limits: { pending: limit } },
    pending: new Map<bigint, PendingRequest>(),
    cancelled: new Cancelled(),
    nextAsyncId: () => asyncIds++
  }
  const make = (messageId = 3) =>
    new Incoming(
      connection as never,
      { messageId } as never,
      new Uint8Array(0),
      true,
      undefined,
      (incoming) => void interim.push(incoming.asyncId)
    )
  return { connection, interim, make }
}

/** A wait under way: how it is resumed, whether it was forgotten, and its result. */
const wait = (incoming: Incoming) => {
  let resume: (value: string) => void = () => assert.fail("it does not wait")
  let forgotten = 0
  const fiber = Effect.runFork(Effect.result(incoming.wait<string>((then) => {
    resume = then
    return () => forgotten++
  })))
  const end = async () => {
    const result = await Effect.runPromise(Fiber.join(fiber))
    return Result.isSuccess(result) ? result.success : Status.name(result.failure.status)
  }
  return { resume: (value: string) => resume(value), forgotten: () => forgotten, end }
}

describe("a request that waits", () => {
  it("gets one interim response and an AsyncId, and has its result when it is resumed", async () => {
    const { connection, interim, make } = setUp()
    const incoming = make()
    incoming.session = new Session(1n)
    incoming.outlivesChannel = true
    const open = { waiting: new Set<PendingRequest>() }
    incoming.open = open as never
    const first = wait(incoming)
    assert.deepStrictEqual([incoming.asyncId, interim], [100n, [100n]])
    const pending = connection.pending.get(100n)!
    assert.deepStrictEqual(
      [pending.asyncId, pending.messageId, pending.session, pending.outlivesChannel],
      [100n, 3, incoming.session, true]
    )
    assert.deepStrictEqual([...open.waiting], [pending])
    first.resume("one")
    first.resume("two")
    pending.abort(NtStatus.STATUS_CANCELLED)
    assert.strictEqual(await first.end(), "one")
    assert.deepStrictEqual([first.forgotten(), connection.pending.size, open.waiting.size], [0, 0, 0])
    // It waits again: it keeps its AsyncId, and no second interim response is sent.
    const second = wait(incoming)
    assert.deepStrictEqual([[...connection.pending.keys()], interim], [[100n], [100n]])
    second.resume("two")
    assert.strictEqual(await second.end(), "two")
  })

  it("ends with the status of its cancellation, and what it waited for forgets it", async () => {
    const { connection, make } = setUp()
    const incoming = make()
    const waiting = wait(incoming)
    const pending = connection.pending.get(100n)!
    assert.deepStrictEqual([pending.session, pending.outlivesChannel], [undefined, false])
    pending.abort(NtStatus.STATUS_CANCELLED)
    pending.abort(NtStatus.STATUS_INVALID_PARAMETER)
    waiting.resume("late")
    assert.strictEqual(await waiting.end(), "STATUS_CANCELLED")
    assert.deepStrictEqual([waiting.forgotten(), connection.pending.size], [1, 0])
  })

  it("has an AsyncId for its cancellation, but none for its response, if it sends no interim response", async () => {
    const { connection, interim, make } = setUp()
    const incoming = make()
    incoming.sendsInterim = false
    const waiting = wait(incoming)
    assert.deepStrictEqual([[...connection.pending.keys()], interim, incoming.asyncId], [[100n], [], 0n])
    waiting.resume("one")
    assert.strictEqual(await waiting.end(), "one")
    assert.strictEqual(connection.pending.size, 0)
  })

  it("is refused with STATUS_INSUFFICIENT_RESOURCES when as many as the limit wait", async () => {
    const { connection, interim, make } = setUp(2)
    const waiting = [wait(make()), wait(make())]
    assert.isFalse(make().mayWait)
    const refused = wait(make())
    assert.strictEqual(await refused.end(), "STATUS_INSUFFICIENT_RESOURCES")
    assert.deepStrictEqual([connection.pending.size, interim], [2, [100n, 101n]])
    waiting[0]!.resume("one")
    assert.strictEqual(await waiting[0]!.end(), "one")
    assert.isTrue(make().mayWait)
    waiting[1]!.resume("two")
    assert.strictEqual(await waiting[1]!.end(), "two")
  })

  it("has the message and the file of its compound under another header, without the wait of the first one", () => {
    const { make } = setUp()
    const incoming = make()
    assert.deepStrictEqual([incoming.last, incoming.encrypted, incoming.asyncId], [true, false, 0n])
    incoming.relatedFileId = { persistent: 1n, volatile: 2n }
    incoming.last = false
    incoming.asyncId = 9n
    const other = incoming.as({ messageId: 4 } as never)
    assert.deepStrictEqual([other.relatedFileId, other.last, other.asyncId], [incoming.relatedFileId, false, 0n])
    assert.deepStrictEqual([other.header.messageId, other.packet === incoming.packet, other.signed], [4, true, true])
    const encrypted = new Incoming({} as never, {} as never, new Uint8Array(0), false, new Session(1n), () => {})
    assert.isTrue(encrypted.encrypted)
    assert.isTrue(encrypted.as({} as never).encrypted)
  })
})

describe("a session", () => {
  const usage = () => {
    let released = 0
    const value = {
      sessions: 0,
      clients: new Map<string, { dialect: number; sessions: number }>(),
      release: () => released++
    }
    return { value: value as never as NonNullable<Session["usage"]>, released: () => released }
  }
  const user = {
    name: "joe",
    sid: "joe",
    groups: new Set<string>(),
    administrator: false,
    guest: false,
    anonymous: false
  }

  it("numbers its trees from 1, never with a number that is in use", () => {
    const session = new Session(1n)
    const use = (id: number) => void session.trees.set(id, {} as Tree)
    assert.deepStrictEqual([session.dialect, session.opening, session.watches], [0, 0, 0])
    assert.deepStrictEqual([session.newTreeId(), session.newTreeId()], [1, 2])
    for (const id of [3, 4, 6]) use(id)
    assert.deepStrictEqual([session.newTreeId(), session.newTreeId()], [5, 7])
  })

  it("is valid from the logon to the end, and counts for one user at a time", () => {
    const session = new Session(1n)
    assert.isFalse(session.valid)
    const [one, other] = [usage(), usage()]
    session.act(user, one.value)
    assert.deepStrictEqual([session.valid, session.user, session.usage, one.value.sessions], [true, user, one.value, 1])
    // The same user logs on again: the usage is not released in between.
    session.act(user, one.value)
    assert.strictEqual(one.value.sessions, 1)
    session.act(user, other.value)
    assert.deepStrictEqual([one.value.sessions, other.value.sessions, one.released(), other.released()], [0, 1, 2, 0])
    session.ended = true
    assert.isFalse(session.valid)
    assert.deepStrictEqual([...one.value.clients], [])
    assert.deepStrictEqual([...other.value.clients.values()], [{ dialect: 0, sessions: 1 }])
    for (let i = 0; i < 2; i++) session.leaveUser()
    assert.deepStrictEqual([...other.value.clients], [])
    assert.deepStrictEqual([other.value.sessions, other.released(), session.usage], [0, 1, undefined])
  })
})

describe("the shares and opens of a server", () => {
  const volume = (readOnly: boolean) => ({ readOnly }) as Share["volume"]

  it("are read-only if the share or its volume is", () => {
    for (
      const [option, disk, expected] of [
        [undefined, false, false],
        [false, false, false],
        [true, false, true],
        [undefined, true, true]
      ] as const
    ) {
      const options = { store: {}, readOnly: option } as Share["options"]
      const table = new FileTable()
      const share = new Share("docs", options, volume(disk), table)
      assert.strictEqual(share.readOnly, expected)
      assert.deepStrictEqual([share.name, share.options, share.store, share.table], [
        "docs",
        options,
        options.store,
        table
      ])
    }
  })

  it("are entered in their share's table, and know their rights, their name and its deletion", () => {
    const table = new FileTable()
    const share = new Share("docs", { store: {} } as Share["options"], volume(false), table)
    const tree: Tree = { id: 1, share, encrypted: false, maximalAccess: 0 }
    const absent = new Set<FileOpen>()
    const usage = { durables: 1 }
    const stream = table.file("1", false).stream("s")
    const fields = {
      id: 9n,
      stream,
      file: {},
      scope: {},
      usage,
      grantedAccess: 6,
      shareAccess: 1,
      createOptions: 2,
      directory: false,
      path: ["F"]
    }
    const session = new Session(1n)
    const open = new FileOpen({ absent } as never, fields as never, session, tree)
    const { path, ...kept } = fields
    for (const [name, value] of Object.entries(kept)) assert.strictEqual(open[name as keyof FileOpen], value, name)
    assert.deepStrictEqual([open.persistentId, open.session, open.tree, open.share, open.table], [
      9n,
      session,
      tree,
      share,
      table
    ])
    assert.deepStrictEqual([open.path, table.at(["f"])], [path, [open.link]])
    assert.isTrue(open.link.opens.has(open) && stream.opens.has(open))
    assert.deepStrictEqual([1, 2, 4, 3, 8].map((access) => open.may(access)), [false, true, true, true, false])
    assert.isFalse(open.deletePending)
    stream.deletePending = true
    assert.isTrue(open.deletePending)
    stream.deletePending = false
    open.link.deletePending = true
    assert.isTrue(open.deletePending)
    // Only an open that waits for its client counts as one that does.
    open.endWaiting()
    assert.strictEqual(usage.durables, 1)
    absent.add(open)
    for (let i = 0; i < 2; i++) open.endWaiting()
    assert.deepStrictEqual([usage.durables, absent.size], [0, 0])
    const fresh = [open.mayBeReplayed, open.closed, open.written, open.deleteOnClose, open.lockCount, open.position]
    assert.deepStrictEqual(fresh, [true, false, false, false, 0, 0n])
    assert.deepStrictEqual(open.outstanding, { sequence: 0, present: 0, before: 0 })
    const pipe = new PipeOpen(open.server, 3n, {} as never, usage as never, session, tree)
    assert.deepStrictEqual([pipe.id, pipe.server, pipe.usage, pipe.session, pipe.tree, pipe.closed], [
      3n,
      open.server,
      usage as never,
      session,
      tree,
      false
    ])
  })
})

describe("the files and leases of a server", () => {
  it("have one stream for each name in any case, and their opens are those of all streams", () => {
    const file = new FileNode("1", false)
    const [data, stream] = [file.stream(""), file.stream("Stream")]
    assert.strictEqual(file.stream("STREAM"), stream)
    assert.notStrictEqual(data, stream)
    assert.strictEqual(stream.name, "Stream")
    const opens = [{}, {}, {}] as Array<never>
    data.opens.add(opens[0]!)
    for (const open of opens.slice(1)) stream.opens.add(open)
    assert.deepStrictEqual([...file.opens()], opens)
  })

  it("change one after the other", async () => {
    const file = new FileNode("1", false)
    let value = 0
    const add = file.changing(Effect.gen(function*() {
      const before = value
      yield* Effect.yieldNow
      value = before + 1
    }))
    await Effect.runPromise(Effect.all([add, add, add], { concurrency: "unbounded" }))
    assert.strictEqual(value, 3)
  })

  it("call each wait of a lease once, also if a call begins another wait", () => {
    const lease = new Lease(new FileNode("1", false).stream(""), 1)
    assert.deepStrictEqual([lease.kind, lease.clientGuid, lease.keyText, lease.version, lease.epoch], [
      "oplock",
      "",
      "",
      1,
      0
    ])
    // An oplock has the key of no lease.
    assert.deepStrictEqual(lease.key, new Uint8Array(16))
    const calls: Array<string> = []
    lease.onSettled(() => {
      calls.push("first")
      lease.onSettled(() => calls.push("later"))
    })
    const forget = lease.onSettled(() => calls.push("forgotten"))
    forget()
    lease.wake()
    assert.deepStrictEqual(calls, ["first"])
    lease.wake()
    assert.deepStrictEqual(calls, ["first", "later"])
    const key = new Uint8Array(16).fill(0xab)
    const fields = { clientGuid: "client", key, version: 2, parentKey: key, epoch: 5 } as const
    const { clientGuid, epoch, keyText, kind, parentKey, version } = new Lease(lease.stream, 1, fields)
    assert.deepStrictEqual([kind, clientGuid, keyText, version, parentKey, epoch], [
      "lease",
      "client",
      "ab".repeat(16),
      2,
      key,
      5
    ])
  })
})
