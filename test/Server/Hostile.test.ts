/**
 * Proves that bad input of one client (arbitrary bytes, mutated captured requests, costly patterns, wrong MessageIds)
 * does not hurt the server's other clients and makes the server log no error.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { readFileSync } from "node:fs"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { Command } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.28.3"

/** Requests that smbclient, impacket and other clients sent to smbd. */
const captured: ReadonlyArray<Buffer> = readFileSync(
  new URL("../Smb2/fixtures/captured.jsonl", import.meta.url),
  "utf8"
).split("\n").filter((line) => line.includes("\"request\"")).map((line) =>
  Buffer.from((JSON.parse(line) as { packet: string }).packet, "hex")
)

/** Runs against a new server, and fails if the server has logged an error. */
const withServer = async (
  use: (port: number, server: SmbServer.SmbServer["Service"]) => Promise<void>,
  options: Partial<SmbServer.Options> = {}
): Promise<void> => {
  const said: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Error" || logLevel === "Fatal") said.push(String(message))
  })
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(
    SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: { data: MemoryStore.make({ capacity: 16 * 1024 * 1024 }) },
      signing: "enabled",
      guest: "anonymous",
      ...options
    }).pipe(Scope.provide(scope), Effect.provide(Layer.fresh(Logger.layer([logger]))))
  )
  try {
    await use(server.port, server)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
  assert.deepStrictEqual(said, [])
}

const isAlive = async (client: RawClient): Promise<boolean> => {
  const answer = await client.ask({ _tag: "ECHO", body: {} })
  return answer !== undefined && answer.readUInt32LE(8) === 0
}

describe("a server that gets bad input", () => {
  it(
    "serves other clients after arbitrary bytes and mutated requests before a logon",
    () =>
      withServer(async (port) => {
        const other = new RawClient(host, port)
        assert.isTrue(await other.logOn("data"))
        const next = random(4711)
        for (let turn = 0; turn < 60; turn++) {
          const client = new RawClient(host, port)
          if (turn % 3 === 0) {
            client.raw(Uint8Array.from({ length: 1 + next(300) }, () => next(256)))
          } else {
            for (let i = 0; i < 4; i++) {
              const packet = Buffer.from(captured[next(captured.length)]!)
              for (let k = 0; k < 1 + next(4); k++) packet[next(packet.length)] = next(256)
              client.frame(packet.subarray(0, turn % 3 === 1 ? packet.length : 1 + next(packet.length)))
            }
          }
          await client.next(20)
          client.close()
        }
        assert.isTrue(await isAlive(other))
        other.close()
      }),
    30_000
  )

  it("serves other clients after mutated requests of users who have logged on", () =>
    withServer(async (port) => {
      const other = new RawClient(host, port)
      assert.isTrue(await other.logOn("data"))
      const next = random(815)
      for (let turn = 0; turn < 12; turn++) {
        const client = new RawClient(host, port)
        assert.isTrue(await client.logOn("data"))
        for (let i = 0; i < 60 && !client.closed; i++) {
          const packet = Buffer.from(captured[next(captured.length)]!)
          const command = packet.readUInt16LE(12)
          if (command <= Command.TREE_DISCONNECT) continue
          packet.writeUInt32LE(0, 16)
          packet.writeUInt32LE(0, 20)
          packet.writeUInt16LE(1, 6)
          packet.writeUInt16LE(16, 14)
          packet.writeBigUInt64LE(BigInt(client.messageId++), 24)
          packet.writeUInt32LE(client.treeId, 36)
          packet.writeBigUInt64LE(client.sessionId, 40)
          // Half of the requests with a FileId get one that may be open.
          if (command !== Command.CREATE && next(2) === 0) {
            const at = command === Command.CLOSE || command === Command.FLUSH || command === Command.LOCK ||
                command === Command.IOCTL || command === Command.CHANGE_NOTIFY || command === Command.QUERY_DIRECTORY
              ? 72
              : command === Command.QUERY_INFO
              ? 88
              : 80
            const id = BigInt(1 + next(40))
            if (packet.length >= at + 16) {
              packet.writeBigUInt64LE(id, at)
              packet.writeBigUInt64LE(id, at + 8)
            }
          }
          for (let k = 0; k < next(4); k++) packet[64 + next(packet.length - 64)] = next(256)
          client.frame(packet)
          if (i % 10 === 9) await client.next(30)
        }
        client.close()
      }
      assert.isTrue(await isAlive(other))
      other.close()
    }), 60_000)

  it(
    "closes a connection that sends a frame beyond its limit, or a MessageId that was not granted or is used twice",
    () =>
      withServer(async (port) => {
        const long = new RawClient(host, port)
        long.raw(Uint8Array.of(0, 0xff, 0xff, 0xff))
        await long.next(2000)
        assert.isTrue(long.closed)
        // A client without a logon needs no frames as long as a user's: the server closes it at the length.
        const packet = (length: number) => Uint8Array.of(0, length >>> 16, length >>> 8 & 0xff, length & 0xff)
        const stranger = new RawClient(host, port)
        assert.isDefined(await stranger.negotiate())
        stranger.raw(packet(200_000))
        await stranger.next(2000)
        assert.isTrue(stranger.closed)
        const user = new RawClient(host, port)
        assert.isTrue(await user.logOn("data"))
        user.raw(packet(200_000))
        await user.next(100)
        assert.isFalse(user.closed)
        user.close()
        const greedy = new RawClient(host, port)
        assert.isTrue(await greedy.logOn("data"))
        greedy.messageId += 100_000
        await greedy.ask({ _tag: "ECHO", body: {} })
        assert.isTrue(greedy.closed)
        const twice = new RawClient(host, port)
        assert.isTrue(await twice.logOn("data"))
        assert.isTrue(await isAlive(twice))
        twice.messageId--
        await twice.ask({ _tag: "ECHO", body: {} })
        assert.isTrue(twice.closed)
      }),
    30_000
  )

  it("responds to other clients while it lists by patterns that are made to be slow", () =>
    withServer(async (port) => {
      const client = new RawClient(host, port)
      const other = new RawClient(host, port)
      assert.isTrue(await client.logOn("data"))
      assert.isTrue(await other.logOn("data"))
      for (let i = 0; i < 40; i++) assert.isObject(await client.open(`${"a.".repeat(120)}${i}`))
      const folder = await client.open("", Requests.directory)
      assert.isObject(folder)
      // One pattern is longer than names can be, one is as long as a name can be and matches no file.
      for (
        const [pattern, status] of [["<*".repeat(15_000), NtStatus.STATUS_OBJECT_NAME_INVALID], [
          `${"*?".repeat(126)}qz`,
          NtStatus.STATUS_NO_SUCH_FILE
        ]] as const
      ) {
        client.say(Requests.list(folder as FileId, pattern))
        assert.isTrue(await isAlive(other))
        assert.strictEqual(statusOf(await client.next()), status)
      }
    }), 30_000)

  it(
    "closes connections that do not log on in time, and those beyond unauthenticatedConnections",
    () =>
      withServer(async (port, server) => {
        const idle = new RawClient(host, port)
        await idle.next(1500)
        assert.isTrue(idle.closed)
        const clients = Array.from({ length: 5 }, () => new RawClient(host, port))
        await clients[4]!.next(500)
        assert.isAtMost((await Effect.runPromise(server.statistics)).connections, 3)
        for (const client of clients) client.close()
      }, { limits: { unauthenticatedConnections: 3, logonTime: "700 millis" } }),
    30_000
  )
})
