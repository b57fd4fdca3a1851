/**
 * Proves that a server that lies while it gives back an open file ends the file with a typed error, after a bounded
 * number of attempts, and gets no byte to write. The own server answers without signatures, and the line of the client
 * changes its answers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { OpenMode } from "effect-smb"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { Command, commandOf, type World, world } from "./cutting.ts"

/** Places in a packet with its four bytes of length (MS-SMB2 2.2.1.2, 2.2.14, 2.2.38). */
const at = {
  status: 4 + 8,
  messageId: 4 + 24,
  endOfFile: 4 + 64 + 48,
  fileId: 4 + 64 + 64,
  contexts: 4 + 64 + 80,
  output: 4 + 64 + 8
}

const QUERY_INFO = 16
const unsigned = { signing: "if-required", dialects: ["3.0"] } as const
const server = { signing: "enabled" } as const
/** Attempts without pauses that a test would wait for. */
const attempts = Schedule.recurs(3)

/** Without an answer, one attempt takes two seconds. */
const impatient = { requestTimeout: "1 second", reconnect: Schedule.recurs(1) } as const

const success = (packet: Buffer): boolean => packet.readUInt32LE(at.status) === 0

type Lie = (packet: Buffer) => Buffer | "drop" | undefined

/** Changes the successful response to one command. */
const inAnswerTo = (command: number, lie: (packet: Buffer) => Buffer | "drop"): Lie => (packet) =>
  packet.readUInt32LE(4) === 0x424d53fe && commandOf(packet) === command && success(packet) ? lie(packet) : undefined

const changed = (use: (packet: Buffer) => void) => (packet: Buffer): Buffer => {
  use(packet)
  return packet
}

const withoutContexts = changed((packet) => packet.fill(0, at.contexts, at.contexts + 8))

/** The number of the file by FileInternalInformation, which a client asks for after an open without identifiers. */
const numbered = (number: bigint): Lie =>
  inAnswerTo(QUERY_INFO, changed((packet) => packet.writeBigUInt64LE(number, at.output)))

const both = (...lies: ReadonlyArray<Lie>): Lie => (packet) => {
  for (const lie of lies) {
    const answer = lie(packet)
    if (answer !== undefined) return answer
  }
  return undefined
}

/** An open file with acknowledged bytes at a server that lies after the connection was cut. */
const lied = (
  lie: Lie,
  {
    client = {},
    forgetful = false,
    fromTheStart = false,
    mode = OpenMode.readWrite,
    use = (file) => file.write(4, Uint8Array.of(9, 9))
  }: {
    readonly client?: object
    readonly forgetful?: boolean
    readonly fromTheStart?: boolean
    readonly mode?: typeof OpenMode.readWrite
    readonly use?: (
      file: Effect.Success<ReturnType<World["smb"]["open"]>>
    ) => Effect.Effect<unknown, Effect.Error<ReturnType<World["smb"]["readFile"]>>>
  } = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const { base, line, other, smb, told } = yield* world(
      // The session ends with the file, and with it what the server keeps for a client that believes nothing.
      { ...unsigned, reconnect: attempts, idle: 0, ...client },
      { ...server, ...(forgetful ? { limits: { durables: 0 } } : {}) }
    )
    yield* other.writeFile(`${base}/f`, Uint8Array.of(1, 2, 3, 4))
    if (fromTheStart) line.onReceive = lie
    const file = yield* smb.open(`${base}/f`, mode)
    yield* file.read(0, 4)
    line.onReceive = lie
    let writes = 0
    line.onSend = (packet) => {
      if (commandOf(packet) === Command.WRITE) writes++
      return undefined
    }
    line.cut()
    const result = yield* Effect.result(use(file))
    yield* Effect.ignore(file.close)
    return {
      result,
      writes,
      told: told(),
      connections: line.connections,
      content: yield* other.readFile(`${base}/f`)
    }
  }))

describe("a server that lies while it gives an open back", () => {
  const { CREATE } = Command
  const lies: ReadonlyArray<readonly [string, Lie, object]> = [
    ["another FileId", inAnswerTo(CREATE, changed((packet) => packet.writeBigUInt64LE(77n, at.fileId))), {
      _tag: "ProtocolError"
    }],
    ["a larger file", inAnswerTo(CREATE, changed((packet) => packet.writeBigUInt64LE(99n, at.endOfFile))), {
      _tag: "ReconnectError"
    }],
    ["a smaller file", inAnswerTo(CREATE, changed((packet) => packet.writeBigUInt64LE(3n, at.endOfFile))), {
      _tag: "ReconnectError"
    }],
    ["success without the lease", inAnswerTo(CREATE, withoutContexts), { _tag: "ProtocolError" }],
    [
      "another lease key",
      inAnswerTo(
        CREATE,
        changed((packet) => {
          const name = packet.indexOf("RqLs")
          // The data of the context begins with the key.
          if (name > 0) packet[name + 8] = packet[name + 8]! ^ 0xff
        })
      ),
      { _tag: "ProtocolError" }
    ],
    ["the number of another file", numbered(77n), { _tag: "ReconnectError" }],
    ["no number of the file", numbered(0n), { _tag: "ReconnectError" }]
  ]
  it.live.each(lies)(
    "gets no byte to write, and the file ends with a typed error: %s",
    ([, lie, expected]) =>
      Effect.gen(function*() {
        const { connections, content, result, told, writes } = yield* lied(lie)
        assert(result._tag === "Failure")
        assert.deepInclude(result.failure, expected)
        assert.strictEqual(writes, 0)
        assert.deepStrictEqual(content, Uint8Array.of(1, 2, 3, 4))
        assert.strictEqual(told.at(-1), "GivenUp")
        assert.isAtMost(connections, 5)
      })
  )

  it.live(
    "ends with a typed error if it gives the open back and never answers after that",
    () =>
      Effect.gen(function*() {
        const { content, result } = yield* lied(inAnswerTo(Command.WRITE, () => "drop"), {
          client: impatient
        })
        assert(result._tag === "Failure")
        assert.deepInclude(result.failure, { _tag: "TransportError", sent: true })
        // The server has carried out what it did not answer: the same bytes at the same place, and no others.
        assert.deepStrictEqual(content, Uint8Array.of(1, 2, 3, 4, 9, 9))
      }),
    30_000
  )

  it.live(
    "ends with a typed error if it never answers the CREATE that reclaims the open",
    () =>
      Effect.gen(function*() {
        const { content, result, writes } = yield* lied(inAnswerTo(CREATE, () => "drop"), {
          client: impatient
        })
        assert(result._tag === "Failure")
        assert.deepInclude(result.failure, { _tag: "TransportError" })
        assert.strictEqual(writes, 0)
        assert.deepStrictEqual(content, Uint8Array.of(1, 2, 3, 4))
      }),
    30_000
  )

  it.live("ends with the refusal if it asks for the user again and again", () =>
    Effect.gen(function*() {
      const expired = inAnswerTo(
        CREATE,
        changed((packet) => {
          packet.writeUInt32LE(NtStatus.STATUS_NETWORK_SESSION_EXPIRED, at.status)
        })
      )
      const { connections, content, result, writes } = yield* lied(expired)
      assert(result._tag === "Failure")
      assert.deepInclude(result.failure, { _tag: "SmbError", statusName: "STATUS_NETWORK_SESSION_EXPIRED" })
      assert.strictEqual(writes, 0)
      assert.deepStrictEqual(content, Uint8Array.of(1, 2, 3, 4))
      assert.isAtMost(connections, 10)
    }))
})

describe("a server that gives files no identifiers, and keeps no open", () => {
  /** It does not tell a lease, a durable handle, or the number of a file either. */
  const silent = both(inAnswerTo(Command.CREATE, withoutContexts), numbered(0n))

  it.live("gets no byte of a writer after the connection was lost", () =>
    Effect.gen(function*() {
      const { content, result, writes } = yield* lied(silent, { forgetful: true, fromTheStart: true })
      assert(result._tag === "Failure")
      assert.deepInclude(result.failure, { _tag: "ReconnectError" })
      assert.deepInclude((result.failure as { readonly reason: object }).reason, { _tag: "IdentityUnknown" })
      assert.strictEqual(writes, 0)
      assert.deepStrictEqual(content, Uint8Array.of(1, 2, 3, 4))
    }))

  it.live("lets a reader go on", () =>
    Effect.gen(function*() {
      const { result, told } = yield* lied(silent, {
        forgetful: true,
        fromTheStart: true,
        mode: OpenMode.read,
        use: (file) => file.read(1, 2)
      })
      assert(result._tag === "Success")
      assert.deepStrictEqual(result.success, Uint8Array.of(2, 3))
      assert.strictEqual(told.at(-1), "Reopened")
    }))
})
