/**
 * Proves each limit of the server by the same steps: what the server refuses, closes or delays beyond the limit, that
 * there is room again afterwards, and that a client of another share notices nothing. The table has a test for each
 * limit.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Exit, Latch, Layer, Logger, Redacted, References, Scope } from "effect"
import { Authenticator, Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Limits from "../../src/Server/Limits.ts"
import { type ShareStore, storeError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask, Command, CreateDisposition, OplockLevel, SecurityMode } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"
import { reconnect, request, withRestarts } from "./Restarts.ts"

const { NtStatus } = Status
const host = "127.0.36.12"
const secret = Redacted.make("secret")
const joe = Credentials.password("joe", secret)
const ann = Credentials.password("ann", secret)

interface Place {
  readonly port: number
  readonly server: SmbServer.SmbServer["Service"]
  /** A client that has logged on, until the test ends. By default it logs on anonymously. */
  readonly client: (credential?: Credentials.Credential, from?: string) => Promise<RawClient>
  /** A client that has only connected. */
  readonly stranger: (from?: string) => RawClient
  /** The lines of the log. */
  readonly log: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Adjusts the server's clock, if that is a test clock. */
  readonly adjust: (time: Duration.Input) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Runs against a server with these limits. At the end another client must have noticed nothing. */
const within = async (
  limits: Partial<Limits.Limits>,
  use: (place: Place) => Promise<void>,
  change: (store: ShareStore) => ShareStore = (store) => store,
  { stands = false }: { readonly stands?: boolean } = {}
): Promise<void> => {
  const scope = Scope.makeUnsafe()
  const log: Array<Readonly<Record<string, unknown>>> = []
  const logger = Logger.make(({ fiber }) => void log.push(fiber.getRef(References.CurrentLogAnnotations)))
  const time = stands ? await Effect.runPromise(Scope.provide(TestClock.make(), scope)) : undefined
  const clocked = time === undefined
    ? <A, E, R>(effect: Effect.Effect<A, E, R>) => effect
    : Effect.provideService(Clock.Clock, time)
  const server = await Effect.runPromise(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: secret, ann: secret }),
      shares: { data: Effect.map(MemoryStore.make(), change), calm: MemoryStore.make() },
      signing: "enabled",
      guest: "anonymous",
      limits
    }).pipe(clocked, Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([logger]))))
  )
  const { port } = server
  const clients: Array<RawClient> = []
  const stranger = (from?: string) => {
    const made = new RawClient(host, port, from)
    clients.push(made)
    return made
  }
  const client = async (credential?: Credentials.Credential, from?: string) => {
    const made = stranger(from)
    assert.isTrue(await made.logOn("data", credential))
    return made
  }
  try {
    const other = new RawClient(host, port)
    clients.push(other)
    assert.isTrue(await other.logOn("calm"))
    await use({
      port,
      server,
      client,
      stranger,
      log,
      adjust: (by) => Effect.runPromise(time!.adjust(by)),
      stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
    })
    // The session of the other client has expired too.
    if (other.closed || limits.sessionTime !== undefined) return
    assert.isTrue(await isAlive(other))
    const file = await other.open("calm.txt")
    assert.isObject(file)
    assert.strictEqual(statusOf(await other.ask(Requests.close(file as FileId))), 0)
  } finally {
    for (const each of clients) each.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const isAlive = async (client: RawClient): Promise<boolean> => statusOf(await client.ask(Requests.echo)) === 0

const opened = async (client: RawClient, ...of: Parameters<RawClient["open"]>): Promise<FileId> => {
  const file = await client.open(...of)
  assert.isObject(file, typeof file === "number" ? Status.name(file) : "")
  return file as FileId
}

/** Whether `count` successful responses came, in compounds or alone. */
const isDone = async (client: RawClient, count: number): Promise<boolean> => {
  let left = count
  while (left > 0) {
    const frame = await client.next()
    if (frame === undefined) return false
    for (let at = 0, next = -1; next !== 0; at += next) {
      if (frame.readUInt32LE(at + 8) !== 0) return false
      next = frame.readUInt32LE(at + 20)
      left--
    }
  }
  return left === 0
}

const {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_LOGON_FAILURE,
  STATUS_PENDING,
  STATUS_REQUEST_NOT_ACCEPTED,
  STATUS_TOO_MANY_OPENED_FILES
} = NtStatus
const elsewhere = "127.0.36.99"
const guess = (user: string) => Credentials.password(user, Redacted.make("wrong"))
/** Runs against a server whose clock stands still until the test adjusts it. */
const standing = (limits: Partial<Limits.Limits>, use: (place: Place) => Promise<void>) =>
  within({ logonAttempts: 100, ...limits }, use, undefined, { stands: true })
/** A client that has only negotiated. */
const met = async (place: Place, from?: string): Promise<RawClient> => {
  const made = place.stranger(from)
  await made.negotiate()
  return made
}
const statisticsOf = (server: Place["server"]) => Effect.runPromise(server.statistics)
const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))
const until = async (what: () => Promise<boolean>, millis = 3000): Promise<boolean> => {
  for (let waited = 0; waited < millis; waited += 20) {
    if (await what()) return true
    await sleep(20)
  }
  return false
}

/** A test of each limit: what the server refuses, and that there is room again afterwards. */
const tests: { readonly [K in keyof Limits.Limits]: readonly [words: string, run: () => Promise<void>] } = {
  connections: [
    "further connections are closed at once, and a new one is accepted when one ends",
    () =>
      within({ connections: 3 }, async ({ client, port }) => {
        const one = await client()
        const two = await client()
        const late = new RawClient(host, port)
        await late.next(2000)
        assert.isTrue(late.closed)
        assert.isTrue(await isAlive(one) && await isAlive(two))
        two.close()
        assert.isTrue(
          await until(async () => {
            const again = new RawClient(host, port)
            const came = await again.logOn("data")
            again.close()
            return came
          })
        )
      })
  ],

  addressConnections: [
    "further connections from one address are closed at once, and those from another address are accepted",
    () =>
      within({ addressConnections: 2 }, async ({ client, server, stranger }) => {
        await client(ann)
        const late = stranger()
        await late.next(2000)
        assert.isTrue(late.closed)
        await client(joe, elsewhere)
        assert.strictEqual((await statisticsOf(server)).refused.connections, 1)
      })
  ],

  userConnections: [
    "a logon on a further connection of a user is refused until one ends; other users can log on",
    () =>
      within({ userConnections: 2 }, async ({ client, log, stranger }) => {
        const one = await client(joe)
        // A second session of a connection costs nothing.
        assert.strictEqual(await one.setup(joe), 0)
        await client(joe, elsewhere)
        const late = stranger()
        await late.negotiate()
        assert.strictEqual(await late.setup(joe), STATUS_REQUEST_NOT_ACCEPTED)
        assert.deepInclude(log.at(-1), { event: "limit", limit: "userConnections", user: "joe" })
        await client(ann)
        one.close()
        assert.isTrue(await until(async () => await late.setup(joe) === 0))
      })
  ],

  unauthenticatedConnections: [
    "one more closes the oldest of the address with the most; a connection with a logon stays",
    () =>
      within({ unauthenticatedConnections: 4, connections: 3 }, async ({ client, server, stranger }) => {
        const one = await client(joe)
        const slow = stranger()
        await slow.negotiate()
        const crowd = Array.from({ length: 4 }, () => stranger(elsewhere))
        assert.isTrue(await until(() => Promise.resolve(crowd[0]!.closed)))
        for (let i = 0; i < 40; i++) crowd.push(stranger(elsewhere))
        assert.isTrue(await until(() => Promise.resolve(crowd.filter(({ closed }) => !closed).length === 3)))
        assert.strictEqual(await slow.setup(ann), 0)
        assert.isTrue(await isAlive(one) && await isAlive(slow))
        assert.deepInclude(await statisticsOf(server), { connections: 6, unauthenticated: 3 })
        assert.strictEqual((await statisticsOf(server)).refused.connections, 41)
      })
  ],

  sessions: [
    "one more session on a connection is refused, and the others stay",
    () =>
      within({ sessions: 2 }, async ({ client }) => {
        const one = await client()
        const first = one.sessionId
        assert.strictEqual(await one.setup(), 0)
        const second = one.sessionId
        assert.strictEqual(await one.setup(), STATUS_INSUFFICIENT_RESOURCES)
        one.sessionId = first
        assert.strictEqual(await one.connect("data"), 0)
        one.sessionId = second
        assert.strictEqual(statusOf(await one.ask({ _tag: "LOGOFF", body: {} })), 0)
        assert.strictEqual(await one.setup(), 0)
      })
  ],

  userSessions: [
    "one more session of a user is refused until one ends, and other users get theirs",
    () =>
      within({ userSessions: 2 }, async ({ client }) => {
        const one = await client(joe)
        const two = await client(joe)
        const before = two.sessionId
        assert.strictEqual(await one.setup(joe), STATUS_REQUEST_NOT_ACCEPTED)
        // A session that replaces another one does not count as one more.
        assert.strictEqual(await one.setup(joe, { previousSessionId: before }), 0)
        await client(ann)
        assert.strictEqual(statusOf(await one.ask({ _tag: "LOGOFF", body: {} })), 0)
        assert.strictEqual(await one.setup(joe), 0)
        // A further logon cannot turn the session of another user into this user's either.
        const other = await client(ann)
        assert.strictEqual(await other.setup(ann, { sessionId: other.sessionId }), 0)
        assert.strictEqual(await other.setup(joe, { sessionId: other.sessionId }), STATUS_REQUEST_NOT_ACCEPTED)
        assert.strictEqual(statusOf(await other.ask(Requests.create("a"))), NtStatus.STATUS_USER_SESSION_DELETED)
      })
  ],

  trees: [
    "one more tree connect of a session is refused until one is disconnected",
    () =>
      within({ trees: 2 }, async ({ client }) => {
        const one = await client()
        assert.strictEqual(await one.connect("calm"), 0)
        assert.strictEqual(await one.connect("calm"), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await one.ask({ _tag: "TREE_DISCONNECT", body: {} })), 0)
        assert.strictEqual(await one.connect("calm"), 0)
      })
  ],

  opens: [
    "one more open of a session is refused until one is closed, and another session can open files",
    () =>
      within({ opens: 3 }, async ({ client }) => {
        const one = await client()
        const files = [await opened(one, "a"), await opened(one, "b"), await opened(one, "c")]
        assert.strictEqual(await one.open("d"), STATUS_TOO_MANY_OPENED_FILES)
        const two = await client()
        await opened(two, "d")
        assert.strictEqual(statusOf(await one.ask(Requests.close(files[1]!))), 0)
        await opened(one, "e")
      })
  ],

  pending: [
    "one more asynchronous request is refused and leaves no watch, and those that wait are completed",
    () =>
      within({ pending: 2, watches: 2 }, async ({ client }) => {
        const one = await client()
        const file = await opened(one, "", Requests.directory)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_PENDING)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_PENDING)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_INSUFFICIENT_RESOURCES)
        const other = await opened(one, "", Requests.directory)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(other))), STATUS_INSUFFICIENT_RESOURCES)
        const two = await client()
        await opened(two, "new.txt")
        assert.strictEqual(statusOf(await one.next()), 0)
        // The refused request has left no watch, which would have counted and would have heard of the file.
        assert.strictEqual(statusOf(await one.ask(Requests.notify(other))), STATUS_PENDING)
      })
  ],

  credits: [
    "no more credits are granted, and a connection that uses a MessageId beyond them is closed",
    () =>
      within({ credits: 20 }, async ({ client }) => {
        const one = await client()
        // The end of the window: the granted credits, counted from the first free MessageId.
        let granted = 0
        for (let i = 0; i < 4; i++) {
          one.say(Requests.echo, 8000)
          granted = (await one.next())!.readUInt16LE(14)
          assert.isAtMost(granted, 20)
        }
        const next = one.messageId
        one.messageId = next + 19
        assert.isTrue(await isAlive(one))
        one.messageId = next + 20 + 19
        await one.ask(Requests.echo)
        assert.isTrue(one.closed)
      })
  ],

  transfer: [
    "the server announces this size, refuses longer reads and writes, and closes a connection with a longer frame",
    () =>
      within({ transfer: 65_536 }, async ({ client, port }) => {
        const fresh = new RawClient(host, port)
        const answer = (await fresh.negotiate())!
        for (const at of [28, 32, 36]) assert.strictEqual(answer.readUInt32LE(64 + at), 65_536)
        const one = await client()
        const file = await opened(one, "a")
        assert.strictEqual(statusOf(await one.ask(Requests.write(file, new Uint8Array(65_536)))), 0)
        assert.strictEqual(
          statusOf(await one.ask(Requests.write(file, new Uint8Array(65_537)))),
          NtStatus.STATUS_INVALID_PARAMETER
        )
        assert.strictEqual(statusOf(await one.ask(Requests.read(file, 65_537))), NtStatus.STATUS_INVALID_PARAMETER)
        assert.strictEqual((await one.ask(Requests.read(file, 65_536)))!.length, 64 + 16 + 65_536)
        one.raw(Uint8Array.of(0, 0x02, 0, 1))
        await one.next()
        assert.isTrue(one.closed)
        fresh.close()
      })
  ],

  logonAttempts: [
    "the connection is closed after the last failed logon, and the user can log on over another one",
    () =>
      within({ logonAttempts: 3 }, async ({ port }) => {
        const wrong = Credentials.password("joe", Redacted.make("wrong"))
        const one = new RawClient(host, port)
        await one.negotiate()
        assert.strictEqual(await one.setup(wrong), NtStatus.STATUS_LOGON_FAILURE)
        assert.strictEqual(await one.setup(wrong), NtStatus.STATUS_LOGON_FAILURE)
        assert.isFalse(one.closed)
        await one.setup(wrong)
        await one.next()
        assert.isTrue(one.closed)
        // The user can log on over another connection.
        const two = new RawClient(host, port)
        assert.isTrue(await two.logOn("data", joe))
        two.close()
      })
  ],

  refusedLogons: [
    "the next logon of that user from that address waits; other users, and that user from another address, do not",
    () =>
      standing({ refusedLogons: 2 }, async (place) => {
        const one = await met(place)
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
        assert.strictEqual(await one.setup(guess("JOE")), STATUS_LOGON_FAILURE)
        const third = one.setup(joe)
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 1))
        await place.client(joe, elsewhere)
        await place.client(ann)
        // It is the same for a name that is not a user's.
        const two = await met(place)
        for (let i = 0; i < 2; i++) assert.strictEqual(await two.setup(guess("eve")), STATUS_LOGON_FAILURE)
        const none = two.setup(guess("eve"))
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 2))
        await place.adjust("250 millis")
        assert.strictEqual(await third, 0)
        assert.strictEqual(await none, STATUS_LOGON_FAILURE)
        // The count of joe, who has logged on, starts again; eve waits for twice as long.
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
        const later = two.setup(guess("eve"))
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 1))
        await place.adjust("499 millis")
        assert.strictEqual((await statisticsOf(place.server)).waitingLogons, 1)
        await place.adjust("1 millis")
        assert.strictEqual(await later, STATUS_LOGON_FAILURE)
        assert.strictEqual((await statisticsOf(place.server)).refused.logons, 7)
        two.close()
      })
  ],

  addressRefusedLogons: [
    "the next logon from that address waits, except that of a user who has logged on from there before",
    () =>
      standing({ addressRefusedLogons: 2 }, async (place) => {
        await place.client(ann)
        const one = await met(place)
        for (const name of ["a", "b"]) assert.strictEqual(await one.setup(guess(name)), STATUS_LOGON_FAILURE)
        const third = one.setup(joe)
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 1))
        await place.client(ann)
        await place.client(joe, elsewhere)
        await place.adjust("250 millis")
        assert.strictEqual(await third, 0)
      })
  ],

  logonDelay: [
    "of five logons that wait for one turn one is checked, and the others are refused unchecked",
    () =>
      standing({ refusedLogons: 1, logonDelay: "200 millis" }, async (place) => {
        const clients = await Promise.all(Array.from({ length: 5 }, () => met(place)))
        assert.strictEqual(await clients[0]!.setup(guess("joe")), STATUS_LOGON_FAILURE)
        const all = clients.map((each) => each.setup(guess("joe")))
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 5))
        await place.adjust("200 millis")
        assert.deepStrictEqual(await Promise.all(all), all.map(() => STATUS_LOGON_FAILURE))
        const reasons = place.log.map(({ reason }) => String(reason))
        assert.lengthOf(reasons.filter((reason) => reason === "the password is wrong"), 2)
        assert.lengthOf(reasons.filter((reason) => reason.startsWith("too many logons were refused")), 4)
      })
  ],

  refusalTime: [
    "older refusals are forgotten",
    () =>
      standing({ refusedLogons: 1, refusalTime: "10 seconds" }, async (place) => {
        const one = await met(place)
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
        await place.adjust("10001 millis")
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
      })
  ],

  refusalEntries: [
    "no more refusals are kept, and the oldest is forgotten",
    () =>
      standing({ refusedLogons: 1, refusalEntries: 2 }, async (place) => {
        const one = await met(place)
        for (const name of ["joe", "b", "c", "d", "e"]) {
          assert.strictEqual(await one.setup(guess(name)), STATUS_LOGON_FAILURE)
        }
        // Two names, and their address.
        assert.strictEqual((await statisticsOf(place.server)).rememberedLogons, 3)
        assert.strictEqual(await one.setup(joe), 0)
      })
  ],

  logonTime: [
    "a connection without a logon is closed after this time, and one with a logon stays",
    () =>
      within({ logonTime: "300 millis" }, async ({ client, port }) => {
        const one = await client()
        const silent = new RawClient(host, port)
        const halfWay = new RawClient(host, port)
        await halfWay.negotiate()
        const start = performance.now()
        await Promise.all([silent.next(), halfWay.next()])
        assert.isTrue(silent.closed && halfWay.closed)
        assert.isAtLeast(performance.now() - start, 150)
        assert.isTrue(await isAlive(one))
      })
  ],

  sessionTime: [
    "after this time a session is refused all but CLOSE, LOCK, LOGOFF and ECHO, until its user authenticates again",
    () =>
      within({ sessionTime: "1 second" }, async ({ client }) => {
        const one = await client()
        assert.strictEqual(await one.setup(joe), 0)
        assert.strictEqual(await one.connect("calm"), 0)
        const file = await opened(one, "f")
        await new Promise((resolve) => setTimeout(resolve, 1500))
        const refused = Status.NtStatus.STATUS_NETWORK_SESSION_EXPIRED
        assert.strictEqual(statusOf(await one.ask(Requests.read(file, 1))), refused)
        assert.strictEqual(statusOf(await one.ask(Requests.create("g"))), refused)
        assert.strictEqual(statusOf(await one.ask(Requests.echo)), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 0))), 0)
        assert.strictEqual(await one.setup(joe, { sessionId: one.sessionId }), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.flush(file))), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
      })
  ],

  keepAlive: [
    "the server sets TCP keep-alive with this time on each connection",
    async () => {
      const asked: Array<ReadonlyArray<unknown>> = []
      const { setKeepAlive } = Net.Socket.prototype
      Net.Socket.prototype.setKeepAlive = function(this: Net.Socket, ...of: ReadonlyArray<any>) {
        asked.push(of)
        return setKeepAlive.apply(this, of as [])
      }
      try {
        await within({ keepAlive: "7 seconds" }, async ({ client, port }) => {
          await client()
          assert.deepStrictEqual(asked, [[true, 7000], [true, 7000]])
          if (process.platform !== "linux") return
          // The kernel's own timers of the server's connections: 02 is keep-alive (proc(5), /proc/net/tcp).
          const ours = port.toString(16).toUpperCase().padStart(4, "0")
          const timers = () =>
            readFileSync("/proc/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/))
              .filter((words) => words[1]?.endsWith(`:${ours}`) === true && words[3] === "01")
              .map((words) => words[5]!.slice(0, 2))
          // Sent data has another timer until it is acknowledged.
          assert.isTrue(await until(async () => timers().join() === "02,02"), timers().join())
        })
      } finally {
        Net.Socket.prototype.setKeepAlive = setKeepAlive
      }
    }
  ],

  idleTime: [
    "a silent session without opens is ended; one with an open, a waiting request or new requests stays",
    () =>
      within({ idleTime: "400 millis" }, async ({ client }) => {
        const [idle, busy, waiting, talking] = [await client(), await client(), await client(), await client()]
        await opened(busy, "a")
        const directory = await opened(waiting, "", Requests.directory)
        waiting.say(Requests.notify(directory))
        assert.strictEqual(statusOf(await waiting.next()), STATUS_PENDING)
        assert.isTrue(
          await until(async () => {
            assert.isTrue(await isAlive(talking))
            return idle.closed
          })
        )
        assert.isTrue(await isAlive(busy))
        assert.isFalse(waiting.closed)
      })
  ],

  breakTime: [
    "an oplock break without an acknowledgment is completed after this time",
    () =>
      within({ breakTime: "300 millis" }, async ({ client }) => {
        const one = await client()
        await opened(one, "a", { requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH })
        const two = await client()
        const start = performance.now()
        assert.strictEqual(statusOf(await two.ask(Requests.create("a"))), STATUS_PENDING)
        assert.strictEqual(statusOf(await two.next()), 0)
        assert.isAtLeast(performance.now() - start, 250)
        assert.isTrue(one.frames.some((frame) => frame.readUInt16LE(12) === 18))
      })
  ],

  durableTime: [
    "a durable open is closed when its client has not returned after this time",
    () =>
      within({ durableTime: "300 millis" }, async ({ client, server }) => {
        const one = await client(joe)
        await opened(one, "a", {
          requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
          createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
        })
        one.close()
        const opens = async () => (await Effect.runPromise(server.statistics)).opens
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 1))
        assert.strictEqual(await opens(), 1)
        assert.isTrue(await until(async () => await opens() === 0))
      })
  ],

  persistentTime: [
    "a persistent open is closed when its client has not returned after this time, also after a restart",
    () =>
      withRestarts(host, async ({ connect, crash, statistics }) => {
        const one = await connect(1)
        const open = await one.create("a", [request(1)])
        assert.strictEqual(open.status, 0)
        await crash()
        assert.isTrue(await until(async () => (await statistics()).opens === 0))
        const again = await connect(1)
        const late = await again.create("a", [reconnect(open, 1)])
        assert.strictEqual(late.status, NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
      }, { limits: { persistentTime: "100 millis" } })
  ],

  resilientTime: [
    "a resilient open can ask for this time at most, and is closed when its client has not returned after it",
    () =>
      within({ resilientTime: "300 millis" }, async ({ client, server }) => {
        const one = await client(joe)
        const file = await opened(one, "a")
        const resilient = async (timeout: number) => {
          const input = Buffer.alloc(8)
          input.writeUInt32LE(timeout)
          return statusOf(await one.ask(Requests.fsctl(file, Fsctl.FSCTL_LMR_REQUEST_RESILIENCY, input)))
        }
        assert.strictEqual(await resilient(301), NtStatus.STATUS_INVALID_PARAMETER)
        assert.strictEqual(await resilient(300), 0)
        one.close()
        const opens = async () => (await Effect.runPromise(server.statistics)).opens
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 1))
        assert.strictEqual(await opens(), 1)
        assert.isTrue(await until(async () => await opens() === 0))
      })
  ],

  serverOpens: [
    "one more open is refused to any client until one is closed",
    () =>
      within({ serverOpens: 3 }, async ({ client }) => {
        const one = await client()
        const two = await client()
        const file = await opened(one, "a")
        await opened(one, "b")
        await opened(two, "c")
        assert.strictEqual(await two.open("d"), STATUS_TOO_MANY_OPENED_FILES)
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        await opened(two, "d").then((last) => two.ask(Requests.close(last)))
      })
  ],

  userOpens: [
    "one more open of a user, also of a pipe, is refused until one is closed; other users open theirs",
    () =>
      within({ userOpens: 3 }, async ({ client, server }) => {
        const one = await client(joe)
        const two = await client(joe)
        const file = await opened(one, "a")
        await opened(two, "b")
        const { treeId } = two
        assert.strictEqual(await two.connect("IPC$"), 0)
        const pipe = await opened(two, "srvsvc")
        assert.strictEqual(await one.open("c"), STATUS_TOO_MANY_OPENED_FILES)
        assert.strictEqual(await two.open("lsarpc"), STATUS_TOO_MANY_OPENED_FILES)
        await opened(await client(ann), "c")
        assert.strictEqual(statusOf(await two.ask(Requests.close(pipe))), 0)
        two.treeId = treeId
        const last = await opened(two, "c")
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        // A failed CREATE counts for nothing.
        for (let i = 0; i < 5; i++) {
          assert.strictEqual(
            await one.open("none", { createDisposition: CreateDisposition.FILE_OPEN }),
            NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
          )
        }
        await opened(one, "d")
        assert.strictEqual(statusOf(await two.ask(Requests.close(last))), 0)
        one.close()
        two.close()
        assert.isTrue(await until(async () => (await statisticsOf(server)).sessions === 2))
      })
  ],

  fileLocks: [
    "one more lock of a file is refused to each open of it until one is released",
    () =>
      within({ fileLocks: 2 }, async ({ client }) => {
        const one = await client()
        const two = await client()
        const file = await opened(one, "a")
        const same = await opened(two, "a")
        const other = await opened(two, "b")
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 0))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 1))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 2))), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 2))), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 2))), 0)
      })
  ],

  serverLocks: [
    "one more lock is refused to any client until one is released",
    () =>
      within({ serverLocks: 2 }, async ({ client }) => {
        const one = await client()
        const two = await client()
        const file = await opened(one, "a")
        const other = await opened(two, "b")
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 0))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 0))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 1))), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 1))), 0)
      })
  ],

  userLocks: [
    "one more lock of a user, held or waited for, is refused, and other users get theirs",
    () =>
      within({ userLocks: 2 }, async ({ client }) => {
        const [one, two, three] = [await client(joe), await client(joe), await client(ann)]
        const file = await opened(one, "a")
        const other = await opened(two, "b")
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 0))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 0))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 1))), STATUS_INSUFFICIENT_RESOURCES)
        const theirs = await opened(three, "a")
        assert.strictEqual(statusOf(await three.ask(Requests.lock(theirs, 1))), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(other, 1))), 0)
        // A lock that is waited for counts like one that is held.
        const waiting = await opened(one, "a")
        assert.strictEqual(statusOf(await two.ask(Requests.close(other))), 0)
        const held = Requests.lock(waiting, 1, { wait: true })
        assert.strictEqual(statusOf(await one.ask(held)), STATUS_PENDING)
        assert.strictEqual(statusOf(await one.ask(Requests.lock(waiting, 5))), 0)
        assert.strictEqual(statusOf(await one.ask(held)), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await one.ask(Requests.close(waiting))), NtStatus.STATUS_RANGE_NOT_LOCKED)
        assert.strictEqual(statusOf(await one.next()), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.close(await opened(two, "a")))), 0)
        const again = await opened(one, "b")
        for (const offset of [0, 1]) assert.strictEqual(statusOf(await one.ask(Requests.lock(again, offset))), 0)
      })
  ],

  userWatches: [
    "one more watch of a user is refused until one ends, and other users get theirs",
    () =>
      within({ userWatches: 1 }, async ({ client }) => {
        const [one, two, three] = [await client(joe), await client(joe), await client(ann)]
        const folders: Array<FileId> = []
        for (const each of [one, two, three]) folders.push(await opened(each, "", Requests.directory))
        assert.strictEqual(statusOf(await one.ask(Requests.notify(folders[0]!))), STATUS_PENDING)
        assert.strictEqual(statusOf(await two.ask(Requests.notify(folders[1]!))), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await three.ask(Requests.notify(folders[2]!))), STATUS_PENDING)
        one.close()
        assert.isTrue(
          await until(async () => statusOf(await two.ask(Requests.notify(folders[1]!))) === STATUS_PENDING)
        )
      })
  ],

  userNotifications: [
    "a user who misses more bytes gets STATUS_NOTIFY_ENUM_DIR, and other users get all changes",
    () =>
      within({ userNotifications: 100 }, async ({ client }) => {
        const [one, two, maker] = [await client(joe), await client(ann), await client()]
        const folders = []
        for (const each of [one, two]) {
          const folder = await opened(each, "", Requests.directory)
          assert.strictEqual(statusOf(await each.ask(Requests.notify(folder))), STATUS_PENDING)
          folders.push(folder)
        }
        await opened(maker, "first")
        for (const each of [one, two]) assert.strictEqual(statusOf(await each.next()), 0)
        // Two watches of one user share the limit.
        const again = await opened(one, "", Requests.directory)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(again))), STATUS_PENDING)
        await opened(maker, "a name that takes 72 bytes")
        assert.strictEqual(statusOf(await one.next()), 0)
        await opened(maker, "b")
        assert.strictEqual(statusOf(await one.ask(Requests.notify(again))), NtStatus.STATUS_NOTIFY_ENUM_DIR)
        assert.strictEqual(statusOf(await two.ask(Requests.notify(folders[1]!))), 0)
      })
  ],

  watches: [
    "one more watch of a session is refused, and the existing ones go on",
    () =>
      within({ watches: 2 }, async ({ client }) => {
        const one = await client()
        const folders = []
        for (let i = 0; i < 3; i++) folders.push(await opened(one, "", Requests.directory))
        for (const folder of folders.slice(0, 2)) {
          assert.strictEqual(statusOf(await one.ask(Requests.notify(folder))), STATUS_PENDING)
        }
        assert.strictEqual(statusOf(await one.ask(Requests.notify(folders[2]!))), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(folders[0]!))), STATUS_PENDING)
      })
  ],

  serverWatches: [
    "one more watch is refused to any client until one ends",
    () =>
      within({ serverWatches: 2 }, async ({ client }) => {
        const [one, two] = [await client(), await client()]
        const folders: Array<FileId> = []
        for (const each of [one, one, two]) folders.push(await opened(each, "", Requests.directory))
        assert.strictEqual(statusOf(await one.ask(Requests.notify(folders[0]!))), STATUS_PENDING)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(folders[1]!))), STATUS_PENDING)
        assert.strictEqual(statusOf(await two.ask(Requests.notify(folders[2]!))), STATUS_INSUFFICIENT_RESOURCES)
        one.close()
        assert.isTrue(
          await until(async () => statusOf(await two.ask(Requests.notify(folders[2]!))) === STATUS_PENDING)
        )
      })
  ],

  serverNotifications: [
    "a watch that misses more bytes gets STATUS_NOTIFY_ENUM_DIR, and fetched changes make room for others",
    () =>
      within({ serverNotifications: 200 }, async ({ client }) => {
        const [one, two] = [await client(), await client()]
        const folders = []
        for (const name of ["x", "y"]) {
          const how = {
            ...Requests.directory,
            createDisposition: CreateDisposition.FILE_OPEN_IF,
            desiredAccess: AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_ADD_FILE | AccessMask.FILE_READ_ATTRIBUTES |
              AccessMask.SYNCHRONIZE
          }
          folders.push(await opened(one, name, how))
        }
        for (const [i, folder] of folders.entries()) {
          assert.strictEqual(statusOf(await one.ask(Requests.notify(folder))), STATUS_PENDING)
          await opened(two, `${"xy"[i]}\\first`)
          assert.strictEqual(statusOf(await one.next()), 0)
        }
        for (let i = 0; i < 5; i++) await opened(two, `x\\name${i}`)
        await opened(two, "y\\much longer than what is left of the room for all of them")
        const missed = await one.ask(Requests.notify(folders[1]!))
        assert.strictEqual(statusOf(missed), NtStatus.STATUS_NOTIFY_ENUM_DIR)
        // An empty buffer has its offset, as from Windows (MS-SMB2 2.2.36).
        assert.deepStrictEqual([missed!.readUInt16LE(66), missed!.readUInt32LE(68)], [72, 0])
        // Fetched changes make room again.
        const heard = (await one.ask(Requests.notify(folders[0]!)))!
        assert.isTrue(heard.includes(Buffer.from("name4", "utf16le")))
        await opened(two, "y\\last")
        const last = (await one.ask(Requests.notify(folders[1]!)))!
        assert.isTrue(last.includes(Buffer.from("last", "utf16le")))
      })
  ],

  durables: [
    "no more than two durable opens are kept when their client is gone",
    () =>
      within({ durables: 2 }, async ({ client, server }) => {
        const one = await client(joe)
        for (const name of ["a", "b", "c", "d"]) {
          await opened(one, name, {
            requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
            createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
          })
        }
        one.close()
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 1))
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).opens === 2))
      })
  ],

  userDurables: [
    "no more than one durable open of each user is kept when the users are gone",
    () =>
      within({ userDurables: 1 }, async ({ client, server }) => {
        const [one, two] = [await client(joe), await client(ann)]
        for (const [each, names] of [[one, ["a", "b", "c"]], [two, ["d"]]] as const) {
          for (const name of names) {
            await opened(each, name, {
              requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
              createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
            })
          }
          each.close()
        }
        assert.isTrue(await until(async () => (await statisticsOf(server)).sessions === 1))
        assert.isTrue(await until(async () => (await statisticsOf(server)).opens === 2))
      })
  ],

  locks: [
    "one more lock of an open is refused, and another open of the file gets its locks",
    () =>
      within({ locks: 2 }, async ({ client }) => {
        const one = await client()
        const two = await client()
        const file = await opened(one, "a")
        const same = await opened(two, "a")
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 0))), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 1))), 0)
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 2))), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 2))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 0))), NtStatus.STATUS_LOCK_NOT_GRANTED)
      })
  ],

  waitingLocks: [
    "one more request that waits for a range of a file is refused, and a waiting one gets its lock",
    () =>
      within({ waitingLocks: 2 }, async ({ client }) => {
        const one = await client()
        const two = await client()
        const file = await opened(one, "a")
        const same = await opened(two, "a")
        assert.strictEqual(statusOf(await one.ask(Requests.lock(file, 0))), 0)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 0, { wait: true }))), STATUS_PENDING)
        assert.strictEqual(statusOf(await two.ask(Requests.lock(same, 0, { wait: true }))), STATUS_PENDING)
        assert.strictEqual(
          statusOf(await two.ask(Requests.lock(same, 0, { wait: true }))),
          STATUS_INSUFFICIENT_RESOURCES
        )
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        assert.strictEqual(statusOf(await two.next()), 0)
      })
  ],

  notifications: [
    "a watch that has missed more bytes gets STATUS_NOTIFY_ENUM_DIR, and later changes are reported again",
    () =>
      within({ notifications: 200 }, async ({ client }) => {
        const one = await client()
        const two = await client()
        const file = await opened(one, "", Requests.directory)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_PENDING)
        await opened(two, "first")
        assert.strictEqual(statusOf(await one.next()), 0)
        for (let i = 0; i < 20; i++) await opened(two, `a file with a name ${i}`)
        const missed = await one.ask(Requests.notify(file))
        assert.strictEqual(statusOf(missed), NtStatus.STATUS_NOTIFY_ENUM_DIR)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_PENDING)
        await opened(two, "last")
        const heard = (await one.next())!
        assert.strictEqual(statusOf(heard), 0)
        assert.isTrue(heard.includes(Buffer.from("last", "utf16le")))
      })
  ],

  unsent: ["the server stops reading from a client that does not read its responses, until it does", async () => {
    let reads = 0
    const counting = (store: ShareStore): ShareStore => ({
      ...store,
      open: (path, options) =>
        Effect.map(store.open(path, options), (opened) => {
          const { readInto: _, ...file } = opened.file
          const read = (offset: bigint, length: number) =>
            Effect.suspend(() => {
              reads++
              return file.read(offset, length)
            })
          return { ...opened, file: { ...file, read } }
        })
    })
    await within({ unsent: 128 * 1024 }, async ({ client }) => {
      const one = await client()
      const file = await opened(one, "a")
      assert.strictEqual(statusOf(await one.ask(Requests.write(file, new Uint8Array(65_536)))), 0)
      one.pause(true)
      // 64 MiB of responses: far more than the buffers of both systems hold.
      const many = 1000
      for (let i = 0; i < many; i++) {
        one.say(Requests.read(file, 65_536))
        if (i % 10 === 9) await sleep(2)
      }
      await sleep(200)
      const before = reads
      assert.isAbove(before, 0)
      assert.isBelow(before, many * 0.7)
      await sleep(100)
      assert.strictEqual(reads, before)
      one.pause(false)
      for (let i = 0; i < many; i++) assert.strictEqual(statusOf(await one.next()), 0)
      assert.strictEqual(reads, many)
      // The server does not begin the rest of a compound either.
      one.pause(true)
      const parts = Array.from({ length: many }, (_, i) => {
        const packet = Buffer.from(one.packet(Command.READ, Message.encodeRequest(Requests.read(file, 65_536))))
        const part = Buffer.concat([packet, Buffer.alloc(8 - packet.length % 8)])
        if (i < many - 1) part.writeUInt32LE(part.length, 20)
        return part
      })
      one.frame(Buffer.concat(parts))
      await sleep(300)
      assert.isBelow(reads, many * 1.7)
      one.pause(false)
      assert.isTrue(await until(() => Promise.resolve(reads === 2 * many)))
      assert.isTrue(await isDone(one, many))
    }, counting)
  }],

  storeTime: [
    "a CREATE whose store call hangs gets STATUS_IO_TIMEOUT, and the next request works",
    () =>
      within({ storeTime: "200 millis" }, async ({ client }) => {
        const one = await client()
        const start = performance.now()
        assert.strictEqual(await one.open("hangs"), NtStatus.STATUS_IO_TIMEOUT)
        assert.isAtLeast(performance.now() - start, 150)
        await opened(one, "works")
      }, (store) => ({
        ...store,
        open: (path, options) => path[0] === "hangs" ? Effect.never : store.open(path, options)
      }))
  ],

  stopTime: [
    "a file whose close hangs does not keep the server from stopping",
    () =>
      within({ stopTime: "300 millis" }, async ({ client, stop }) => {
        const one = await client()
        await opened(one, "a")
        const start = performance.now()
        await stop()
        assert.isAtLeast(performance.now() - start, 250)
        assert.isTrue(await until(async () => one.closed))
      }, (store) => ({
        ...store,
        open: (path, options) =>
          path.length === 0
            ? store.open(path, options)
            : Effect.acquireRelease(store.open(path, options), () => Effect.never)
      }))
  ]
}

describe("the server", () => {
  const tasksOf = async (server: Place["server"]) => (await Effect.runPromise(server.statistics)).tasks

  it("keeps no task for clients without a logon that hang up in the middle of a frame", () =>
    within({}, async ({ port, server }) => {
      const before = await tasksOf(server)
      for (let round = 0; round < 5; round++) {
        const strangers = Array.from({ length: 40 }, () => new RawClient(host, port))
        // A frame of 128 KiB begins, and ends with the connection.
        for (const one of strangers) one.raw(Buffer.from("0001ffff", "hex"))
        assert.isTrue(
          await until(async () => (await Effect.runPromise(server.statistics)).connections === 41)
        )
        for (const one of strangers) one.close()
        assert.isTrue(
          await until(async () => (await Effect.runPromise(server.statistics)).connections === 1)
        )
      }
      assert.isTrue(await until(async () => await tasksOf(server) === before))
    }))

  it("releases the lock of an open whose CREATE fails, if the client locked it before the response", () => {
    const begun = Latch.makeUnsafe()
    const fails = Latch.makeUnsafe()
    return within({}, async ({ client }) => {
      const [one, two] = [await client(joe), await client(ann)]
      const file = await opened(one, "a")
      one.say(Requests.create("a", { createDisposition: CreateDisposition.FILE_OVERWRITE }))
      await Effect.runPromise(begun.await)
      const guessed = { persistent: file.persistent + 1n, volatile: file.volatile + 1n }
      assert.strictEqual(statusOf(await one.ask(Requests.lock(guessed, 0))), 0)
      fails.openUnsafe()
      assert.strictEqual(statusOf(await one.next()), NtStatus.STATUS_DISK_FULL)
      assert.strictEqual(statusOf(await two.ask(Requests.lock(await opened(two, "a"), 0))), 0)
    }, (store) => ({
      ...store,
      open: (path, how) =>
        Effect.map(store.open(path, how), (found) => ({
          ...found,
          file: {
            ...found.file,
            truncate: () =>
              Effect.andThen(
                Effect.andThen(begun.open, fails.await),
                Effect.fail(storeError("Full"))
              )
          }
        }))
    }))
  })

  it("keeps no timer of a break that is over, or of a durable open that is closed", () =>
    within({ durableTime: "1 hour", breakTime: "1 hour" }, async ({ client, server }) => {
      const two = await client()
      const before = await tasksOf(server)
      const durable = {
        requestedOplockLevel: OplockLevel.SMB2_OPLOCK_LEVEL_BATCH,
        createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
      }
      const one = await client(joe)
      const file = await opened(one, "a", durable)
      await opened(one, "b", durable)
      // A break that ends with the close of its file.
      assert.strictEqual(statusOf(await two.ask(Requests.create("a"))), STATUS_PENDING)
      one.say(Requests.close(file))
      assert.strictEqual(statusOf(await two.next()), 0)
      // A durable open that conflicts with another CREATE while its client is gone.
      one.close()
      assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 2))
      assert.isAbove(await tasksOf(server), before)
      await opened(two, "b")
      assert.isTrue(await until(async () => await tasksOf(server) === before))
    }))
})

describe("a client without a logon", () => {
  it("cannot begin more logons at a time than logonAttempts", () =>
    within({ logonAttempts: 3 }, async (place) => {
      const one = await met(place)
      const { token } = await Effect.runPromise(
        Effect.scoped(Effect.flatMap(
          Authenticator.makeNtlm().make(joe, { server: "server" }),
          (logon) => logon.step(new Uint8Array(0))
        ))
      )
      const statuses = []
      for (let i = 0; i < 5; i++) {
        const answer = await one.ask({
          _tag: "SESSION_SETUP",
          body: {
            flags: 0,
            securityMode: SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
            capabilities: 0,
            previousSessionId: 0n,
            securityBuffer: token
          }
        })
        statuses.push(statusOf(answer))
      }
      const begun = NtStatus.STATUS_MORE_PROCESSING_REQUIRED
      assert.deepStrictEqual(statuses, [
        begun,
        begun,
        begun,
        STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INSUFFICIENT_RESOURCES
      ])
    }))

  it("cannot fill the log: refused logons write 20 lines, and later a line with the number of the others", () =>
    standing({ refusedLogons: 1000, addressRefusedLogons: 1000, logonAttempts: 1000 }, async (place) => {
      const one = await met(place)
      const long = "x".repeat(5000)
      for (let i = 0; i < 60; i++) assert.strictEqual(await one.setup(guess(long)), STATUS_LOGON_FAILURE)
      const lines = () => place.log.filter(({ event }) => event === "logon refused")
      assert.lengthOf(lines(), 20)
      assert.deepInclude(lines()[0], { user: long.slice(0, 256), reason: "there is no such user" })
      await place.adjust("1 second")
      await one.setup(guess("joe"))
      assert.deepInclude(lines()[20], { user: "joe", reason: "the password is wrong", more: 40 })
      assert.strictEqual((await statisticsOf(place.server)).refused.logons, 61)
    }))
})

describe("limits", () => {
  it("have a test in this table for each default", () => {
    assert.deepStrictEqual(Object.keys(tests).toSorted(), Object.keys(Limits.defaults).toSorted())
  })
  for (const [name, [words, run]] of Object.entries(tests)) it(`${name}: ${words}`, run, 30_000)
})
