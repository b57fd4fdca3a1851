/**
 * Proves what ends with a tree, a session and a connection (MS-SMB2 3.3.4.8, 3.3.5.6, 3.3.5.8, 3.3.7.1): the opens,
 * the waiting requests, the logons and the entries in tables; and what goes on. Sessions are those of the server;
 * connections and opens are scripted.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SessionEnd from "../../src/Server/internal/Command/SessionEnd.ts"
import type { AnyOpen, Connection, PendingRequest, Tree } from "../../src/Server/internal/State/Model.ts"
import { Session } from "../../src/Server/internal/State/Model.ts"
import { HANDLE, READ, WRITE } from "../../src/Server/internal/State/OplocksAndLeases.ts"
import { Usage } from "../../src/Server/internal/State/UserUsage.ts"

const cancelled = 0xc000_0120
const pipeBroken = 0xc000_014b

/** A server with connections and sessions. `log` has what was aborted and released, in its order. */
const place = () => {
  const log: Array<string> = []
  const server = {
    sessions: new Map<bigint, Session>(),
    connections: [],
    pipes: 0,
    absent: new Set<unknown>(),
    limits: { durables: 10, userDurables: 10 },
    after: () => () => {}
  }
  const user = {
    name: "joe",
    sid: "S-1-5-1",
    groups: new Set<string>(),
    administrator: false,
    guest: false,
    anonymous: false
  }
  let nextId = 1n
  const connect = () => {
    const connection = { server, sessions: new Map(), binding: new Set(), pending: new Map(), closed: false }
    return connection as unknown as Connection
  }
  const logOn = (...connections: ReadonlyArray<Connection>) => {
    const session = new Session(nextId++)
    session.act(user, new Usage("S-1-5-1", () => {}))
    server.sessions.set(session.id, session)
    for (const connection of connections) {
      connection.sessions.set(session.id, session)
      session.channels.set(connection, { sign: undefined })
    }
    return session
  }
  const pend = (
    name: string,
    connection: Connection,
    session: Session | undefined,
    how: { readonly outlivesChannel?: boolean; readonly open?: AnyOpen } = {}
  ) => {
    const asyncId = nextId++
    const pending: PendingRequest = {
      asyncId,
      messageId: 1,
      session,
      outlivesChannel: how.outlivesChannel === true,
      abort: (status) => {
        log.push(`${name} ${status.toString(16)}`)
        connection.pending.delete(asyncId)
        how.open?.waiting.delete(pending)
      }
    }
    connection.pending.set(asyncId, pending)
    how.open?.waiting.add(pending)
  }
  const treeOf = (session: Session): Tree => {
    const tree = { id: session.newTreeId(), share: undefined, encrypted: false, maximalAccess: 0 }
    session.trees.set(tree.id, tree)
    return tree
  }
  const openPipe = (session: Session, tree: Tree): AnyOpen => {
    const id = nextId++
    const usage = { opens: 1, release: () => {} }
    const open = {
      _tag: "Pipe",
      id,
      session,
      tree,
      closed: false,
      usage,
      server,
      waiting: new Set()
    } as unknown as AnyOpen
    server.pipes++
    session.opens.set(id, open)
    return open
  }
  /** A durable open with a batch oplock. */
  const openDurable = (session: Session, tree: Tree): AnyOpen => {
    const id = nextId++
    const open = {
      _tag: "File",
      id,
      session,
      tree,
      closed: false,
      deletePending: false,
      durable: { timeout: 1000 },
      lease: { state: READ | WRITE | HANDLE, breaking: undefined },
      usage: { opens: 1, durables: 0, release: () => {} },
      server,
      waiting: new Set()
    } as unknown as AnyOpen
    session.opens.set(id, open)
    return open
  }
  const logonOf = (session: Session, connection: Connection, name: string) =>
    session.logons.set(connection, { acceptor: { release: () => void log.push(name) } } as never)
  return { log, server, connect, logOn, pend, treeOf, openPipe, openDurable, logonOf }
}

describe("the end of a tree", () => {
  it("closes its opens and ends their requests, and another tree's go on", async () => {
    const { connect, log, logOn, openPipe, pend, server, treeOf } = place()
    const connection = connect()
    const session = logOn(connection)
    const [one, two] = [treeOf(session), treeOf(session)]
    const [gone, also, stays] = [openPipe(session, one), openPipe(session, one), openPipe(session, two)]
    pend("gone", connection, session, { open: gone })
    pend("stays", connection, session, { open: stays })
    await Effect.runPromise(SessionEnd.disconnectTree(session, one))
    assert.deepStrictEqual([gone.closed, also.closed, stays.closed], [true, true, false])
    assert.deepStrictEqual([...session.trees.keys()], [two.id])
    assert.deepStrictEqual([...session.opens.keys()], [stays.id])
    assert.deepStrictEqual(log, [`gone ${pipeBroken.toString(16)}`])
    assert.deepStrictEqual([server.pipes, session.ended], [1, false])
  })
})

describe("the end of a session", () => {
  it("closes its opens, its trees and its requests on each channel, once, and other sessions go on", async () => {
    const { connect, log, logOn, openPipe, pend, server, treeOf } = place()
    const [first, second] = [connect(), connect()]
    const session = logOn(first, second)
    const other = logOn(first)
    const usage = session.usage!
    assert.strictEqual(usage.sessions, 1)
    const opens = [openPipe(session, treeOf(session)), openPipe(session, treeOf(session))]
    const theirs = openPipe(other, treeOf(other))
    pend("first", first, session)
    pend("second", second, session)
    pend("other", first, other)
    pend("without a session", first, undefined)
    await Effect.runPromise(SessionEnd.end(session))
    assert.deepStrictEqual(log.toSorted(), [`first ${cancelled.toString(16)}`, `second ${cancelled.toString(16)}`])
    assert.deepStrictEqual(opens.map(({ closed }) => closed), [true, true])
    assert.deepStrictEqual([session.ended, session.valid, session.trees.size, session.opens.size], [true, false, 0, 0])
    assert.deepStrictEqual([usage.sessions, session.usage], [0, undefined])
    assert.deepStrictEqual([theirs.closed, other.ended, other.trees.size], [false, false, 1])
    // Its name can still be known, until its last response is out.
    assert.isTrue(server.sessions.has(session.id))
    pend("late", first, session)
    await Effect.runPromise(SessionEnd.end(session))
    assert.lengthOf(log, 2)
  })

  it("lets durable opens wait for their client, without their waiting requests", async () => {
    const { connect, log, logOn, openDurable, openPipe, pend, server, treeOf } = place()
    const connection = connect()
    const session = logOn(connection)
    const tree = treeOf(session)
    const [file, pipe] = [openDurable(session, tree), openPipe(session, tree)]
    pend("lock", connection, session, { open: file })
    await Effect.runPromise(SessionEnd.end(session))
    assert.deepStrictEqual(log, [`lock ${cancelled.toString(16)}`])
    assert.deepStrictEqual([file.closed, pipe.closed], [false, true])
    assert.deepStrictEqual([...server.absent], [file])
    assert.deepStrictEqual([file.session, session.opens.size], [undefined, 0])
  })

  it("is forgotten on the server and on each channel, or on the server alone, so that refusals can be signed", () => {
    for (const forgets of [true, false]) {
      const { connect, logOn, server } = place()
      const [first, second, third] = [connect(), connect(), connect()]
      const session = logOn(first, second)
      const other = logOn(first)
      // A connection that has only begun to bind it.
      third.sessions.set(session.id, session)
      if (forgets) SessionEnd.forget(session, third)
      else SessionEnd.leave(session, third)
      assert.deepStrictEqual([...server.sessions.keys()], [other.id])
      assert.deepStrictEqual([first, second, third].map(({ sessions }) => sessions.has(session.id)), [
        !forgets,
        !forgets,
        !forgets
      ])
      assert.isTrue(first.sessions.has(other.id))
    }
  })
})

describe("the end of a connection", () => {
  it("ends its requests, but not one that can go on over another channel of its session", async () => {
    const { connect, log, logOn, pend } = place()
    const [lost, other] = [connect(), connect()]
    const [one, both] = [logOn(lost), logOn(lost, other)]
    pend("no other channel", lost, one, { outlivesChannel: true })
    pend("no session", lost, undefined, { outlivesChannel: true })
    pend("usual", lost, both)
    pend("goes on", lost, both, { outlivesChannel: true })
    pend("of the other channel", other, both)
    await Effect.runPromise(SessionEnd.disconnect(lost))
    assert.deepStrictEqual(
      log.toSorted(),
      ["no other channel", "no session", "usual"].map((name) => `${name} ${cancelled.toString(16)}`)
    )
    assert.strictEqual(lost.pending.size, 1)
  })

  it("ends its sessions, unless another channel keeps them, and releases its logons", async () => {
    const { connect, log, logOn, logonOf, server } = place()
    const [lost, other] = [connect(), connect()]
    const [one, both, theirs] = [logOn(lost), logOn(lost, other), logOn(other)]
    logonOf(one, lost, "logon of one")
    logonOf(both, lost, "logon of both")
    logonOf(both, other, "other logon of both")
    // It has begun to bind a session of the other connection.
    lost.binding.add(theirs)
    logonOf(theirs, lost, "binding")
    await Effect.runPromise(SessionEnd.disconnect(lost))
    assert.deepStrictEqual(log.toSorted(), ["binding", "logon of both", "logon of one"])
    assert.deepStrictEqual([one.ended, both.ended, theirs.ended], [true, false, false])
    assert.deepStrictEqual([...server.sessions.keys()], [both.id, theirs.id])
    assert.deepStrictEqual([lost.sessions.size, lost.binding.size], [0, 0])
    assert.deepStrictEqual([[...both.channels.keys()], [...theirs.channels.keys()]], [[other], [other]])
    assert.deepStrictEqual([one.logons.size, both.logons.size, theirs.logons.size], [0, 1, 0])
    assert.deepStrictEqual([...other.sessions.keys()], [both.id, theirs.id])
  })
})
