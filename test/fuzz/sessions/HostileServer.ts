/**
 * The client, by a hostile server: each input is a program of operations, and of lies in the server's answers. The answers
 * are changed before the server signs or encrypts them, also during the logon, so that the client believes them.
 *
 * What the client promises: every operation ends, with a value or with an error of its type, never with a defect; it
 * takes no more memory than its limits allow; and nothing is left of it afterwards.
 */
import { Cause, Effect, Exit, Layer, Logger, Redacted, Stream } from "effect"
import * as OpenMode from "../../../src/Client/OpenMode.ts"
import * as SmbClient from "../../../src/Client/SmbClient.ts"
import { type Batch, Responses } from "../../../src/Server/internal/Connection/Responses.ts"
import * as Smb from "../../../src/Smb/Smb.ts"
import * as Header from "../../../src/Smb2/Header.ts"
import type { Target } from "../Engine.ts"
import { Broken, holds } from "../Promises.ts"
import { change, Decisions } from "./Decisions.ts"
import { makeServer, settle } from "./Server.ts"

/** Statuses that a client acts on. */
export const statuses = [
  0,
  0x103,
  0x10b,
  0x8000_0005,
  0x8000_0006,
  0x8000_002d,
  0xc000_0016,
  0xc000_0022,
  0xc000_0034,
  0xc000_0043,
  0xc000_0054,
  0xc000_00c9,
  0xc000_0120,
  0xc000_0128,
  0xc000_0203,
  0xc000_0225,
  0xc000_0257,
  0xc000_035c,
  0xc000_006d,
  0xc000_000d,
  0xc000_00bb,
  0xc000_0023,
  0xc000_009a
]

/** Changes one response: its body, its header, its status, its credits or its length. */
const lie = (decisions: Decisions, chunks: Array<Uint8Array>): void => {
  const head = chunks[0]!
  const view = Header.view(head)
  switch (decisions.next(8)) {
    case 0:
      change(decisions, head, 0, 4)
      break
    case 1:
      view.setUint32(8, decisions.pick(statuses), true)
      break
    case 2:
      view.setUint16(14, decisions.pick([0, 1, 0xffff]), true)
      break
    case 3:
      // Shorter, but with a header and the beginning of a body.
      if (head.length > Header.size + 2) {
        chunks.splice(0, chunks.length, head.slice(0, Header.size + 2 + decisions.next(head.length - Header.size - 2)))
      }
      break
    case 4:
      chunks.push(new Uint8Array(decisions.next(64)).fill(decisions.next(256)))
      break
    case 5:
      // The data of a READ belongs to the store.
      if (chunks.length > 1) {
        chunks[1] = chunks[1]!.slice()
        change(decisions, chunks[1], 0, 8)
        break
      }
      change(decisions, head, Header.size, 8)
      break
    default:
      change(decisions, head, Header.size, 4)
  }
}

const root = "//server/data"

/** Where operations go. */
const paths = ["", "\\a", "\\b", "\\folder", "\\folder\\c", "\\folder\\deep\\d", "\\a:s", "\\link", "\\missing\\x"]
  .map((path) => root + path)

const content = new Uint8Array(70_000).fill(65)

type Client = SmbClient.Client

/** The first elements of a stream: a hostile server can go on without end. */
const some = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(Stream.take(stream, 2000))

/** An operation on a path. */
const operation = (decisions: Decisions, smb: Client): Effect.Effect<unknown, { readonly _tag: string }> => {
  const path = decisions.pick(paths)
  const other = decisions.pick(paths)
  switch (decisions.next(28)) {
    case 0:
      return smb.stat(path)
    case 1:
      return smb.readFile(path, { maximum: 1_000_000 })
    case 2:
      return some(smb.list(path, decisions.pick([{}, { pattern: "*.txt" }])))
    case 3:
      return some(smb.walk(root))
    case 4:
      return smb.writeFile(path, content.subarray(0, decisions.pick([0, 10, 70_000])))
    case 5:
      return smb.writeFile(path, "all or nothing", { atomic: true })
    case 6:
      return smb.makeDirectory(path, { recursive: decisions.next(2) === 0 })
    case 7:
      return smb.remove(path, { recursive: decisions.next(2) === 0 })
    case 8:
      return smb.rename(path, other, { replace: decisions.next(2) === 0 })
    case 9:
      return smb.copy(path, other)
    case 10:
      return some(smb.watch(path)).pipe(Effect.timeoutOption("30 millis"))
    case 11:
      return smb.security.permissions(path)
    case 12:
      return smb.namedStreams(path)
    case 13:
      return smb.readLink(path)
    case 14:
      return smb.makeLink(path, decisions.pick(["a", "..\\x", "\\\\server\\data\\b", "/etc/passwd"]))
    case 15:
      return smb.previousVersions(path)
    case 16:
      return smb.shares("//server")
    case 17:
      return smb.lookupNames(root, ["joe", "root", "missing", "SERVER\\joe"])
    case 18:
      return smb.lookupSids(root, ["S-1-5-32-544", "S-1-5-21-1-2-3-1000"])
    case 19:
      return smb.openFiles("//server")
    case 20:
      return smb.sessions("//server")
    case 21:
      return some(smb.stream(path, decisions.pick([{}, { offset: 10n, length: 100n }])))
    case 22:
      return smb.setAttributes(path, { fileAttributes: 0x80 })
    case 23:
      return smb.truncate(path, decisions.pick([0, 100, 1_000_000]))
    case 24:
      return smb.lookupDomains(root)
    case 25:
      return smb.makeHardLink(path, other)
    case 26:
      return smb.readTo(path, () => Effect.void)
    default:
      return Effect.scoped(Effect.gen(function*() {
        const file = yield* smb.open(path, OpenMode.readWrite)
        yield* file.lock([{ offset: 0, length: 8 }])
        yield* file.write(0, content.subarray(0, 100))
        yield* file.readInto(0, new Uint8Array(200))
        yield* file.close
      }))
  }
}

/** How the client protects its sessions. */
const options: ReadonlyArray<Partial<Smb.ConnectionOptions>> = [
  {},
  { encryption: "required" },
  { dialects: ["2.0.2"] },
  { dialects: ["3.0"], encryption: "required" },
  { signing: "if-required", dialects: ["2.1"] },
  { dfs: "fallback" },
  { dialects: ["3.1.1"], signingAlgorithms: ["AES_CMAC"] },
  { multiProtocol: true, encryption: "off" }
]

const account = { user: "joe", password: Redacted.make("secret") }

/** Times after which a client gives up, so that an answer that never comes costs little. */
export const times = { requestTimeout: "60 millis", pendingTimeout: "120 millis", idle: "1 second" } as const

/** How long one operation may take in all, on a busy machine. A READ of a pipe alone waits up to 30 seconds. */
const longestOperation = "100 seconds"

/** Megabytes of buffers that a client may hold on to after an operation: more than any of its limits. */
const mostMemory = 512

/** Checks that the client has let go of its buffers. */
export const isModest = (): void => {
  const { arrayBuffers } = process.memoryUsage()
  holds(arrayBuffers < mostMemory * 1024 * 1024, `the client holds ${arrayBuffers >> 20} MiB of buffers`)
}

/** Programs to begin with. */
export const seeds = (): ReadonlyArray<Uint8Array> =>
  Array.from(
    { length: 56 },
    (_, i) =>
      Uint8Array.from({ length: 120 }, (_, at) => at === 0 ? i : (Math.imul(i * 127 + at, 0x85eb_ca6b) >>> 11) & 0xff)
  )

/** Programs that run at one time, each with its own server: most of the time they wait. */
const lanes = 12

/** What a lane's server does to its answers. */
class Lane {
  lies: Decisions | undefined
  /** Answers that stay true, before the lies. */
  untouched = 0
}

const nothing = { connections: 0, opens: 0, sessions: 0, waitingLogons: 0 }

const silent = Logger.layer([])

/** Runs the operations of a program, one after the other, and checks how each one ends. */
export const run = async (
  decisions: Decisions,
  operations: number,
  layer: Layer.Layer<SmbClient.SmbClient>
): Promise<void> => {
  const program = Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    for (let i = 0; i < operations; i++) {
      const exit = yield* operation(decisions, smb).pipe(
        Effect.timeoutOrElse({
          duration: longestOperation,
          orElse: () => Effect.die(new Broken(`an operation did not end in ${longestOperation}`))
        }),
        Effect.exit
      )
      if (Exit.isSuccess(exit)) continue
      holds(!Cause.hasDies(exit.cause), `a defect of the client: ${Cause.pretty(exit.cause)}`)
      const failed = Cause.findErrorOption(exit.cause)
      holds(
        failed._tag === "Some" && typeof failed.value._tag === "string",
        `an operation ended without an error of its type: ${Cause.pretty(exit.cause)}`
      )
    }
  })
  // The client warns of what it leaves behind, such as an unfinished file: here the server is to blame.
  await Effect.runPromise(Effect.provide(program, [Layer.fresh(layer), silent]))
}

export const client: Target = {
  name: "client",
  seeds,
  most: 600,
  lanes,
  open: async () => {
    const worlds = await Promise.all(Array.from({ length: lanes }, makeServer))
    const byPort = new Map(worlds.map(({ server }) => [server.port, new Lane()]))
    const laneOf = new WeakMap<Batch, Lane>()
    let answers = 0
    const { flush, respond } = Responses.prototype
    Responses.prototype.respond = function(batch, incoming, reply) {
      const lane = byPort.get(incoming.connection.localPort)
      if (lane !== undefined) laneOf.set(batch, lane)
      respond.call(this, batch, incoming, reply)
    }
    // The one place where the answers of a frame are complete, and not signed yet.
    Responses.prototype.flush = function(batch) {
      const lane = laneOf.get(batch)
      if (lane?.lies !== undefined) {
        answers += batch.responses.length
        for (const { chunks } of batch.responses) {
          if (lane.untouched > 0) lane.untouched--
          else if (!lane.lies.isOver && lane.lies.next(3) === 0) lie(lane.lies, chunks)
        }
      }
      flush.call(this, batch)
    }
    return {
      run: async (input, number) => {
        const world = worlds[number]!
        const lane = byPort.get(world.server.port)!
        const decisions = new Decisions(input)
        const layer = Smb.layer({
          ...account,
          ...times,
          ...decisions.pick(options),
          addresses: { "*": { host: "127.0.0.1", port: world.server.port } }
        })
        lane.untouched = decisions.pick([8, 0, 4, 12, 20, 30, 2])
        const operations = 2 + decisions.next(6)
        // The decisions of the operations come first, so that a change of them does not move the lies.
        const half = Math.min(3 + operations * 4, input.length >> 1)
        lane.lies = new Decisions(input.subarray(half))
        try {
          await run(new Decisions(input.subarray(3, half)), operations, layer)
        } finally {
          lane.lies = undefined
        }
        await settle(world, nothing)
        isModest()
        holds(world.faults.length === 0, `the server's log has ${world.faults[0]}`)
      },
      packets: () => answers,
      close: async () => {
        Object.assign(Responses.prototype, { flush, respond })
        await Promise.all(worlds.map((world) => world.close()))
      }
    }
  }
}
