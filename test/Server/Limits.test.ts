import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import * as Limits from "../../src/Server/Limits.ts"
import type { ShareStore } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.36.12"
const secret = Redacted.make("secret")
const joe = Credentials.password("joe", secret)

interface Place {
  readonly port: number
  readonly server: SmbServer.SmbServer["Service"]
  /** A client who has logged on, as nobody where nobody is named, until the test ends. */
  readonly client: (credential?: Credentials.Credential) => Promise<RawClient>
  readonly stop: () => Promise<void>
}

/** A server with these limits; in the end somebody else must have noticed nothing. */
const within = async (
  limits: Partial<Limits.Limits>,
  use: (place: Place) => Promise<void>,
  change: (store: ShareStore) => ShareStore = (store) => store
): Promise<void> => {
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: secret }),
      shares: { data: Effect.map(MemoryStore.make(), change), calm: MemoryStore.make() },
      signing: "enabled",
      guest: "anonymous",
      limits
    }).pipe(Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([]))))
  )
  const { port } = server
  const clients: Array<RawClient> = []
  const client = async (credential?: Credentials.Credential) => {
    const made = new RawClient(host, port)
    clients.push(made)
    assert.isTrue(await made.logOn("data", credential))
    return made
  }
  try {
    const other = new RawClient(host, port)
    clients.push(other)
    assert.isTrue(await other.logOn("calm"))
    await use({ port, server, client, stop: () => Effect.runPromise(Scope.close(scope, Exit.void)) })
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

const { STATUS_INSUFFICIENT_RESOURCES, STATUS_PENDING } = NtStatus
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
      assert.strictEqual(await one.open("d"), STATUS_INSUFFICIENT_RESOURCES)
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
        assert.strictEqual(await two.open("d"), STATUS_INSUFFICIENT_RESOURCES)
        assert.strictEqual(statusOf(await one.ask(Requests.close(file))), 0)
        await opened(two, "d").then((last) => two.ask(Requests.close(last)))
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

describe("limits", () => {
  it("all have a default, and a test", () => {
    assert.deepStrictEqual(Object.keys(tests).toSorted(), Object.keys(Limits.defaults).toSorted())
  })
  for (const [name, [words, run]] of Object.entries(tests)) it(`${name}: ${words}`, run, 30_000)
})
