/**
 * Connecting to a name with several addresses (RFC 8305): the attempts in virtual time over a scripted network, and
 * real sockets on loopback.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { LookupAddress } from "node:dns"
import * as Net from "node:net"
import * as Addresses from "../../src/Layers/internal/Addresses.ts"
import * as TcpTransport from "../../src/Layers/TcpTransport.ts"
import type { TransportError } from "../../src/Protocol/Errors.ts"
import * as Transport from "../../src/Protocol/Transport.ts"
import * as VirtualTime from "../../src/Testing/VirtualTime.ts"

const endpoint = { host: "files", port: 445 }
const cause = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`connect ${code}`), { code })

/** An address connects or fails after a number of milliseconds, or is silent. */
type Behaviour = { readonly after: number; readonly fails?: string } | "silent"

/** Connects over a scripted network: which attempts began, which were interrupted, and how long it took. */
const network = (behaviours: Readonly<Record<string, Behaviour>>) => {
  const begun: Array<string> = []
  const given: Array<string> = []
  const open = (address: string) => {
    const behaviour = behaviours[address]!
    begun.push(address)
    return (behaviour === "silent"
      ? Effect.never
      : Effect.andThen(
        Effect.sleep(behaviour.after),
        behaviour.fails === undefined ? Effect.succeed(address) : Effect.fail(cause(behaviour.fails))
      )).pipe(Effect.onInterrupt(() => Effect.sync(() => void given.push(address))))
  }
  const progress: Addresses.Progress = { tried: undefined }
  const connect = Addresses.connect(endpoint, Object.keys(behaviours), open, progress).pipe(
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.fail(Addresses.timedOut(endpoint, progress)) })
  )
  return Effect.map(VirtualTime.run(connect), ({ exit, took }) => ({
    took,
    begun,
    given,
    value: Exit.isSuccess(exit) ? exit.value : undefined,
    error: Exit.isFailure(exit) ? Cause.squash(exit.cause) as TransportError : undefined
  }))
}

const permutations = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  all.length < 2 ? [all] : all.flatMap((one, i) => permutations(all.toSpliced(i, 1)).map((rest) => [one].concat(rest)))

describe("a connection to a name with several addresses", () => {
  const slow = ["slow", { after: 340 }] as const
  const silent = ["silent", "silent"] as const
  const other = ["other", "silent"] as const
  const refuses = ["refuses", { after: 1, fails: "ECONNREFUSED" }] as const

  for (const order of [...permutations([slow, silent]), ...permutations([slow, silent, other])]) {
    it.effect(`reaches the slow address in time among ${order.map(([name]) => name).join(", ")}`, () =>
      Effect.gen(function*() {
        const { begun, given, took, value } = yield* network(Object.fromEntries(order))
        assert.strictEqual(value, "slow")
        assert.isAtMost(took, 340 + 250 * order.findIndex(([name]) => name === "slow") + 250)
        assert.deepStrictEqual([...given, "slow"].toSorted(), begun.toSorted(), "all other attempts are interrupted")
      }))
  }
  it.effect("tries the next address at once when one refuses", () =>
    Effect.gen(function*() {
      const { took, value } = yield* network(Object.fromEntries([refuses, slow]))
      assert.strictEqual(value, "slow")
      assert.isAtMost(took, 345)
    }))
  it.effect("tries no other address when the first connects after 100 ms", () =>
    Effect.gen(function*() {
      const { begun, value } = yield* network({ first: { after: 100 }, second: { after: 1 } })
      assert.deepStrictEqual([value, begun], ["first", ["first"]])
    }))
  it.effect("fails with each address and its reason when none connects", () =>
    Effect.gen(function*() {
      const { error, took } = yield* network({
        "192.0.2.1": "silent",
        "192.0.2.2": { after: 5, fails: "ECONNREFUSED" },
        "2001:db8::3": { after: 5, fails: "ENETUNREACH" }
      })
      assert.strictEqual(took, 10_000)
      assert.strictEqual(error?.reason._tag, "TimedOut")
      assert.strictEqual(
        error?.detail,
        "192.0.2.1: no answer, 192.0.2.2: refused, 2001:db8::3: cannot be reached"
      )
      const all = yield* network({
        "192.0.2.2": { after: 5, fails: "EHOSTUNREACH" },
        "192.0.2.3": { after: 5, fails: "ECONNREFUSED" },
        "192.0.2.4": { after: 5, fails: "EINVAL" }
      })
      assert.strictEqual(
        all.error?.message,
        "files:445 refused the connection: is an SMB server listening there? " +
          "(192.0.2.2: cannot be reached, 192.0.2.3: refused, 192.0.2.4: connect EINVAL)"
      )
      // A single address has no detail.
      const one = yield* network({ "192.0.2.2": { after: 5, fails: "ECONNREFUSED" } })
      assert.isUndefined(one.error?.detail)
      assert.isUndefined((yield* network({ "192.0.2.1": "silent" })).error?.detail)
    }))
  it("tries at most eight addresses, each once, and alternates their families", () => {
    const v4 = (n: number): LookupAddress => ({ address: `192.0.2.${n}`, family: 4 })
    const v6 = (n: number): LookupAddress => ({ address: `2001:db8::${n}`, family: 6 })
    assert.deepStrictEqual(Addresses.inOrder([v6(1), v6(2), v6(1), v4(1), v4(2), v4(3)]), [
      "2001:db8::1",
      "192.0.2.1",
      "2001:db8::2",
      "192.0.2.2",
      "192.0.2.3"
    ])
    assert.deepStrictEqual(Addresses.inOrder([]), [])
    assert.lengthOf(Addresses.inOrder(Array.from({ length: 1000 }, (_, i) => v4(i))), 8)
  })
})

it("the error for an IPv6 zone that is no interface of this machine names the zone", () => {
  const cause = Object.assign(new Error("connect EINVAL fe80::1%nosuch:445 - Local (:::0)"), { code: "EINVAL" })
  assert.match(
    Addresses.toError({ host: "fe80::1%nosuch", port: 445 }, cause).message,
    /this machine has a network interface nosuch/
  )
  assert.match(Addresses.toError({ host: "nas", port: 445 }, cause).message, /EINVAL/)
})

describe("TcpTransport on loopback", () => {
  const handlers = { onData: () => {}, onClose: () => {} }
  /** A server on this address and port, with its open sockets. */
  const listening = (address: string, port: number) =>
    Effect.acquireRelease(
      Effect.callback<{ readonly port: number; readonly open: Set<Net.Socket>; readonly server: Net.Server }>(
        (resume) => {
          const open = new Set<Net.Socket>()
          const server = Net.createServer((socket) => {
            open.add(socket)
            socket.on("close", () => open.delete(socket))
            socket.on("error", () => {})
            socket.resume()
          })
          server.listen(port, address, () =>
            resume(Effect.succeed({ port: (server.address() as Net.AddressInfo).port, open, server })))
        }
      ),
      ({ open, server }) =>
        Effect.callback<void>((resume) => {
          for (const socket of open) {
            socket.destroy()
          }
          server.close(() =>
            resume(Effect.void)
          )
        })
    )
  const through = (addresses: ReadonlyArray<string>, connectTimeout = "5 seconds" as const) =>
    Effect.provide(TcpTransport.layer({
      connectTimeout,
      lookup: (_, options, done) => {
        const found = addresses.map((address) => ({ address, family: Net.isIP(address) }))
        if (options.all === true) done(null, found)
        else done(null, found[0]!.address, found[0]!.family)
      }
    }))
  const sockets = () => process.getActiveResourcesInfo().filter((one) => one === "TCPSocketWrap").length

  it.live("keeps one socket until its scope ends, and leaves none of addresses that refuse", () =>
    Effect.scoped(Effect.gen(function*() {
      const { open, port } = yield* listening("127.0.0.77", 0)
      const before = sockets()
      yield* Effect.scoped(Effect.gen(function*() {
        const transport = yield* Transport.Transport
        yield* transport.connect({ host: "files", port }, handlers)
        while (open.size === 0) yield* Effect.sleep("1 millis")
        assert.strictEqual(open.size, 1)
      }))
      while (open.size > 0) yield* Effect.sleep("1 millis")
      while (sockets() > before) yield* Effect.sleep("1 millis")
    })).pipe(through(["127.0.0.78", "127.0.0.79", "127.0.0.77"])))

  it.live("connects to the configured address of a name in any case, and names it in its error", () =>
    Effect.scoped(Effect.gen(function*() {
      const { open, port } = yield* listening("127.0.0.77", 0)
      const connect = (host: string) =>
        Effect.flatMap(Transport.Transport, (it) => Effect.scoped(it.connect({ host, port: 445 }, handlers)))
      yield* Effect.gen(function*() {
        yield* connect("Files.corp.test")
        const error = yield* Effect.flip(connect("other"))
        assert.deepInclude(error, {
          reason: { _tag: "ConnectionRefused" },
          server: "other",
          port: 445,
          detail: "at 127.0.0.78"
        })
      }).pipe(Effect.provide(TcpTransport.layer({
        addresses: { "files.CORP.test": { host: "127.0.0.77", port }, "*": { host: "127.0.0.78" } }
      })))
      while (open.size > 0) yield* Effect.sleep("1 millis")
    })))

  it.live("fails with Refused when all addresses refuse, and with NameNotFound without an address", () =>
    Effect.gen(function*() {
      const transport = yield* Transport.Transport
      const connect = Effect.scoped(transport.connect({ host: "files", port: 1 }, handlers))
      const error = yield* Effect.flip(connect)
      assert.strictEqual(error.reason._tag, "ConnectionRefused")
      assert.strictEqual(error.detail, "127.0.0.78: refused, 127.0.0.79: refused")
      const none = yield* Effect.flip(Effect.provide(
        Effect.flatMap(Transport.Transport, (it) => Effect.scoped(it.connect(endpoint, handlers))),
        TcpTransport.layer({ lookup: (_, __, done) => done(null, []) })
      ))
      assert.strictEqual(none.reason._tag, "HostNotFound")
    }).pipe(through(["127.0.0.78", "127.0.0.79"])))

  it.effect("fails with TimedOut when the lookup of the name is silent, and can be interrupted during it", () =>
    Effect.gen(function*() {
      const transport = yield* Transport.Transport
      const connect = Effect.scoped(transport.connect(endpoint, handlers))
      const failed = yield* Effect.forkChild(Effect.flip(connect))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(failed)
      assert.deepInclude(error, { reason: { _tag: "TimedOut" }, detail: "its address was still being looked up" })
      const waiting = yield* Effect.forkChild(connect)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(waiting)
    }).pipe(Effect.provide(TcpTransport.layer({ connectTimeout: "3 seconds", lookup: () => {} }))))
})

describe("the addresses of a server", () => {
  const lookup: Net.LookupFunction = (name, _options, done) =>
    name === "nas"
      ? done(null, [{ address: "10.0.0.1", family: 4 }, { address: "fd00::1", family: 6 }])
      : done(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), "", 0)

  it.effect("are those of the name, or those that the options give, with their port", () =>
    Effect.gen(function*() {
      const of = (host: string, addresses?: TcpTransport.Options["addresses"]) =>
        TcpTransport.addressesOf({ host, port: 445 }, { lookup, addresses })
      assert.deepStrictEqual(yield* of("nas"), { addresses: ["10.0.0.1", "fd00::1"], port: 445, given: false })
      assert.deepStrictEqual(yield* of("192.0.2.7"), { addresses: ["192.0.2.7"], port: 445, given: false })
      assert.deepStrictEqual(yield* of("Files.test", { "files.TEST": { host: "nas", port: 4455 } }), {
        addresses: ["10.0.0.1", "fd00::1"],
        port: 4455,
        given: true
      })
      const unknown = yield* Effect.flip(of("none"))
      assert.deepInclude(unknown, { _tag: "TransportError", server: "none", reason: { _tag: "HostNotFound" } })
      // The error names the server of the path, and the place where it was looked for.
      const elsewhere = yield* Effect.flip(of("files", { "*": { host: "none" } }))
      assert.strictEqual(elsewhere.server, "files")
      assert.match(elsewhere.detail!, /at none/)
    }))
})
