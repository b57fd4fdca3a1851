/**
 * Proves that recorded sessions of other clients, replayed with changed sizes, offsets, counts, contexts, flags,
 * compounds and transforms, do not hurt the server or its other clients. Opens of the sessions succeed: changed
 * requests reach the handlers.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus as Status } from "effect-smb/Codec"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"
import { RawClient, statusOf } from "./RawClient.ts"

const host = "127.0.43.4"
const secret = Redacted.make("secret")

interface Recorded {
  readonly requests: ReadonlyArray<string>
  /** By MessageId: a FileId of 16 bytes, or a TreeId of 4. */
  readonly ids: Readonly<Record<string, string>>
}

const recorded: ReadonlyArray<Recorded> = readFileSync(new URL("fixtures/sessions.jsonl", import.meta.url), "utf8")
  .split("\n").filter((line) => line.includes("\"requests\"")).map((line) => JSON.parse(line) as Recorded)

const headerSize = 64

/** The messages of a frame. */
const messagesOf = (frame: Buffer): Array<Buffer> => {
  const messages: Array<Buffer> = []
  for (let at = 0;;) {
    const next = frame.readUInt32LE(at + 20)
    messages.push(frame.subarray(at, next === 0 ? frame.length : at + next))
    if (next === 0 || at + next >= frame.length) return messages
    at += next
  }
}

const numbers = [0, 1, 2, 7, 8, 63, 64, 65, 72, 120, 0xff, 0xffff, 0x10000, 0x10001, 0x7fffffff, 0x80000000, 0xfffffff8]
const large = [0n, 1n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 2n, 1n << 32n, 1n << 62n]

type Next = (limit: number) => number

/** Makes one change to a message. It may change the message in place. */
const changed = (message: Buffer, next: Next): Buffer => {
  const room = message.length - headerSize
  const at = (size: number) => headerSize + (next(Math.max(1, room - size + 1)) & ~(size - 1))
  const number = () => numbers[next(numbers.length)]!
  switch (next(9)) {
    case 0:
      message[at(1)] = next(256)
      break
    case 1:
      if (room >= 2) message.writeUInt16LE(number() & 0xffff, at(2))
      break
    case 2:
      if (room >= 4) message.writeUInt32LE(number(), at(4))
      break
    case 3:
      if (room >= 8) message.writeBigUInt64LE(large[next(large.length)]!, at(8))
      break
    case 4:
      return Buffer.from(message.subarray(0, headerSize + next(room)))
    case 5:
      return Buffer.concat([message, Buffer.alloc(next(200), next(256))])
    case 6:
      // Asynchronous, related, signed, with a DFS name, replayed.
      message.writeUInt32LE(message.readUInt32LE(16) ^ [2, 4, 8, 0x1000_0000, 0x2000_0000][next(5)]!, 16)
      break
    case 7:
      message.writeUInt16LE(Command.TREE_CONNECT + next(17), 12)
      break
    default:
      // The charge, or the credits that are asked for.
      message.writeUInt16LE(number() & 0xffff, next(2) === 0 ? 6 : 14)
  }
  return message
}

/** Puts a header of encryption or compression before a frame, although the connection has negotiated neither. */
const transformed = (frame: Buffer, next: Next): Buffer =>
  Buffer.concat([
    Buffer.from([next(2) === 0 ? 0xfd : 0xfc, 0x53, 0x4d, 0x42]),
    Buffer.from(Array.from({ length: next(64) }, () => next(256))),
    frame
  ])

/**
 * Replays a session in a share. Of a thousand messages about `rate` are changed. Returns the statuses of the responses, and how
 * many of the recorded opens and trees there are again.
 */
const play = async (client: RawClient, session: Recorded, share: string, next: Next, rate: number) => {
  const statuses = new Set<number>()
  const known: Array<readonly [Buffer, Buffer]> = []
  const trees = new Map<number, number>()
  const asked = new Map<number, string>()
  const hear = (frame: Buffer) => {
    for (const answer of messagesOf(frame)) {
      const status = statusOf(answer)!
      statuses.add(status)
      const id = asked.get(answer.readUInt32LE(24))
      if (status !== 0 || id === undefined) continue
      if (id.length === 8) trees.set(Buffer.from(id, "hex").readUInt32LE(), answer.readUInt32LE(36))
      else if (answer.readUInt16LE(12) === Command.CREATE) {
        known.push([Buffer.from(id, "hex"), answer.subarray(128, 144)])
      }
    }
  }
  /** How many milliseconds the response to an unchanged request may take. After one is missing, others may be too. */
  let patience = 1000
  for (const request of session.requests) {
    if (client.closed) break
    const frame = Buffer.from(request, "hex")
    let isAnswered = true
    const parts = messagesOf(frame).map((message, i, all) => {
      const id = session.ids[String(message.readUInt32LE(24))]
      if (message.readUInt16LE(12) !== Command.CANCEL) {
        message.writeBigUInt64LE(BigInt(client.messageId), 24)
        if (id !== undefined) asked.set(client.messageId, id)
        client.messageId += Math.max(1, message.readUInt16LE(6))
      }
      message.writeUInt16LE(Math.max(32, message.readUInt16LE(14)), 14)
      message.writeUInt32LE(trees.get(message.readUInt32LE(36)) ?? client.treeId, 36)
      message.writeBigUInt64LE(client.sessionId, 40)
      // A client of 3.1.1 signs TREE_CONNECT. Its signature belongs to its own session.
      message.writeUInt32LE(message.readUInt32LE(16) & ~8, 16)
      if (message.readUInt16LE(12) === Command.TREE_CONNECT) {
        const name = message.indexOf("\\share", headerSize, "utf16le")
        if (name >= 0) message.write(`\\${share}`, name, "utf16le")
      }
      for (const [old, now] of known) {
        const at = message.indexOf(old, headerSize)
        if (at >= 0) now.copy(message, at)
      }
      const sent = next(1000) < rate ? changed(Buffer.from(message), next) : message
      if (sent !== message || message.readUInt16LE(12) === Command.CANCEL) isAnswered = false
      if (i === all.length - 1) return sent
      const padded = Buffer.concat([sent, Buffer.alloc(7 - (sent.length + 7) % 8)])
      padded.writeUInt32LE(padded.length, 20)
      return padded
    })
    const whole = Buffer.concat(parts)
    if (next(2000) < rate) {
      whole.writeUInt32LE(numbers[next(numbers.length)]!, 20)
      isAnswered = false
    }
    const isTransformed = next(4000) < rate
    client.frame(isTransformed ? transformed(whole, next) : whole)
    const wait = isAnswered && !isTransformed ? patience : 10
    const answer = await client.next(wait)
    if (answer !== undefined) hear(answer)
    else if (wait > 10 && rate > 0) patience = 10
    for (const more of client.frames.splice(0)) hear(more)
  }
  // On a busy machine the responses to changed requests come late.
  const linger = rate > 0 ? 150 : 0
  for (let late = await client.next(linger); late !== undefined; late = await client.next(linger)) hear(late)
  return { statuses, opens: known.length, trees: trees.size }
}

/** Runs with a server, and asserts that it ends without sessions and without an error in its log. */
const withServer = async (use: (port: number) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "sessions-"))
  const said: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Error" || logLevel === "Fatal") said.push(String(message))
  })
  const scope = Scope.makeUnsafe()
  const capacity = 16 * 1024 * 1024
  const server = await Effect.runPromise(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: { password: secret, administrator: true }, ann: secret }),
      shares: {
        share: MemoryStore.make({ capacity }),
        quiet: MemoryStore.make({ capacity }),
        // Names of five letters, as the recorded one.
        disks: { store: LocalStore.make(folder), accessBasedEnumeration: true },
        calm: MemoryStore.make()
      },
      signing: "enabled",
      guest: "anonymous"
    }).pipe(Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([logger]))))
  )
  try {
    await use(server.port)
    for (let waited = 0; waited < 3000; waited += 20) {
      if ((await Effect.runPromise(server.statistics)).sessions === 0) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.strictEqual((await Effect.runPromise(server.statistics)).sessions, 0)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    rmSync(folder, { recursive: true, force: true })
  }
  assert.deepStrictEqual(said, [])
}

const faults = [Status.NtStatus.STATUS_INTERNAL_ERROR, Status.NtStatus.STATUS_UNEXPECTED_IO_ERROR]

it("recorded sessions, replayed without changes, get their trees and their opens", async () => {
  await withServer(async (port) => {
    const missing: Array<readonly [trees: number, opens: number]> = []
    // One after the other, because a session opens files of earlier ones.
    for (const session of recorded) {
      const client = new RawClient(host, port)
      assert.isDefined(await client.negotiate(0x0302))
      assert.strictEqual(await client.setup(Credentials.password("joe", secret)), 0)
      const { opens, statuses, trees } = await play(client, session, "quiet", random(1), 0)
      client.close()
      for (const fault of faults) assert.isFalse(statuses.has(fault))
      const ids = Object.values(session.ids)
      const count = (length: number) => ids.filter((id) => id.length === length).length
      missing.push([count(8) - trees, count(32) - opens])
    }
    // The first file of the eleventh session existed before its recording began.
    assert.deepStrictEqual(missing, recorded.map((_, i) => [0, i === 10 ? 1 : 0]))
  })
}, 60_000)

it("a server survives replayed sessions with random changes, and another client notices nothing", async () => {
  await withServer(async (port) => {
    const other = new RawClient(host, port)
    assert.isTrue(await other.logOn("calm"))
    const heard = new Set<number>()
    const run = async (seed: number) => {
      const next = random(seed)
      for (let turn = 0; turn < 12; turn++) {
        const client = new RawClient(host, port)
        assert.isDefined(await client.negotiate([0x0210, 0x0300, 0x0302][next(3)]!))
        assert.strictEqual(await client.setup(Credentials.password(["joe", "ann"][next(2)]!, secret)), 0)
        const share = ["share", "disks"][next(2)]!
        assert.strictEqual(await client.connect(share), 0)
        const rate = [0, 50, 150, 300][next(4)]!
        const { statuses } = await play(client, recorded[next(recorded.length)]!, share, next, rate)
        for (const status of statuses) heard.add(status)
        client.close()
      }
    }
    await Promise.all([run(17), run(271), run(8191), run(65_537)])
    assert.strictEqual(statusOf(await other.ask({ _tag: "ECHO", body: {} })), 0)
    other.close()
    // Only the handlers of commands give these: the changed requests reached them.
    assert.includeMembers(Array.from(heard, Status.name), [
      "STATUS_SUCCESS",
      "STATUS_PENDING",
      "STATUS_FILE_IS_A_DIRECTORY",
      "STATUS_LOCK_NOT_GRANTED",
      "STATUS_NO_MORE_FILES",
      "STATUS_OBJECT_NAME_NOT_FOUND"
    ])
    for (const fault of faults) assert.isFalse(heard.has(fault))
  })
}, 60_000)
