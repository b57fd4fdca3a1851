/**
 * How many round trips a client needs for its first small operation on a server, by the packets that the server gets. A
 * packet counts once, no matter how many requests are in it; the TCP connection and what ends the session do not count.
 * And what the client does about servers that carry out no compound, or grant too few credits for one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import type * as NtStatus from "../../src/Codec/NtStatus.ts"
import { HeaderFlags } from "../../src/Smb2/Message/Constants.ts"

const files = { "f.txt": "text", "empty.txt": "", d: { "a.txt": "a", "b.txt": "b", c: {} }, none: {} }
const base = "\\\\nas\\data"

/** Runs an operation with a new client, and gives its result and the packets of the server, as their commands. */
const cold = <A, E>(
  operation: (smb: SmbClient.SmbClient["Service"]) => Effect.Effect<A, E>,
  server: TestTransport.ServerOptions = {},
  options: SmbClient.Options = {}
) =>
  Effect.gen(function*() {
    const servers = yield* TestTransport.TestServers
    const result = yield* Effect.scoped(Effect.flatMap(
      Layer.build(SmbClient.layer(options)),
      (context) => Effect.flatMap(SmbClient.SmbClient, operation).pipe(Effect.provide(context))
    ))
    const packets: Array<string> = []
    let packet: Array<string> = []
    for (const { command, header } of yield* servers.requests) {
      packet.push(command)
      if (header.nextCommand !== 0) continue
      packets.push(packet.join("+"))
      packet = []
    }
    return { result, packets }
  }).pipe(
    Effect.provide(TestTransport.layer({ nas: { shares: { data: files }, ...server } })),
    Effect.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
  )

const names = (smb: SmbClient.SmbClient["Service"], path: string, pattern?: string) =>
  Effect.map(
    Stream.runCollect(smb.list(path, { pattern })),
    (entries) => Array.from(entries, ({ name }) => name).toSorted()
  )

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

const connecting = ["NEGOTIATE", "SESSION_SETUP", "SESSION_SETUP", "TREE_CONNECT"]
const ending = ["TREE_DISCONNECT", "LOGOFF"]

const collected = Effect.fnUntraced(
  function*(smb: SmbClient.SmbClient["Service"], path: string, range?: { readonly offset: number }) {
    const file = yield* smb.openToRead(path, { atOnce: true })
    const chunks: Array<Uint8Array> = []
    const count = yield* file.readTo((chunk) => Effect.sync(() => void chunks.push(chunk.slice())), range)
    return { count, data: text(Buffer.concat(chunks)), size: file.opened.endOfFile }
  },
  Effect.scoped
)

describe("the first operation on a server", () => {
  it.effect("needs five packets: four to connect, and one for the work", () =>
    Effect.gen(function*() {
      const list = yield* cold((smb) => names(smb, `${base}\\d`))
      assert.deepStrictEqual(list.result, ["a.txt", "b.txt", "c"])
      assert.deepStrictEqual(list.packets, [
        ...connecting,
        "CREATE+QUERY_DIRECTORY+QUERY_DIRECTORY+CLOSE",
        ...ending
      ])
      const stat = yield* cold((smb) => smb.stat(`${base}\\f.txt`))
      assert.strictEqual(stat.result.size, 4n)
      assert.deepStrictEqual(stat.packets, [...connecting, "CREATE+CLOSE", ...ending])
      const read = yield* cold((smb) => smb.readFile(`${base}\\f.txt`))
      assert.strictEqual(text(read.result), "text")
      assert.deepStrictEqual(read.packets, [...connecting, "CREATE+READ+CLOSE", ...ending])
      const write = yield* cold((smb) => smb.writeFile(`${base}\\g.txt`, "new", { create: true }))
      assert.deepStrictEqual(write.packets, [...connecting, "CREATE+WRITE+CLOSE", ...ending])
      const opened = yield* cold((smb) => collected(smb, `${base}\\f.txt`))
      assert.deepStrictEqual(opened.result, { count: 4n, data: "text", size: 4n })
      assert.deepStrictEqual(opened.packets, read.packets)
    }))

  for (const dialect of ["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"] as const) {
    it.effect(`lists in one packet, signed and encrypted, with ${dialect}`, () =>
      Effect.gen(function*() {
        const encrypts = dialect.startsWith("3")
        const { packets, result } = yield* cold((smb) => names(smb, `${base}\\d`), {
          dialect,
          signing: "required",
          ...(encrypts ? { encryption: "required" } : {})
        })
        assert.deepStrictEqual(result, ["a.txt", "b.txt", "c"])
        assert.strictEqual(packets.filter((packet) => packet.includes("CREATE")).length, 1)
        // Before 3.1.1, an IOCTL checks the negotiation (MS-SMB2 3.2.5.5).
        assert.isAtMost(packets.length - ending.length, dialect === "3.1.1" ? 5 : 6)
      }))
  }
})

describe("a listing in one packet", () => {
  it.effect("is complete for an empty directory, for a pattern, and for no match", () =>
    Effect.gen(function*() {
      const { packets, result } = yield* cold((smb) =>
        Effect.all([names(smb, `${base}\\none`), names(smb, `${base}\\d`, "b*"), names(smb, `${base}\\d`, "x*")])
      )
      assert.deepStrictEqual(result, [[], ["b.txt"], []])
      assert.strictEqual(packets.length, connecting.length + 3 + ending.length)
    }))

  it.effect("goes on with an open directory if it has more entries than fit, and gives each name once", () =>
    Effect.gen(function*() {
      const many = Object.fromEntries(
        Array.from({ length: 5000 }, (_, i) => [`a file with a long name ${i}.txt`, ""])
      )
      const { packets, result } = yield* cold((smb) => names(smb, base), { shares: { data: many } })
      assert.deepStrictEqual(result, Object.keys(many).toSorted())
      assert.strictEqual(packets.filter((packet) => packet.startsWith("CREATE")).length, 2)
      assert.strictEqual(packets.filter((packet) => packet.endsWith("CLOSE")).length, 2)
    }))
})

describe("a failure of a listing in one packet", () => {
  const refusing = (skip: number, status: NtStatus.Name = "STATUS_ACCESS_DENIED") => ({
    faults: [{ on: "QUERY_DIRECTORY", skip, times: 1, is: { status } }]
  } as const)

  it.effect("is the failure of the listing for the first query", () =>
    Effect.gen(function*() {
      const { result } = yield* cold((smb) => Effect.flip(names(smb, `${base}\\d`)), refusing(0))
      assert.strictEqual(result._tag === "SmbError" ? result.reason._tag : result._tag, "AccessDenied")
    }))

  it.effect("comes after the entries of the first query for the second query", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { result } = yield* cold(
        (smb) =>
          Effect.flip(
            Stream.runForEach(smb.list(`${base}\\d`), ({ name }) => Effect.sync(() => void seen.push(name)))
          ),
        refusing(1)
      )
      assert.strictEqual(result._tag === "SmbError" ? result.reason._tag : result._tag, "AccessDenied")
      assert.deepStrictEqual(seen.toSorted(), ["a.txt", "b.txt", "c"])
    }))

  it.effect.each(["STATUS_INVALID_PARAMETER", "STATUS_NOT_SUPPORTED"] as const)(
    "is no failure for the second query if the server does not carry it out (%s): the directory is opened again",
    (status) =>
      Effect.gen(function*() {
        const { result } = yield* cold((smb) => names(smb, `${base}\\d`), refusing(1, status))
        assert.deepStrictEqual(result, ["a.txt", "b.txt", "c"])
      })
  )
})

describe("a small file in one packet", () => {
  it.effect("may be empty, and is read from any offset", () =>
    Effect.gen(function*() {
      const empty = yield* cold((smb) => collected(smb, `${base}\\empty.txt`))
      assert.deepStrictEqual(empty.result, { count: 0n, data: "", size: 0n })
      const rest = yield* cold((smb) => collected(smb, `${base}\\f.txt`, { offset: 1 }))
      assert.deepStrictEqual(rest.result, { count: 3n, data: "ext", size: 4n })
      const beyond = yield* cold((smb) => collected(smb, `${base}\\f.txt`, { offset: 9 }))
      assert.deepStrictEqual(beyond.result, { count: 0n, data: "", size: 4n })
    }))

  it.effect("is opened again if it has 64 KiB or more", () =>
    Effect.gen(function*() {
      for (const size of [65_535, 65_536, 200_000]) {
        const data = Buffer.alloc(size, "0123456789abcde").toString()
        const { packets, result } = yield* cold((smb) => collected(smb, `${base}\\f`), {
          shares: { data: { f: data } }
        })
        assert.strictEqual(result.count, BigInt(size))
        assert.isTrue(result.data === data)
        assert.strictEqual(packets.filter((packet) => packet.startsWith("CREATE")).length, size < 65_536 ? 1 : 2)
      }
    }))
})

const isRelated = ({ header }: { readonly header: { readonly flags: number } }) =>
  (header.flags & HeaderFlags.SMB2_FLAGS_RELATED_OPERATIONS) !== 0

describe("a server that carries out no compound", () => {
  /** Every operation twice: after the first refusal no other compound is sent. */
  const work = (smb: SmbClient.SmbClient["Service"]) =>
    Effect.gen(function*() {
      yield* smb.writeFile(`${base}\\new.txt`, "new", { create: true })
      const list = yield* names(smb, `${base}\\d`)
      const all = [yield* smb.readFileString(`${base}\\new.txt`), yield* smb.readFileString(`${base}\\f.txt`)]
      return { list, all, size: (yield* smb.stat(`${base}\\f.txt`)).size }
    })

  for (const status of ["STATUS_INVALID_PARAMETER", "STATUS_NOT_SUPPORTED"] as const) {
    it.effect(`gets single requests after it has refused all of one with ${status}`, () =>
      Effect.gen(function*() {
        const { packets, result } = yield* cold(work, {
          faults: [{ when: (received) => isRelated(received) || received.header.nextCommand !== 0, is: { status } }]
        })
        assert.deepStrictEqual(result, { list: ["a.txt", "b.txt", "c"], all: ["new", "text"], size: 4n })
        assert.strictEqual(packets.filter((packet) => packet.includes("+")).length, 1)
      }))

    it.effect(`gets single requests for the file that it has opened if it refuses only what is related with ${status}`, () =>
      Effect.gen(function*() {
        const { packets, result } = yield* cold(work, { faults: [{ when: isRelated, is: { status } }] })
        assert.deepStrictEqual(result, { list: ["a.txt", "b.txt", "c"], all: ["new", "text"], size: 4n })
        const commands = packets.flatMap((packet) => packet.split("+"))
        // The exclusive CREATE is not repeated. The related CLOSE was refused.
        const creates = commands.filter((command) => command === "CREATE").length
        assert.strictEqual(commands.filter((command) => command === "CLOSE").length, creates + 1)
        assert.strictEqual(packets.filter((packet) => packet.includes("+")).length, 1)
      }))
  }

  it.effect("gives its own error for a file that it refuses to open", () =>
    Effect.gen(function*() {
      const { packets, result } = yield* cold(
        (smb) =>
          Effect.flatMap(Effect.flip(smb.stat(`${base}\\f.txt`)), (error) =>
            Effect.map(smb.stat(`${base}\\d`), () => error)),
        {
          faults: [
            { on: "CREATE", times: 2, is: { status: "STATUS_INVALID_PARAMETER" } },
            { on: "CLOSE", times: 1, is: { status: "STATUS_INVALID_PARAMETER" } }
          ]
        }
      )
      assert.strictEqual(result._tag === "SmbError" ? result.reason._tag : result._tag, "InvalidParameter")
      // The refusal was of the file, so that the next operation is a compound again.
      assert.strictEqual(packets.at(-3), "CREATE+CLOSE")
    }))
})

it.effect("a server that grants one credit gets no compound", () =>
  Effect.gen(function*() {
    const { packets, result } = yield* cold(
      (smb) =>
        Effect.all([
          names(smb, `${base}\\d`),
          collected(smb, `${base}\\f.txt`),
          smb.withShare(base, (share) => share.batch("f.txt", OpenMode.attributes, [])).pipe(Effect.scoped)
        ]),
      { credits: 1 }
    )
    assert.deepStrictEqual(result[0], ["a.txt", "b.txt", "c"])
    assert.deepStrictEqual(result[1], { count: 4n, data: "text", size: 4n })
    assert.isFalse(packets.some((packet) => packet.includes("+")))
  }))
