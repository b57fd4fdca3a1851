/**
 * Proves how oplocks and leases are broken (MS-SMB2 3.3.4.6, 3.3.4.7, 3.3.5.22): for each state and each state that may
 * be kept, which client is told what by which connection, what waits for an acknowledgment, and when waits end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import type { Identity } from "../../src/Server/internal/State/Identity.ts"
import { LeaseTable } from "../../src/Server/internal/State/LeaseTable.ts"
import { Meter } from "../../src/Server/internal/State/Meter.ts"
import {
  type Connection,
  FileNode,
  type FileOpen,
  Lease,
  type Server,
  Session
} from "../../src/Server/internal/State/Model.ts"
import * as OplocksAndLeases from "../../src/Server/internal/State/OplocksAndLeases.ts"
import { OplockLevel } from "../../src/Smb2/Message/Constants.ts"

const { HANDLE: H, READ: R, WRITE: W } = OplocksAndLeases
const key = new Uint8Array(16).fill(7)

/** The parts of a server that breaks use. */
const makeServer = () => {
  const timers: Array<{ run: () => void; stopped: boolean }> = []
  /** After these the client is told by its next channel. */
  const channelTimers: typeof timers = []
  const closedOpens: Array<unknown> = []
  const server = {
    limits: { breakTime: "35 seconds" },
    connections: new Set<Connection>(),
    leases: new LeaseTable<Lease>(),
    meter: new Meter(Context.empty()),
    run: (effect: Effect.Effect<unknown>) => void Effect.runSync(effect),
    closeOpen: (open: unknown) => Effect.sync(() => closedOpens.push(open)),
    after: (time: unknown, effect: Effect.Effect<unknown>) => {
      assert.isTrue(time === "35 seconds" || time === "2 seconds")
      const timer = { run: () => void Effect.runSync(effect), stopped: false }
      ;(time === "35 seconds" ? timers : channelTimers).push(timer)
      return () => {
        timer.stopped = true
      }
    }
  }
  return { server: server as unknown as Server, timers, channelTimers, closedOpens }
}

type Known = ReturnType<typeof makeServer>

const person = (sid: string, guest = false): Identity => ({
  name: sid,
  sid,
  groups: new Set(),
  administrator: false,
  guest,
  anonymous: false
})

const makeSession = (id: bigint, user: Identity | undefined = person("joe")) => {
  const session = new Session(id)
  session.user = user
  return session
}

const connect = ({ server }: Known, name: string, clientGuid: string, ...sessions: ReadonlyArray<Session>) => {
  const told: Array<{ readonly session: bigint; readonly encrypted: boolean; readonly body: any }> = []
  const connection = {
    name,
    closed: false,
    negotiated: { clientGuid },
    sessions: new Map(sessions.map((session) => [session.id, session])),
    notify: (session: Session, encrypted: boolean, response: any) => {
      assert.strictEqual(response._tag, "OPLOCK_BREAK")
      told.push({ session: session.id, encrypted, body: response.body })
    }
  }
  ;(server.connections as unknown as Set<unknown>).add(connection)
  for (const session of sessions) session.channels.set(connection as never, { sign: undefined })
  return { connection: connection as unknown as Connection & { closed: boolean }, told }
}

const addOpen = (lease: Lease, session: Session | undefined, id = 5n, encrypted = false): FileOpen => {
  const open = { id, session, tree: { encrypted }, lease, usage: { leases: new Map([[lease, 1]]) } }
  lease.opens.add(open as never)
  return open as never
}

const makeLease = ({ server }: Known, kind: "oplock" | 1 | 2, state: number, guid = "client") => {
  const stream = new FileNode("1", false).stream("")
  const lease = kind === "oplock"
    ? new Lease(stream, state)
    : new Lease(stream, state, { clientGuid: guid, key, version: kind, parentKey: undefined, epoch: 8 })
  stream.leases.add(lease)
  if (kind !== "oplock") server.leases.add(lease)
  return lease
}

/** A lease of one open by a session with one connection. */
const setUp = (kind: "oplock" | 1 | 2, state: number) => {
  const known = makeServer()
  const session = makeSession(1n)
  const { connection, told } = connect(known, "first", "client", session)
  const lease = makeLease(known, kind, state)
  const open = addOpen(lease, session)
  let settled = 0
  lease.onSettled(() => settled++)
  return { ...known, session, connection, told, lease, open, settled: () => settled }
}

const states = [0, R, R | H, R | W, R | W | H]
const keeps = [0, R, H, W, R | H, R | W, H | W, R | W | H]
const levels = {
  none: OplockLevel.SMB2_OPLOCK_LEVEL_NONE,
  two: OplockLevel.SMB2_OPLOCK_LEVEL_II,
  exclusive: OplockLevel.SMB2_OPLOCK_LEVEL_EXCLUSIVE,
  batch: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH
}

/** The state that stays: a lease keeps what it may with R, an oplock falls to LEVEL_II or none. */
const after = (kind: "oplock" | 1 | 2, state: number, keep: number): number => {
  if ((state & keep & R) === 0) return 0
  return kind !== "oplock" || (state & keep) === state ? state & keep : R
}

describe("the levels of oplocks", () => {
  it("are those of the states, in both directions", () => {
    const table: ReadonlyArray<readonly [number, number]> = [
      [0, levels.none],
      [R, levels.two],
      [R | W, levels.exclusive],
      [R | W | H, levels.batch]
    ]
    for (const [state, level] of table) {
      assert.strictEqual(OplocksAndLeases.levelOf(state), level)
      assert.strictEqual(OplocksAndLeases.stateOf(level), state)
    }
    assert.strictEqual(OplocksAndLeases.stateOf(OplockLevel.SMB2_OPLOCK_LEVEL_LEASE), 0)
  })
})

describe("a break", () => {
  for (const kind of ["oplock", 1, 2] as const) {
    it(`tells the client what it may keep, and waits unless only reads were cached: ${kind}`, () => {
      for (const state of states) {
        for (const keep of keeps) {
          const { lease, server, settled, timers, told } = setUp(kind, state)
          OplocksAndLeases.breakTo(server, lease, keep)
          const to = after(kind, state, keep)
          const where = `${state} keeps ${keep}`
          const waits = to !== state && state !== R
          assert.strictEqual(lease.breaking, waits ? to : undefined, where)
          assert.strictEqual(lease.state, waits ? state : to, where)
          assert.strictEqual(timers.length, waits ? 1 : 0, where)
          assert.strictEqual(lease.epoch, kind === "oplock" ? 0 : kind === 2 && to !== state ? 9 : 8, where)
          assert.strictEqual(settled(), 0)
          const body = kind === "oplock"
            ? {
              _tag: "OplockBreak",
              oplockLevel: OplocksAndLeases.levelOf(to),
              fileId: { persistent: 5n, volatile: 5n }
            }
            : {
              _tag: "LeaseBreakNotification",
              newEpoch: kind === 2 ? 9 : 0,
              flags: waits ? 1 : 0,
              leaseKey: key,
              currentLeaseState: state,
              newLeaseState: to
            }
          assert.deepStrictEqual(told, to === state ? [] : [{ session: 1n, encrypted: false, body }], where)
        }
      }
    })

    it(`that the client does not acknowledge ends with nothing: ${kind}`, () => {
      const { lease, server, settled, timers } = setUp(kind, R | W)
      OplocksAndLeases.breakTo(server, lease, R)
      timers[0]!.run()
      assert.deepStrictEqual([lease.state, lease.breaking, settled()], [0, undefined, 1])
      assert.isUndefined(lease.stopTimer)
    })

    it(`that the client acknowledges stops the timeout: ${kind}`, () => {
      const { lease, server, settled, timers } = setUp(kind, R | W)
      OplocksAndLeases.breakTo(server, lease, R)
      OplocksAndLeases.settle(server, lease, R)
      assert.deepStrictEqual([lease.state, lease.breaking, settled()], [R, undefined, 1])
      assert.isTrue(timers[0]!.stopped)
      assert.isUndefined(lease.stopTimer)
      // Its timer has come at the same time.
      timers[0]!.run()
      assert.strictEqual(lease.state, R)
    })

    it(`of a client without a connection ends at once, and its opens are closed if a client had to answer: ${kind}`, () => {
      for (const state of states) {
        const known = makeServer()
        const lease = makeLease(known, kind, state)
        const opens = [addOpen(lease, undefined, 5n), addOpen(lease, undefined, 6n)]
        let settled = 0
        lease.onSettled(() => settled++)
        OplocksAndLeases.breakTo(known.server, lease, 0)
        assert.deepStrictEqual([lease.state, lease.breaking], [0, undefined])
        assert.strictEqual(settled, state === 0 ? 0 : 1)
        assert.deepStrictEqual<unknown>(known.closedOpens, state === 0 || state === R ? [] : opens)
        assert.deepStrictEqual(known.timers, [])
      }
    })
  }

  it("of a lease that more is asked of goes on with writes and handles first, then reads, with the same epoch", () => {
    const { lease, server, settled, told } = setUp(2, R | W | H)
    OplocksAndLeases.breakTo(server, lease, R | H)
    OplocksAndLeases.breakTo(server, lease, R)
    assert.strictEqual(lease.required, R)
    OplocksAndLeases.breakTo(server, lease, H)
    assert.strictEqual(lease.required, 0)
    assert.strictEqual(told.length, 1)
    OplocksAndLeases.settle(server, lease, R | H)
    assert.deepStrictEqual([lease.state, lease.breaking, lease.required, settled()], [R | H, R, 0, 0])
    OplocksAndLeases.settle(server, lease, R)
    assert.deepStrictEqual([lease.state, lease.breaking, lease.required, settled()], [0, undefined, undefined, 1])
    assert.deepStrictEqual(
      told.map(({ body }) => [body.currentLeaseState, body.newLeaseState, body.flags, body.newEpoch]),
      [[R | W | H, R | H, 1, 9], [R | H, R, 1, 9], [R, 0, 0, 9]]
    )
  })

  it("of a lease is over when the client keeps no more than was asked last", () => {
    const { lease, server, settled, told } = setUp(1, R | W | H)
    OplocksAndLeases.breakTo(server, lease, R | H)
    OplocksAndLeases.breakTo(server, lease, R)
    OplocksAndLeases.settle(server, lease, R)
    assert.deepStrictEqual([lease.state, lease.breaking, lease.required, settled(), told.length], [
      R,
      undefined,
      undefined,
      1,
      1
    ])
  })

  it("of an oplock under way stays the same when more is asked", () => {
    const { lease, server, told } = setUp("oplock", R | W | H)
    OplocksAndLeases.breakTo(server, lease, R)
    OplocksAndLeases.breakTo(server, lease, 0)
    assert.deepStrictEqual([lease.breaking, lease.required, told.length], [R, undefined, 1])
  })

  it("has an epoch of 16 bits", () => {
    const { lease, server, told } = setUp(2, R | W)
    lease.epoch = 0xffff
    OplocksAndLeases.breakTo(server, lease, R)
    assert.deepStrictEqual([lease.epoch, told[0]!.body.newEpoch], [0, 0])
  })
})

describe("the connection for a break", () => {
  const toldBy = (
    kind: "oplock" | 1,
    session: Session,
    make: (known: Known) => ReadonlyArray<ReturnType<typeof connect>>,
    encrypted = false
  ) => {
    const known = makeServer()
    const all = make(known)
    const lease = makeLease(known, kind, R | W)
    addOpen(lease, undefined, 4n)
    addOpen(lease, session, 5n, encrypted)
    OplocksAndLeases.breakTo(known.server, lease, R)
    const found = all.findIndex(({ told }) => told.length > 0)
    if (found >= 0) assert.deepStrictEqual(all[found]!.told.map((one) => one.encrypted), [encrypted])
    return found < 0 ? undefined : [found, all[found]!.told[0]!.session]
  }
  const mine = () => makeSession(1n)

  it("is the client's first for a lease, and one of the session for an oplock", () => {
    for (const kind of [1, "oplock"] as const) {
      const expected = kind === 1 ? [1, 2n] : [2, 1n]
      const session = mine()
      const make = (known: Known) => [
        connect(known, "of another client", "other", makeSession(3n)),
        connect(known, "of the same user", "client", makeSession(2n)),
        connect(known, "of the session", "client", session)
      ]
      assert.deepStrictEqual(toldBy(kind, session, make), expected)
      const again = mine()
      assert.deepStrictEqual(
        toldBy(kind, again, (known) => [
          connect(known, "", "other"),
          connect(known, "", "client", makeSession(2n)),
          connect(known, "", "client", again)
        ], true),
        expected
      )
    }
  })

  it("is not closed, and has a valid session of the same user", () => {
    const others: ReadonlyArray<readonly [string, () => Session]> = [
      ["another user", () => makeSession(2n, person("ann"))],
      ["a guest", () => makeSession(2n, person("joe", true))],
      ["nobody yet", () => {
        const session = new Session(2n)
        return session
      }],
      ["a user who has logged off", () => Object.assign(makeSession(2n), { ended: true })]
    ]
    for (const [title, make] of others) {
      const session = mine()
      const found = toldBy(1, session, (known) => [
        connect(known, "", "client", make()),
        connect(known, "", "client", session)
      ])
      assert.deepStrictEqual(found, [1, 1n], title)
    }
    const session = mine()
    const make = (known: Known) => {
      const closed = connect(known, "", "client", makeSession(2n))
      closed.connection.closed = true
      const own = connect(known, "", "client", session)
      return [closed, own]
    }
    assert.deepStrictEqual(toldBy(1, session, make), [1, 1n])
    const lost = mine()
    for (const kind of [1, "oplock"] as const) {
      const found = toldBy(kind, lost, (known) => {
        const own = connect(known, "", "client", lost)
        own.connection.closed = true
        return [own]
      })
      assert.isUndefined(found)
    }
  })

  it("is one of the session's own if its messages must be encrypted", () => {
    const session = mine()
    session.encryptRequired = true
    const make = (known: Known) => [
      connect(known, "", "client", makeSession(2n)),
      connect(known, "", "client", session)
    ]
    assert.deepStrictEqual(toldBy(1, session, make), [1, 1n])
  })

  it("that is lost does not repeat a break that another connection has told of", () => {
    const { connection, lease, server, session, told, ...known } = setUp(1, R | W | H)
    OplocksAndLeases.breakTo(server, lease, R | H)
    OplocksAndLeases.settle(server, lease, R | H)
    connection.closed = true
    const second = connect({ server, ...known }, "second", "client", session)
    OplocksAndLeases.breakTo(server, lease, R)
    assert.deepStrictEqual([told.length, second.told.length], [1, 1])
    OplocksAndLeases.tellAgain(server, connection)
    assert.strictEqual(second.told.length, 1)
  })

  it("that is lost tells its successor of every break that it has told of, and of no other", () => {
    const { connection, lease, server, session, ...known } = setUp(1, R | W)
    const leases = [
      lease,
      makeLease({ server, ...known }, "oplock", R | W),
      makeLease({ server, ...known }, "oplock", R | W)
    ]
    for (const [i, one] of leases.entries()) {
      if (i > 0) addOpen(one, session, BigInt(10 + i))
      OplocksAndLeases.breakTo(server, one, R)
    }
    const quiet = makeLease({ server, ...known }, "oplock", R)
    addOpen(quiet, session, 20n)
    OplocksAndLeases.breakTo(server, quiet, 0)
    OplocksAndLeases.settle(server, leases[1]!, R)
    connection.closed = true
    const second = connect({ server, ...known }, "second", "client", session)
    OplocksAndLeases.tellAgain(server, connection)
    assert.deepStrictEqual(
      second.told.map(({ body }) => body._tag === "OplockBreak" ? body.fileId.volatile : "lease"),
      [
        "lease",
        12n
      ]
    )
  })

  it("that is lost before the acknowledgment is replaced by another, which tells the client again", () => {
    for (const kind of ["oplock", 2] as const) {
      const { connection, lease, server, session, told, ...known } = setUp(kind, R | W)
      OplocksAndLeases.breakTo(server, lease, R)
      // Another break of this connection is over.
      const over = makeLease({ server, ...known }, "oplock", R | W)
      addOpen(over, session, 6n)
      OplocksAndLeases.breakTo(server, over, R)
      OplocksAndLeases.settle(server, over, R)
      connection.closed = true
      session.channels.delete(connection)
      const second = connect({ server, ...known }, "second", "client", session)
      OplocksAndLeases.tellAgain(server, connection)
      assert.deepStrictEqual(second.told, told.slice(0, 1))
      OplocksAndLeases.tellAgain(server, connection)
      assert.strictEqual(second.told.length, 1)
      // The second connection is lost too, without another one.
      second.connection.closed = true
      OplocksAndLeases.tellAgain(server, second.connection)
      assert.strictEqual(lease.breaking, R)
    }
  })

  for (const kind of ["oplock", 2] as const) {
    it(`that brings no acknowledgment is followed by the next one, each once: ${kind === 2 ? "lease" : kind}`, () => {
      const { channelTimers, connection, lease, server, session, told, ...known } = setUp(kind, R | W)
      const all = { channelTimers, server, ...known }
      const [second, third, fourth] = ["second", "third", "fourth"].map((name) => connect(all, name, "client", session))
      OplocksAndLeases.breakTo(server, lease, R)
      const counts = () => [told, second!.told, third!.told, fourth!.told].map(({ length }) => length)
      assert.deepStrictEqual(counts(), [1, 0, 0, 0])
      channelTimers[0]!.run()
      assert.deepStrictEqual(counts(), [1, 1, 0, 0])
      // A channel that is lost is left out.
      third!.connection.closed = true
      channelTimers[1]!.run()
      assert.deepStrictEqual(counts(), [1, 1, 0, 1])
      assert.strictEqual(channelTimers.length, 2)
      for (const { told: again } of [second!, fourth!]) assert.deepStrictEqual(again, told)
      // The loss of the last one tells by the first one that is left.
      fourth!.connection.closed = true
      OplocksAndLeases.tellAgain(server, fourth!.connection)
      assert.deepStrictEqual(counts(), [2, 1, 0, 1])
      assert.strictEqual(lease.breaking, R)
      OplocksAndLeases.settle(server, lease, R)
      assert.isFalse(connection.closed)
    })
  }

  it("is the only one that tells of a break that is acknowledged, or over, before the next one would", () => {
    for (const end of ["acknowledgment", "timeout"] as const) {
      const { channelTimers, lease, server, session, timers, ...known } = setUp(2, R | W)
      const second = connect({ channelTimers, server, timers, ...known }, "second", "client", session)
      OplocksAndLeases.breakTo(server, lease, R)
      if (end === "timeout") timers[0]!.run()
      else OplocksAndLeases.settle(server, lease, R)
      assert.deepStrictEqual(channelTimers.map(({ stopped }) => stopped), [true])
      channelTimers[0]!.run()
      assert.strictEqual(second.told.length, 0)
    }
  })

  it("has no timer if the client has no other", () => {
    const { channelTimers, lease, server } = setUp(2, R | W)
    OplocksAndLeases.breakTo(server, lease, R)
    assert.strictEqual(channelTimers.length, 0)
  })
})

describe("the end of a lease", () => {
  it("comes with its last open, ends its break, and leaves the server's and the user's tables", () => {
    for (const kind of ["oplock", 1] as const) {
      const { lease, open, server, session, settled, timers } = setUp(kind, R | W)
      const leases = new Map([[lease, 2]])
      const opens = [open, addOpen(lease, session, 6n)] as Array<any>
      for (const one of opens) one.usage = { leases }
      OplocksAndLeases.breakTo(server, lease, R)
      OplocksAndLeases.release(server, opens[0])
      assert.deepStrictEqual([leases.get(lease), lease.opens.size, opens[0].lease, settled()], [1, 1, undefined, 0])
      assert.strictEqual(server.leases.find("client", key), kind === 1 ? lease : undefined)
      assert.isTrue(lease.stream.leases.has(lease))
      // A second release does nothing.
      OplocksAndLeases.release(server, opens[0])
      assert.strictEqual(leases.get(lease), 1)
      OplocksAndLeases.release(server, opens[1])
      assert.deepStrictEqual([leases.size, lease.state, lease.breaking, settled()], [0, 0, undefined, 1])
      assert.isTrue(timers[0]!.stopped)
      assert.isUndefined(server.leases.find("client", key))
      assert.isFalse(lease.stream.leases.has(lease))
    }
  })

  it("of an oplock leaves a lease with an empty key in the server's table", () => {
    const { lease, open, server } = setUp("oplock", R)
    server.leases.add(lease)
    OplocksAndLeases.release(server, open)
    assert.strictEqual(server.leases.find("", new Uint8Array(0)), lease)
  })

  it("is near when all its opens wait for their client", () => {
    const known = makeServer()
    const lease = makeLease(known, 1, R)
    assert.isFalse(OplocksAndLeases.isOrphan(lease))
    addOpen(lease, undefined)
    assert.isTrue(OplocksAndLeases.isOrphan(lease))
    addOpen(lease, makeSession(1n))
    assert.isFalse(OplocksAndLeases.isOrphan(lease))
    assert.isTrue(OplocksAndLeases.isSame(lease, lease))
    for (const other of [undefined, makeLease(known, 1, R)]) assert.isFalse(OplocksAndLeases.isSame(lease, other))
    assert.isFalse(OplocksAndLeases.isSame(undefined, undefined))
  })
})

describe("a request that waits for breaks", () => {
  const waiting = () => {
    let done = 0
    let forget = () => {}
    let waits = false
    const request = {
      wait: (register: (resume: (value: never) => void) => () => void) =>
        Effect.sync(() => {
          waits = true
          forget = register(() => done++)
        })
    }
    return { request: request as never, done: () => done, forget: () => forget(), waits: () => waits }
  }

  for (const all of [true, false]) {
    const wait = all ? OplocksAndLeases.waitFor : OplocksAndLeases.waitForOne
    it(`continues when ${all ? "all are" : "the first is"} over, and not before`, () => {
      const [one, other] = [setUp(1, R | W), setUp("oplock", R | W)]
      const leases = [one.lease, other.lease]
      const none = waiting()
      Effect.runSync(wait(none.request, leases))
      assert.isFalse(none.waits())
      OplocksAndLeases.breakTo(one.server, one.lease, 0)
      const half = waiting()
      Effect.runSync(wait(half.request, leases))
      assert.strictEqual(half.waits(), all)
      OplocksAndLeases.breakTo(other.server, other.lease, 0)
      const both = waiting()
      const cancelled = waiting()
      for (const { request } of [both, cancelled]) Effect.runSync(wait(request, leases))
      cancelled.forget()
      assert.isTrue(both.waits())
      assert.strictEqual(both.done(), 0)
      OplocksAndLeases.settle(other.server, other.lease, 0)
      assert.strictEqual(both.done(), all ? 0 : 1)
      OplocksAndLeases.settle(one.server, one.lease, 0)
      assert.isAtLeast(both.done(), 1)
      if (all) assert.deepStrictEqual([both.done(), half.done()], [1, 1])
      assert.strictEqual(cancelled.done(), 0)
    })
  }
})

describe("a change that readers cannot see", () => {
  it("breaks all leases and oplocks of the stream, but the writer's own lease and its oplock that caches writes", () => {
    for (const own of ["oplock", 1] as const) {
      for (const state of [R, R | W]) {
        const { lease, server, session, told } = setUp(own, state)
        const readers = (["oplock", 1] as const).map((kind) => {
          const reader = new Lease(
            lease.stream,
            R,
            kind === 1 ? { clientGuid: "other", key, version: 1, parentKey: undefined, epoch: 0 } : undefined
          )
          addOpen(reader, session, 9n)
          lease.stream.leases.add(reader)
          return reader
        })
        OplocksAndLeases.breakReaders(server, lease.stream, lease)
        assert.deepStrictEqual(readers.map((reader) => reader.state), [0, 0])
        const keeps = own === 1 || state !== R
        assert.strictEqual(lease.state, keeps ? state : 0)
        assert.isUndefined(lease.breaking)
        assert.strictEqual(told.length, keeps ? 2 : 3)
        OplocksAndLeases.breakReaders(server, lease.stream, undefined)
        assert.strictEqual(lease.breaking ?? lease.state, 0)
      }
    }
  })
})
