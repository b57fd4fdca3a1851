import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Exit, Latch, Layer, Logger, Redacted, References, Scope } from "effect"
import { Authenticator, Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Limits from "../../src/Server/Limits.ts"
import { type ShareStore, StoreError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { Command, CreateDisposition } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.36.12"
const secret = Redacted.make("secret")
const joe = Credentials.password("joe", secret)
const ann = Credentials.password("ann", secret)

interface Place {
  readonly port: number
  readonly server: SmbServer.SmbServer["Service"]
  /** A client who has logged on, as nobody where nobody is named, until the test ends. */
  readonly client: (credential?: Credentials.Credential, from?: string) => Promise<RawClient>
  /** One who has only connected. */
  readonly stranger: (from?: string) => RawClient
  /** The lines of the log. */
  readonly log: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Lets the server's time go on, where that is not the machine's. */
  readonly adjust: (time: Duration.Input) => Promise<void>
  readonly stop: () => Promise<void>
}

/** A server with these limits; in the end somebody else must have noticed nothing. */
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
    if (other.closed) return
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

/** Whether so many answers of compounds came, and no others. */
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
/** A server whose time stands, until it is told to go on. */
const standing = (limits: Partial<Limits.Limits>, use: (place: Place) => Promise<void>) =>
  within({ logonAttempts: 100, ...limits }, use, undefined, { stands: true })
/** One who has negotiated. */
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

/** One for each: what it holds back, and that it is room again afterwards. */
const tests: { readonly [K in keyof Limits.Limits]: readonly [words: string, run: () => Promise<void>] } = {
  connections: [
    "further ones are closed at once, and there is room when one goes",
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
    "further ones from one address are closed at once, and others come in",
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
    "no further one is this user's, until one goes; others come in",
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
    "with one more the oldest goes, of who has the most; whoever logs on comes in, and stays",
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
    "one more on a connection is refused, and the others stay",
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
    "one more of a user is refused, until one ends, and others have theirs",
    () =>
      within({ userSessions: 2 }, async ({ client }) => {
        const one = await client(joe)
        const two = await client(joe)
        const before = two.sessionId
        assert.strictEqual(await one.setup(joe), STATUS_REQUEST_NOT_ACCEPTED)
        // One that takes the place of another is none more.
        assert.strictEqual(await one.setup(joe, { previousSessionId: before }), 0)
        await client(ann)
        assert.strictEqual(statusOf(await one.ask({ _tag: "LOGOFF", body: {} })), 0)
        assert.strictEqual(await one.setup(joe), 0)
        // Nor does one become theirs that was another's.
        const other = await client(ann)
        assert.strictEqual(await other.setup(ann, { sessionId: other.sessionId }), 0)
        assert.strictEqual(await other.setup(joe, { sessionId: other.sessionId }), STATUS_REQUEST_NOT_ACCEPTED)
        assert.strictEqual(statusOf(await other.ask(Requests.create("a"))), NtStatus.STATUS_USER_SESSION_DELETED)
      })
  ],

  trees: ["one more of a session is refused", () =>
    within({ trees: 2 }, async ({ client }) => {
      const one = await client()
      assert.strictEqual(await one.connect("calm"), 0)
      assert.strictEqual(await one.connect("calm"), STATUS_INSUFFICIENT_RESOURCES)
      assert.strictEqual(statusOf(await one.ask({ _tag: "TREE_DISCONNECT", body: {} })), 0)
      assert.strictEqual(await one.connect("calm"), 0)
    })],

  opens: ["one more of a session is refused", () =>
    within({ opens: 3 }, async ({ client }) => {
      const one = await client()
      const files = [await opened(one, "a"), await opened(one, "b"), await opened(one, "c")]
      assert.strictEqual(await one.open("d"), STATUS_TOO_MANY_OPENED_FILES)
      const two = await client()
      await opened(two, "d")
      assert.strictEqual(statusOf(await one.ask(Requests.close(files[1]!))), 0)
      await opened(one, "e")
    })],

  pending: [
    "one more request that waits is refused, and what waits goes on",
    () =>
      within({ pending: 2 }, async ({ client }) => {
        const one = await client()
        const file = await opened(one, "", Requests.directory)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_PENDING)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_PENDING)
        assert.strictEqual(statusOf(await one.ask(Requests.notify(file))), STATUS_INSUFFICIENT_RESOURCES)
        const two = await client()
        await opened(two, "new.txt")
        assert.strictEqual(statusOf(await one.next()), 0)
      })
  ],

  credits: [
    "no more are granted, and who uses others is sent away",
    () =>
      within({ credits: 20 }, async ({ client }) => {
        const one = await client()
        // The window's end: what was granted, counted from the first identifier that is free.
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
    "no more is announced, read or written at once, and a longer frame ends the connection",
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
    "the connection ends with the last that failed",
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
        // Their user comes in by another.
        const two = new RawClient(host, port)
        assert.isTrue(await two.logOn("data", joe))
        two.close()
      })
  ],

  refusedLogons: [
    "the next one of that name from there waits; nobody else does, from there or as that user from elsewhere",
    () =>
      standing({ refusedLogons: 2 }, async (place) => {
        const one = await met(place)
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
        assert.strictEqual(await one.setup(guess("JOE")), STATUS_LOGON_FAILURE)
        const third = one.setup(joe)
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 1))
        await place.client(joe, elsewhere)
        await place.client(ann)
        // It is all the same for somebody who is no user.
        const two = await met(place)
        for (let i = 0; i < 2; i++) assert.strictEqual(await two.setup(guess("eve")), STATUS_LOGON_FAILURE)
        const none = two.setup(guess("eve"))
        assert.isTrue(await until(async () => (await statisticsOf(place.server)).waitingLogons === 2))
        await place.adjust("250 millis")
        assert.strictEqual(await third, 0)
        assert.strictEqual(await none, STATUS_LOGON_FAILURE)
        // Who came in begins anew; who did not waits for twice as long.
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
    "the next one from there waits, whoever it is, unless they came in before",
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
    "of many that wait for one turn one is judged, and the others are refused as they are",
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
    "what is older is forgotten",
    () =>
      standing({ refusedLogons: 1, refusalTime: "10 seconds" }, async (place) => {
        const one = await met(place)
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
        await place.adjust("10001 millis")
        assert.strictEqual(await one.setup(guess("joe")), STATUS_LOGON_FAILURE)
      })
  ],

  refusalEntries: [
    "no more are kept, and the oldest goes",
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
    "who has not logged on by then is sent away, and who has stays",
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

  keepAlive: [
    "the system asks whether a silent client is there still",
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
          // What was just sent has a timer of its own until it is acknowledged.
          assert.isTrue(await until(async () => timers().join() === "02,02"), timers().join())
        })
      } finally {
        Net.Socket.prototype.setKeepAlive = setKeepAlive
      }
    }
  ],

  idleTime: [
    "who has nothing open and says nothing is sent away; who has, or says something, stays",
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
    "an oplock that is not given back is taken",
    () =>
      within({ breakTime: "300 millis" }, async ({ client }) => {
        const one = await client()
        await opened(one, "a", { requestedOplockLevel: 9 })
        const two = await client()
        const start = performance.now()
        assert.strictEqual(statusOf(await two.ask(Requests.create("a"))), STATUS_PENDING)
        assert.strictEqual(statusOf(await two.next()), 0)
        assert.isAtLeast(performance.now() - start, 250)
        assert.isTrue(one.frames.some((frame) => frame.readUInt16LE(12) === 18))
      })
  ],

  durableTime: [
    "an open does not wait longer for its client",
    () =>
      within({ durableTime: "300 millis" }, async ({ client, server }) => {
        const one = await client(joe)
        await opened(one, "a", {
          requestedOplockLevel: 9,
          createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
        })
        one.close()
        const opens = async () => (await Effect.runPromise(server.statistics)).opens
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 1))
        assert.strictEqual(await opens(), 1)
        assert.isTrue(await until(async () => await opens() === 0))
      })
  ],

  serverOpens: [
    "one more is refused to whomever, until one is closed",
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
    "one more of a user is refused, pipes among them, until one is closed; others open theirs",
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
        // What fails holds nothing.
        for (let i = 0; i < 5; i++) {
          assert.strictEqual(await one.open("none", { createDisposition: 1 }), NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
        }
        await opened(one, "d")
        assert.strictEqual(statusOf(await two.ask(Requests.close(last))), 0)
        one.close()
        two.close()
        assert.isTrue(await until(async () => (await statisticsOf(server)).sessions === 2))
      })
  ],

  fileLocks: [
    "one more is refused to whomever has the file open, until one is given back",
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
    "one more is refused to whomever, until one is given back",
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
    "one more of a user is refused, and others have theirs",
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
        // What is waited for counts as what is held.
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
    "one more of a user is refused, and others have theirs",
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
    "who misses more is told to look, and others hear all",
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
        // Two watches of one user have the room of one.
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
    "one more is refused, and those that are there hear on",
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
    "one more is refused to any client, until one ends",
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
    "a watch that misses more is told to look, and what is fetched makes room for others",
    () =>
      within({ serverNotifications: 200 }, async ({ client }) => {
        const [one, two] = [await client(), await client()]
        const folders = []
        for (const name of ["x", "y"]) {
          const how = { ...Requests.directory, createDisposition: 3, desiredAccess: 0x0010_0083 }
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
        // What was fetched is room again.
        const heard = (await one.ask(Requests.notify(folders[0]!)))!
        assert.isTrue(heard.includes(Buffer.from("name4", "utf16le")))
        await opened(two, "y\\last")
        const last = (await one.ask(Requests.notify(folders[1]!)))!
        assert.isTrue(last.includes(Buffer.from("last", "utf16le")))
      })
  ],

  durables: [
    "no more opens wait for their clients, and those that came before do",
    () =>
      within({ durables: 2 }, async ({ client, server }) => {
        const one = await client(joe)
        for (const name of ["a", "b", "c", "d"]) {
          await opened(one, name, {
            requestedOplockLevel: 9,
            createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
          })
        }
        one.close()
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 1))
        assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).opens === 2))
      })
  ],

  userDurables: [
    "no more opens of a user wait, and those of others do",
    () =>
      within({ userDurables: 1 }, async ({ client, server }) => {
        const [one, two] = [await client(joe), await client(ann)]
        for (const [each, names] of [[one, ["a", "b", "c"]], [two, ["d"]]] as const) {
          for (const name of names) {
            await opened(each, name, {
              requestedOplockLevel: 9,
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
    "one more of an open is refused, and others of the file have theirs",
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
    "one more request that waits for a file's ranges is refused, and those that wait get theirs",
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
    "who has missed more is told to look, and later changes are heard",
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

  unsent: ["who does not read answers is not read from, until it does", async () => {
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
      // 64 MiB of answers: far more than both systems' buffers hold.
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
      // Nor is the rest of a compound begun.
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
    "a call that hangs is answered, and nobody waits for it",
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
    "a file that cannot be closed does not keep the server",
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

describe("what has ended", () => {
  const tasksOf = async (server: Place["server"]) => (await Effect.runPromise(server.statistics)).tasks

  it("leaves nothing behind of strangers who hang up in the middle of a frame", () =>
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

  it("leaves no lock behind of an open that came to nothing, though its client used it before it was answered", () => {
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
                Effect.fail(new StoreError({ reason: "Full" }))
              )
          }
        }))
    }))
  })

  it("leaves no timer behind of a break that is over, nor of a durable open that is closed", () =>
    within({ durableTime: "1 hour", breakTime: "1 hour" }, async ({ client, server }) => {
      const two = await client()
      const before = await tasksOf(server)
      const durable = {
        requestedOplockLevel: 9,
        createContexts: [{ _tag: "DurableHandleRequest", data: {} }] as never
      }
      const one = await client(joe)
      const file = await opened(one, "a", durable)
      await opened(one, "b", durable)
      // A break that ends with the close of its file.
      assert.strictEqual(statusOf(await two.ask(Requests.create("a"))), STATUS_PENDING)
      one.say(Requests.close(file))
      assert.strictEqual(statusOf(await two.next()), 0)
      // A durable open that is in the way while its client is gone.
      one.close()
      assert.isTrue(await until(async () => (await Effect.runPromise(server.statistics)).sessions === 2))
      assert.isAbove(await tasksOf(server), before)
      await opened(two, "b")
      assert.isTrue(await until(async () => await tasksOf(server) === before))
    }))
})

describe("strangers", () => {
  it("begin no more logons at a time than they may try", () =>
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
          body: { flags: 0, securityMode: 1, capabilities: 0, previousSessionId: 0n, securityBuffer: token }
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

  it("fill no log: some lines, and how many there were", () =>
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
  it("all have a default, and a test", () => {
    assert.deepStrictEqual(Object.keys(tests).toSorted(), Object.keys(Limits.defaults).toSorted())
  })
  for (const [name, [words, run]] of Object.entries(tests)) it(`${name}: ${words}`, run, 30_000)
})
