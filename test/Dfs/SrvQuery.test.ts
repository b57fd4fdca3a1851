/**
 * SRV records with compressed names, as Samba's name server sends them and Node's resolver refuses them: decoded from
 * recorded bytes, malformed responses, and queries to name servers on this machine.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Dns } from "effect/net"
import { createSocket, type Socket } from "node:dgram"
import * as DomainControllers from "../../src/Dfs/DomainControllers.ts"
import * as SrvQuery from "../../src/Dfs/SrvQuery.ts"

const name = "_ldap._tcp.dc._msdcs.corp.test"
/** The response of Samba 4.17: the last two labels of a record's target are a pointer. */
const answer = "123485000001000100010000055f6c646170045f746370026463065f6d7364637304636f7270047465737400002100" +
  "01c00c0021000100000384000c00000064018503646331c021c01a0006000100000e100023c0420a686f73746d6173746572c021" +
  "0000000100000384000002580001518000000e10"
const dc1 = { priority: 0, weight: 100, port: 389, target: "dc1.corp.test" }
const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const decode = (bytes: Uint8Array, asked = { id: 0x1234, name }) => SrvQuery.decodeAnswer(bytes, asked)

describe("a DNS response", () => {
  it("is read with the compressed name of its target, for the name in any case", () => {
    assert.deepStrictEqual(Result.getOrThrow(decode(hex(answer))), [dc1])
    assert.deepStrictEqual(Result.getOrThrow(decode(hex(answer), { id: 0x1234, name: name.toUpperCase() })), [dc1])
  })
  it("has no records when the name does not exist", () => {
    assert.deepStrictEqual(Result.getOrThrow(decode(hex(answer.replace(/^12348500/, "12348503")))), [])
  })
  it.each<[string, string, RegExp]>([
    ["to another query", answer.replace(/^1234/, "1235"), /the identifier 4660/],
    ["that is a query", answer.replace(/^12348500/, "12340500"), /an answer/],
    ["that refuses", answer.replace(/^12348500/, "12348505"), /not the refusal 5/],
    ["about another name", answer.replace("055f6c64", "055f6c65"), /the question that was asked/],
    [
      "with a count of records that is too large",
      answer.replace("00010001000100", "0001ffff000100"),
      /more bytes|a pointer|a label/
    ],
    ["with a record past its end", answer.replace("000c0000006401", "ffff0000006401"), /a record inside its message/],
    ["with a target in a circle", answer.replace("03646331c021", "03646331c05e"), /a pointer to an earlier name/]
  ])("%s is malformed", (_, bytes, expected) => {
    const found = decode(hex(bytes))
    assert.match(Result.isFailure(found) ? found.failure.expected : "is read", expected)
  })
  it("never makes the decoder throw when it is truncated or changed", () => {
    const bytes = hex(answer)
    for (let length = 0; length < bytes.length; length++) decode(bytes.subarray(0, length))
    for (let at = 0; at < bytes.length; at++) {
      for (const byte of [0, 1, 0x3f, 0xc0, 0xff]) decode(Object.assign(bytes.slice(), { [at]: byte }))
    }
  })
})

/** A name server on this machine that always sends this response, and the queries that it got. */
const server = (said: Uint8Array) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly address: string; readonly asked: Array<Buffer>; readonly socket: Socket }>((resume) => {
      const asked: Array<Buffer> = []
      const socket = createSocket("udp4")
      socket.on("message", (question, { address, port }) => {
        asked.push(question)
        const copy = Buffer.from(said)
        question.copy(copy, 0, 0, 2)
        socket.send(copy, port, address)
      })
      socket.bind(0, "127.0.0.1", () =>
        resume(Effect.succeed({ address: `127.0.0.1:${socket.address().port}`, asked, socket })))
    }),
    ({ socket }) =>
      Effect.sync(() =>
        socket.close()
      )
  )

describe("a DNS query", () => {
  it.live("goes to one name server after the other, and fails with a reason when none responds", () =>
    Effect.gen(function*() {
      const { address, asked } = yield* server(hex(answer))
      const gone = yield* Effect.scoped(server(hex(answer)))
      assert.deepStrictEqual(yield* SrvQuery.resolve(name, [gone.address, address]), [dc1])
      // Flags, one question, one option; the name as in the response, SRV, IN; the size of the response.
      const question = answer.slice(24, 24 + 2 * (name.length + 2 + 4))
      assert.strictEqual(
        asked[0]!.toString("hex").slice(4),
        `01000001000000000001${question}000029${"04d0"}00000000` + "0000"
      )
      const error = yield* Effect.flip(SrvQuery.resolve(name, [gone.address]))
      assert.match(error.message, /the SRV records of _ldap.* could not be asked of 127\.0\.0\.1:\d+/)
      assert.match((yield* Effect.flip(SrvQuery.resolve(name, []))).message, /no name server/)
      for (const wrong of ["a..b", `${"x".repeat(64)}.test`]) {
        assert.match((yield* Effect.flip(SrvQuery.resolve(wrong, [address]))).message, /not a valid DNS name/)
      }
    }))
  it.live("is sent only when the system's resolver says InvalidResponse", () =>
    Effect.gen(function*() {
      const { address, asked } = yield* server(hex(answer))
      const dns = (reason: Dns.DnsErrorReason) =>
        Dns.make({
          lookup: () => Effect.die("not asked"),
          resolve: (hostname, recordType) =>
            Effect.fail(new Dns.DnsError({ reason, method: "resolve", hostname, recordType }))
        })
      const find = (reason: Dns.DnsErrorReason) =>
        DomainControllers.makeDns(dns(reason), { nameServers: [address] }).find("corp.test", undefined)
      assert.deepStrictEqual(yield* find("InvalidResponse"), ["dc1.corp.test"])
      assert.deepStrictEqual([yield* find("NotFound"), yield* find("Timeout")], [[], []])
      assert.strictEqual(asked.length, 1)
    }))
  it.effect("finds nothing after its timeout", () =>
    Effect.gen(function*() {
      const silent = Dns.make({ lookup: () => Effect.never, resolve: () => Effect.never })
      const finder = yield* Effect.provide(
        DomainControllers.DomainControllers,
        DomainControllers.layerDns({ timeout: 0 }).pipe(Layer.provide(Layer.succeed(Dns.Dns, silent)))
      )
      assert.deepStrictEqual(yield* finder.find("corp.test", "Berlin"), [])
    }))
})
