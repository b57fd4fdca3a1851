/**
 * Proves by models which opens outlive their session (MS-SMB2 3.3.7.1), which caching an open gets next to others
 * (3.3.5.9.8, 3.3.5.9.11), and which requests of which channel sequence run (3.3.5.2.10).
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, type Duration, Effect, Fiber, Result } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as ChannelSequence from "../../src/Server/internal/Command/ChannelSequence.ts"
import * as Durable from "../../src/Server/internal/Command/Durable.ts"
import * as OplockGrant from "../../src/Server/internal/Command/OplockGrant.ts"
import { Meter } from "../../src/Server/internal/State/Meter.ts"
import { FileNode, Lease } from "../../src/Server/internal/State/Model.ts"
import { HANDLE, READ, WRITE } from "../../src/Server/internal/State/OplocksAndLeases.ts"
import { AccessMask as A, Command, Dialect, HeaderFlags, OplockLevel } from "../../src/Smb2/Message/Constants.ts"
import { key } from "./LeaseClient.ts"

describe("Durable.mayStay", () => {
  const makeOpen = (state: number) => ({
    durable: {},
    server: { absent: new Set([1]), limits: { durables: 2, userDurables: 2 } },
    usage: { durables: 1 },
    lease: { state, breaking: undefined },
    locks: undefined,
    deletePending: false
  })
  const stays = (open: object): boolean => Durable.mayStay(open as never)

  it("is true for a durable open that caches handles, within the limits, and for no other", () => {
    for (const state of [0, READ, READ | WRITE, READ | HANDLE, READ | WRITE | HANDLE]) {
      const open = makeOpen(state)
      const handles = (state & HANDLE) !== 0
      assert.strictEqual(stays(open), handles)
      assert.isFalse(stays({ ...open, durable: undefined }))
      assert.isFalse(stays({ ...open, lease: undefined }))
      assert.isFalse(stays({ ...open, deletePending: true }))
      assert.isFalse(stays({ ...open, lease: { state, breaking: READ } }))
      assert.isFalse(stays({ ...open, lease: { state, breaking: 0 } }))
      assert.isFalse(stays({ ...open, server: { ...open.server, absent: new Set([1, 2]) } }))
      assert.isFalse(stays({ ...open, usage: { durables: 2 } }))
      // Locks stay only next to cached writes.
      assert.strictEqual(stays({ ...open, locks: new Map([["0 1", []]]) }), handles && (state & WRITE) !== 0)
      assert.strictEqual(stays({ ...open, locks: new Map() }), handles)
    }
  })
})

describe("Durable.requestResiliency", () => {
  const owner = { clientGuid: "guid", owner: "S-1-5-21-1" }
  /** What an open keeps after a request with a timeout in milliseconds, or the refusal. */
  const kept = (timeout: number, resilientTime: Duration.Input, durable?: object, user: object = {}) => {
    const open = { durable }
    const incoming = {
      connection: { dialect: Dialect.SMB_2_1, negotiated: { clientGuid: owner.clientGuid } },
      server: { limits: { resilientTime } },
      session: { user: { guest: false, sid: owner.owner, ...user } }
    }
    const input = Buffer.alloc(8)
    input.writeUInt32LE(timeout)
    const result = Effect.runSync(
      Effect.result(Durable.requestResiliency(incoming as never, open as never, input))
    )
    return Result.isFailure(result) ? result.failure.status : open.durable
  }

  it("keeps the time of the request, two minutes without one, and never more than the limit (3.3.5.15.9)", () => {
    const first = { resilient: true, persistent: false, version: 1, createGuid: undefined, ...owner }
    for (
      const [timeout, limit, expected] of [
        [1, "5 minutes", 1],
        [0, "5 minutes", 120_000],
        [0, "2 minutes", 120_000],
        [0, "90 seconds", 90_000],
        [300_000, "5 minutes", 300_000]
      ] as const
    ) assert.deepStrictEqual<unknown>(kept(timeout, limit), { ...first, timeout: expected })
    assert.strictEqual(kept(300_001, "5 minutes"), NtStatus.STATUS_INVALID_PARAMETER)
    assert.strictEqual(kept(0, "5 minutes", undefined, { guest: true }), NtStatus.STATUS_NOT_SUPPORTED)
  })

  it("keeps the version and the CreateGuid of a durable open, by which its client asks for it again", () => {
    assert.deepStrictEqual<unknown>(kept(5, "1 minute", { version: 2, createGuid: "made", timeout: 9 }), {
      resilient: true,
      persistent: false,
      version: 2,
      createGuid: "made",
      timeout: 5,
      ...owner
    })
  })
})

describe("OplockGrant", () => {
  const reports = { complete: true } as never
  const fields = (number: number) => ({
    clientGuid: "1",
    key: key(number),
    version: 2 as const,
    parentKey: undefined,
    epoch: 5
  })
  const place = (known: Array<Lease> = []) => {
    const stream = new FileNode("it", false).stream("")
    const server = {
      meter: new Meter(Context.empty()),
      leases: {
        find: (clientGuid: string, wanted: Uint8Array) =>
          known.find((one) => one.clientGuid === clientGuid && Buffer.compare(one.key, wanted) === 0),
        add: (one: Lease) => known.push(one)
      }
    }
    const enter = (grantedAccess: number, lease?: Lease, directory = false): any => {
      const open = { grantedAccess, lease, stream, directory, usage: { leases: new Map() } }
      stream.opens.add(open as never)
      if (lease !== undefined) lease.opens.add(open as never)
      return open
    }
    const incoming = { server, connection: { negotiated: { clientGuid: "1" } } } as never
    const ask = (open: any, level: number, lease?: object): OplockGrant.Granted =>
      OplockGrant.grant(incoming, { requestedOplockLevel: level } as never, { lease } as never, open, reports)
    return { stream, known, enter, ask }
  }
  const BATCH = OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
  const LEASE = OplockLevel.SMB2_OPLOCK_LEVEL_LEASE
  const asked = (number: number, state: number, more: object = {}) => ({
    version: 2,
    key: key(number),
    state,
    parentKey: undefined,
    epoch: 5,
    ...more
  })
  const all = READ | WRITE | HANDLE

  it("grants next to another open what its access and its caching leave", () => {
    const none = 0
    const rows: ReadonlyArray<
      readonly [string, number, (at: ReturnType<typeof place>) => Lease | undefined, number, number]
    > = [
      // What the other open is, its access, its caching; the level of an oplock, and the state of a lease.
      ["attributes", A.FILE_READ_ATTRIBUTES, () => undefined, 1, all],
      ["data", A.FILE_READ_DATA, () => undefined, 1, READ | HANDLE],
      ["an oplock of reads", A.FILE_READ_ATTRIBUTES, ({ stream }) => new Lease(stream, READ), 1, READ],
      ["an oplock of nothing", A.FILE_READ_ATTRIBUTES, ({ stream }) => new Lease(stream, 0), 1, READ | HANDLE],
      ["a batch oplock", A.FILE_READ_ATTRIBUTES, ({ stream }) => new Lease(stream, all), none, 0],
      [
        "a lease of reads",
        A.FILE_READ_ATTRIBUTES,
        ({ stream }) => new Lease(stream, READ, fields(9)),
        1,
        READ | HANDLE
      ],
      [
        "a lease of handles",
        A.FILE_READ_ATTRIBUTES,
        ({ stream }) => new Lease(stream, READ | HANDLE, fields(9)),
        none,
        READ | HANDLE
      ],
      ["a lease of writes", A.FILE_READ_ATTRIBUTES, ({ stream }) => new Lease(stream, READ | WRITE, fields(9)), none, 0]
    ]
    for (const [name, access, caching, level, state] of rows) {
      const one = place()
      one.enter(access, caching(one))
      const oplock = one.enter(A.FILE_READ_DATA)
      assert.deepStrictEqual(one.ask(oplock, BATCH), { oplockLevel: level, lease: undefined }, name)
      assert.strictEqual(oplock.lease?.opens.size, level === none ? undefined : 1, name)
      const two = place()
      two.enter(access, caching(two))
      const granted = two.ask(two.enter(A.FILE_READ_DATA), LEASE, asked(1, all))
      assert.strictEqual(granted.oplockLevel, LEASE)
      // A request that gets nothing keeps the client's own epoch.
      assert.deepInclude(granted.lease, { leaseState: state, epoch: state === 0 ? 5 : 6, leaseFlags: 0 }, name)
    }
  })

  it("lets a lease grow to all that a further open asks for, and says so by its epoch", () => {
    const at = place()
    const first = at.enter(A.FILE_READ_DATA)
    assert.deepInclude(at.ask(first, LEASE, asked(1, READ)).lease, { leaseState: READ, epoch: 6 })
    const grow = (state: number) => at.ask(at.enter(A.FILE_READ_DATA), LEASE, asked(1, state)).lease
    assert.deepInclude(grow(READ), { leaseState: READ, epoch: 6 })
    assert.deepInclude(grow(READ | HANDLE), { leaseState: READ | HANDLE, epoch: 7 })
    assert.deepInclude(grow(READ), { leaseState: READ | HANDLE, epoch: 7 })
    // READ and WRITE would take the handles away.
    assert.deepInclude(grow(READ | WRITE), { leaseState: READ | HANDLE, epoch: 7 })
    assert.deepInclude(grow(all), { leaseState: all, epoch: 8 })
    assert.strictEqual(at.known.length, 1)
    const [lease] = at.known
    assert.strictEqual(lease!.opens.size, 6)
    lease!.state = READ
    lease!.breaking = 0
    assert.deepInclude(grow(all), { leaseState: READ, epoch: 8, leaseFlags: 2 })
    lease!.breaking = undefined
    lease!.epoch = 0xffff
    assert.deepInclude(grow(all), { leaseState: all, epoch: 0, leaseFlags: 0 })
  })

  it("counts an open's leases in its user's usage, and keeps the keys that it names", () => {
    const at = place()
    const open = at.enter(A.FILE_READ_DATA)
    const granted = at.ask(open, LEASE, asked(1, READ, { parentKey: key(3) }))
    assert.deepInclude(granted.lease, { leaseKey: key(1), parentLeaseKey: key(3), leaseFlags: 4 })
    assert.strictEqual(open.parentLeaseKey, "03".repeat(16))
    assert.strictEqual(open.usage.leases.get(open.lease), 1)
    const further = at.enter(A.FILE_READ_DATA)
    further.usage = open.usage
    at.ask(further, LEASE, asked(1, READ))
    assert.strictEqual(open.usage.leases.get(open.lease), 2)
    assert.isTrue(at.stream.leases.has(open.lease))
    // A lease of version 1 has no epoch, and a directory gets none.
    const old = at.ask(at.enter(A.FILE_READ_DATA), LEASE, { ...asked(2, READ), version: 1 })
    assert.deepStrictEqual(old.lease, { _tag: "ResponseLease", leaseKey: key(2), leaseState: READ, leaseFlags: 0 })
    const directory = place()
    const none = { oplockLevel: 0, lease: undefined }
    assert.deepStrictEqual(
      directory.ask(directory.enter(1, undefined, true), LEASE, { ...asked(2, READ), version: 1 }),
      none
    )
    assert.deepStrictEqual(directory.ask(directory.enter(1, undefined, true), BATCH), none)
    assert.deepStrictEqual(at.ask(at.enter(A.FILE_READ_DATA), 0), none)
  })

  it("is asked for by a lease or a level that caches something", () => {
    const asks = (requestedOplockLevel: number, lease?: object) =>
      OplockGrant.asksToCache({ requestedOplockLevel } as never, { lease } as never)
    for (const [level, expected] of [[0, false], [1, true], [8, true], [9, true], [0xff, false]] as const) {
      assert.strictEqual(asks(level), expected)
      assert.isTrue(asks(level, asked(1, READ)))
    }
  })
})

describe("ChannelSequence.guard", () => {
  const run = (
    open: object,
    sequence: number,
    { command = Command.WRITE, again = false, dialect = Dialect.SMB_3_0, related }: {
      command?: number
      again?: boolean
      dialect?: number
      related?: object
    } = {},
    effect: Effect.Effect<undefined> = Effect.succeed(undefined)
  ) =>
    Effect.result(ChannelSequence.guard(
      {
        connection: { dialect },
        header: { command, status: sequence, flags: again ? HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION : 0 },
        relatedFileId: related
      } as never,
      open as never,
      effect
    ))
  const makeOpen = (sequence = 0) => ({ mayBeReplayed: true, outstanding: { sequence, present: 0, before: 0 } })
  const runs = (...args: Parameters<typeof run>) => Result.isSuccess(Effect.runSync(run(...args)))

  it("refuses changes from an earlier sequence, counted in 16 bits", () => {
    for (
      const [present, sent, isRun] of [
        [0, 0, true],
        [0, 1, true],
        [0, 0x7fff, true],
        [0, 0x8000, false],
        [0, 0xffff, false],
        [5, 4, false],
        [0xffff, 0, true],
        [0xfffe, 0x7ffd, true],
        [0xfffe, 0x7ffe, false]
      ] as const
    ) {
      for (
        const command of [Command.WRITE, Command.SET_INFO, Command.IOCTL, Command.READ, Command.LOCK, Command.FLUSH]
      ) {
        const open = makeOpen(present)
        const changes = command === Command.WRITE || command === Command.SET_INFO || command === Command.IOCTL
        assert.strictEqual(runs(open, sent, { command }), isRun || !changes, `${present} ${sent} ${command}`)
        assert.deepStrictEqual(open.outstanding, { sequence: isRun ? sent : present, present: 0, before: 0 })
      }
    }
  })

  it("refuses a repeated change while one of an earlier sequence is under way, and lets it run afterwards", () =>
    Effect.runPromise(Effect.gen(function*() {
      const open = makeOpen()
      const gates = [yield* Deferred.make<undefined>(), yield* Deferred.make<undefined>()]
      const first = yield* Effect.forkChild(run(open, 0, {}, Deferred.await(gates[0]!)), { startImmediately: true })
      // One of the same sequence runs next to it, also repeated.
      assert.isTrue(Result.isSuccess(yield* run(open, 0, { again: true })))
      assert.isTrue(Result.isSuccess(yield* run(open, 1)))
      const second = yield* Effect.forkChild(run(open, 1, {}, Deferred.await(gates[1]!)), { startImmediately: true })
      assert.deepStrictEqual(open.outstanding, { sequence: 1, present: 1, before: 1 })
      assert.isTrue(Result.isFailure(yield* run(open, 1, { again: true })))
      assert.isTrue(Result.isFailure(yield* run(open, 2, { again: true })))
      assert.deepStrictEqual(open.outstanding, { sequence: 2, present: 0, before: 2 })
      assert.isTrue(Result.isSuccess(yield* run(open, 2)))
      yield* Deferred.succeed(gates[0]!, undefined)
      yield* Fiber.join(first)
      assert.isTrue(Result.isFailure(yield* run(open, 2, { again: true })))
      yield* Deferred.succeed(gates[1]!, undefined)
      yield* Fiber.join(second)
      assert.deepStrictEqual(open.outstanding, { sequence: 2, present: 0, before: 0 })
      assert.isTrue(Result.isSuccess(yield* run(open, 2, { again: true })))
    })))

  it("knows by a request that the client has its CREATE's response, unless it is repeated or related", () => {
    for (
      const [again, related, isKnown] of [
        [false, undefined, true],
        [true, undefined, false],
        [false, {}, false],
        [true, {}, false]
      ] as const
    ) {
      const open = makeOpen()
      runs(open, 0, { again, ...related === undefined ? {} : { related } })
      assert.strictEqual(open.mayBeReplayed, !isKnown)
    }
  })

  it("counts no sequence before 3.0", () => {
    const open = makeOpen()
    assert.isTrue(runs(open, 7, { dialect: Dialect.SMB_2_1 }))
    assert.strictEqual(open.outstanding.sequence, 0)
  })
})
