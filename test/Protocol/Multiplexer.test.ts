/**
 * The life of a connection, in both versions of the protocol: which packets it offers to its owner, when it asks a silent
 * server for an ECHO, how it ends, and what becomes of its requests. The connection is scripted, and time is virtual.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import * as Changes from "../../src/Protocol/Changes.ts"
import { ProtocolError, TransportError } from "../../src/Protocol/Errors.ts"
import * as FrameReader from "../../src/Protocol/FrameReader.ts"
import * as Multiplexer from "../../src/Protocol/Multiplexer.ts"

const options: Multiplexer.Options = {
  server: "nas",
  port: 4455,
  maximumFrame: 20_000,
  tickInterval: 1000,
  requestTimeout: 30_000,
  keepAlive: 3000
}

/** A connection that notes in `seen` what is asked of it. */
class Scripted extends Multiplexer.Multiplexer<Multiplexer.Options> {
  readonly seen: Array<string> = []
  readonly errors: Array<Multiplexer.ConnectionError> = []
  readonly echoes: Array<() => void> = []
  /** Whether an ECHO can be sent now. */
  canEcho = true
  outstanding = 0
  onAge = () => {}

  constructor(more: Partial<Multiplexer.Options> = {}, isAttached = true) {
    super({ ...options, ...more }, { peek: 80 })
    if (isAttached) this.attach({ send: () => {}, close: () => void this.seen.push("close") })
    this.onFailed = (error) => {
      this.seen.push("onFailed")
      this.errors.push(error)
    }
  }

  protected claim(head: Uint8Array, length: number): undefined {
    this.seen.push(`claim ${head.length} of ${length}`)
  }

  protected onFrame(frame: Uint8Array): void {
    this.seen.push(`frame ${frame.length}`)
  }

  protected age(): void {
    this.seen.push("age")
    this.onAge()
  }

  protected echo(answered: () => void): boolean {
    if (!this.canEcho) return false
    this.seen.push("echo")
    this.echoes.push(answered)
    return true
  }

  protected endAll(error: Multiplexer.ConnectionError): void {
    this.seen.push(this.failed === error ? "endAll" : "endAll before the end")
    this.errors.push(error)
  }

  unexpected(): void {
    this.discard()
  }
}

/** Why a connection has ended, for assertions before and after the end. */
const endOf = (connection: Scripted): Multiplexer.ConnectionError | undefined => connection.failed

const frame = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4 + length)
  FrameReader.writeHeader(bytes, length)
  return bytes
}

const closed = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 4455 })
const other = new TransportError({ reason: { _tag: "TimedOut" }, server: "nas", port: 4455 })

describe("the bytes of a server", () => {
  it.each([
    [1, ["frame 1"]],
    [8191, ["frame 8191"]],
    [8192, ["claim 80 of 8192", "frame 8192"]],
    [20_000, ["claim 80 of 20000", "frame 20000"]]
  ])("are a packet of %i bytes, which can be claimed from 8192 bytes on", (length, seen) => {
    const connection = new Scripted()
    connection.onData(frame(length))
    assert.deepStrictEqual(connection.seen, seen)
    assert.isUndefined(endOf(connection))
  })

  it.each([
    ["a packet beyond the limit", frame(20_001), "PacketTooLarge", /20001 bytes is beyond the limit of 20000/],
    ["bytes that are not a frame", Buffer.from("HTTP/1.1"), "NotSmb", /port 4455 does not speak SMB.*first byte is 72/]
  ])("end the connection if they are %s", (_, bytes, tag, words) => {
    const connection = new Scripted()
    connection.onData(bytes)
    assert.deepStrictEqual(connection.seen, ["close", "endAll", "onFailed"])
    const failed = endOf(connection)
    assert(failed instanceof ProtocolError)
    assert.deepStrictEqual([failed.reason._tag, failed.server], [tag, "nas"])
    assert.match(failed.message, words)
    assert.deepStrictEqual(connection.errors, [failed, failed])
  })

  it("are ignored after the end", () => {
    const connection = new Scripted()
    connection.fail(closed)
    connection.onData(frame(10))
    assert.deepStrictEqual(connection.seen, ["close", "endAll", "onFailed"])
  })
})

describe("the doubt about a silent server", () => {
  const silent = (ticks: number, more: Partial<Multiplexer.Options> = {}) => {
    const connection = new Scripted(more)
    for (let tick = 0; tick < ticks; tick++) connection.tick()
    return connection
  }

  /** Waits for the server, and ends the connection by the given error if it stays silent. */
  const waiting = (connection: Scripted) =>
    Effect.forkChild(connection.doubt((error) => connection.fail(error)) ?? Effect.die("there is no doubt"), {
      startImmediately: true
    })

  it("is there from an ECHO to the next bytes, and costs no ECHO of its own", () => {
    const connection = silent(2)
    assert.isUndefined(connection.doubt(() => {}))
    connection.tick()
    assert.isDefined(connection.doubt(() => {}))
    connection.onData(frame(10).subarray(0, 1))
    assert.isUndefined(connection.doubt(() => {}))
    assert.strictEqual(connection.seen.filter((what) => what === "echo").length, 1)
    connection.fail(closed)
    assert.isUndefined(connection.doubt(() => {}))
  })

  it("is not there while no ECHO can be sent", () => {
    const connection = new Scripted()
    connection.canEcho = false
    for (let tick = 0; tick < 10; tick++) connection.tick()
    assert.isUndefined(connection.doubt(() => {}))
  })

  it.effect("ends with the next bytes of any kind, for all who wait", () =>
    Effect.gen(function*() {
      const connection = silent(3)
      const fibers = [yield* waiting(connection), yield* waiting(connection)]
      yield* TestClock.adjust(4999)
      assert.isTrue(fibers.every((fiber) => fiber.pollUnsafe() === undefined))
      connection.onData(frame(10))
      for (const fiber of fibers) yield* Fiber.join(fiber)
      yield* TestClock.adjust(10_000)
      assert.isUndefined(endOf(connection))
    }))

  it.effect("ends after five seconds without any, counted from the ECHO, and gives the error for the end", () =>
    Effect.gen(function*() {
      const connection = silent(5)
      const fiber = yield* waiting(connection)
      yield* TestClock.adjust(2999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      const error = endOf(connection)
      assert(error instanceof TransportError)
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.match(error.message, /sent nothing for 5 seconds, also not after an ECHO/)
    }))

  it.effect("makes no caller wait again once it is five seconds old, if the owner keeps the connection", () =>
    Effect.gen(function*() {
      const connection = silent(8)
      let asked = 0
      yield* connection.doubt(() => void asked++)!
      yield* connection.doubt(() => void asked++)!
      assert.strictEqual(asked, 2)
      assert.isUndefined(endOf(connection))
    }))

  it.effect("ends with the connection, and does not end it a second time", () =>
    Effect.gen(function*() {
      const connection = silent(3)
      const fiber = yield* waiting(connection)
      connection.fail(closed)
      yield* Fiber.join(fiber)
      assert.strictEqual(endOf(connection), closed)
    }))

  it("begins with an ECHO of its own if the machine has slept and nothing is under way", () => {
    const now = Date.now()
    const clock = vi.spyOn(Date, "now").mockReturnValue(now)
    try {
      const make = (more: Partial<Multiplexer.Options>, outstanding: number) => {
        clock.mockReturnValue(now)
        const connection = silent(1, more)
        connection.outstanding = outstanding
        assert.isUndefined(connection.doubt(() => {}))
        clock.mockReturnValue(now + 10_000)
        return connection
      }
      const slept = make({}, 0)
      assert.isDefined(slept.doubt(() => {}))
      assert.isDefined(slept.doubt(() => {}))
      assert.deepStrictEqual(slept.seen, ["age", "echo"])
      assert.isUndefined(make({}, 1).doubt(() => {}))
      assert.isUndefined(make({ keepAlive: Infinity }, 0).doubt(() => {}))
    } finally {
      clock.mockRestore()
    }
  })
})

describe("the end of a connection", () => {
  it("closes the stream, then ends all requests, then tells the owner; each once, with the first error", () => {
    const connection = new Scripted()
    assert.isUndefined(endOf(connection))
    connection.onClose(closed)
    connection.fail(other)
    connection.onClose(other)
    assert.deepStrictEqual(connection.seen, ["close", "endAll", "onFailed"])
    assert.deepStrictEqual(connection.errors, [closed, closed])
    assert.strictEqual(connection.failed, closed)
  })

  it("needs no stream and no owner", () => {
    const connection = new Scripted({}, false)
    connection.onFailed = undefined
    connection.fail(closed)
    assert.deepStrictEqual(connection.seen, ["endAll"])
  })

  it("has errors with the connection's server and port", () => {
    const connection = new Scripted()
    const { message, reason, server } = connection.protocolError("BadSignature", "why")
    assert.deepStrictEqual([reason._tag, server, message], ["BadSignature", "nas", "nas: why"])
    assert.deepInclude(connection.transportError("TimedOut", "why"), { server: "nas", port: 4455, detail: "why" })
    assert.notProperty(connection.transportError("TimedOut"), "detail")
  })
})

describe("responses without a request", () => {
  it("are ignored up to 256 between two ticks, and one more ends the connection", () => {
    const connection = new Scripted()
    for (let tick = 0; tick < 2; tick++) {
      for (let i = 0; i < 256; i++) connection.unexpected()
      assert.isUndefined(endOf(connection))
      connection.tick()
    }
    assert.strictEqual(connection.discardedAnswers, 512)
    for (let i = 0; i < 256; i++) connection.unexpected()
    assert.isUndefined(endOf(connection))
    connection.unexpected()
    const failed = endOf(connection)
    assert(failed instanceof ProtocolError)
    assert.strictEqual(failed.reason._tag, "UnexpectedResponse")
    assert.match(failed.message, /answers to no request \(257 of them within 1000 ms\)/)
  })
})

describe("a tick", () => {
  const ticks = (connection: Scripted, count: number) => {
    connection.seen.length = 0
    for (let i = 0; i < count; i++) connection.tick()
    return connection.seen
  }

  it("looks for requests past their timeout, and sends an ECHO when the server was silent for `keepAlive`", () => {
    const connection = new Scripted()
    assert.deepStrictEqual(ticks(connection, 2), ["age", "age"])
    assert.deepStrictEqual(ticks(connection, 1), ["age", "echo"])
    // One ECHO at a time.
    assert.deepStrictEqual(ticks(connection, 4), ["age", "age", "age", "age"])
    connection.echoes[0]!()
    assert.deepStrictEqual(ticks(connection, 1), ["age", "echo"])
  })

  it("counts silence since the last byte", () => {
    const connection = new Scripted()
    ticks(connection, 2)
    connection.onData(Uint8Array.of(0))
    assert.deepStrictEqual(ticks(connection, 2), ["age", "age"])
    assert.deepStrictEqual(ticks(connection, 1), ["age", "echo"])
    connection.onData(Uint8Array.of(0))
    connection.echoes[0]!()
    assert.deepStrictEqual(ticks(connection, 3), ["age", "age", "age", "echo"])
  })

  it.each([[2999, 3], [3000, 3], [3001, 4]])(
    "with a `keepAlive` of %i ms sends the ECHO at tick %i",
    (keepAlive, at) => {
      const connection = new Scripted({ keepAlive })
      assert.notInclude(ticks(connection, at - 1), "echo")
      assert.include(ticks(connection, 1), "echo")
    }
  )

  it("tries the ECHO again if it could not be sent", () => {
    const connection = new Scripted()
    connection.canEcho = false
    assert.notInclude(ticks(connection, 3), "echo")
    connection.canEcho = true
    assert.include(ticks(connection, 1), "echo")
  })

  it("does nothing after the end, also if the end comes in the tick itself", () => {
    const connection = new Scripted({ keepAlive: 1000 })
    connection.onAge = () => connection.fail(other)
    assert.deepStrictEqual(ticks(connection, 2), ["age", "close", "endAll", "onFailed"])
  })
})

describe("a live connection", () => {
  it.effect("has a tick each second until its scope closes, which ends the connection", () =>
    Effect.gen(function*() {
      const connection = new Scripted({ keepAlive: 1e9 })
      const scope = yield* Scope.make()
      yield* Scope.provide(Multiplexer.live(connection), scope)
      yield* TestClock.adjust("500 millis")
      const before = connection.seen.length
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(connection.seen.length - before, 10)
      assert.isUndefined(endOf(connection))
      yield* Scope.close(scope, Exit.void)
      const failed = endOf(connection)
      assert(failed instanceof TransportError)
      assert.strictEqual(failed.reason._tag, "ConnectionClosed")
      assert.match(failed.message, /closed on this side/)
      const { length } = connection.seen
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(connection.seen.length, length)
    }))

  it.effect("is left alone while its stream belongs to another connection", () =>
    Effect.gen(function*() {
      const connection = new Scripted()
      let isOurs = true
      const scope = yield* Scope.make()
      yield* Scope.provide(Multiplexer.live(connection, () => isOurs), scope)
      yield* TestClock.adjust("2 seconds")
      isOurs = false
      const { length } = connection.seen
      assert.isAbove(length, 0)
      yield* TestClock.adjust("2 seconds")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(connection.seen.length, length)
      assert.isUndefined(endOf(connection))
    }))

  it("has its settings in milliseconds, and the server's host and port", () => {
    assert.deepStrictEqual(
      Multiplexer.optionsOf({ host: "nas", port: 4455 }, {
        maximumFrame: 7,
        requestTimeout: "30 seconds",
        keepAlive: "1 minute"
      }),
      { ...options, maximumFrame: 7, requestTimeout: 30_000, keepAlive: 60_000 }
    )
  })
})

describe("the last request of a share or a session", () => {
  it.effect("is waited for, for at most 2 seconds", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Multiplexer.requestAtEnd(Effect.never))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      const quick = yield* Effect.forkChild(Multiplexer.requestAtEnd(Effect.sleep("1 second")))
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(quick.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(quick)
    }))

  it.effect("is only sent if the client does not wait", () =>
    Effect.gen(function*() {
      let sent = 0
      const request = Effect.andThen(Effect.sync(() => void sent++), Effect.never)
      yield* Multiplexer.requestAtEnd(request).pipe(Effect.provideService(Multiplexer.WaitsAtEnd, false))
      assert.strictEqual(sent, 1)
    }))

  it.effect("may fail", () => Multiplexer.requestAtEnd(Effect.fail(closed)))
})

describe("a request", () => {
  const success = { header: { status: 0 }, packet: new Uint8Array(64) }
  const refused = { header: { status: 0xc000_0022 }, packet: new Uint8Array(64) }
  const answering = (reply: typeof success) => (complete: Multiplexer.Complete<typeof success>) => {
    complete(undefined, reply)
    return () => {}
  }

  it.effect("ends with its reply, or with its error", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Multiplexer.request({}, answering(success)), success)
      assert.strictEqual(yield* Multiplexer.request({}, answering(refused)), refused)
      const error = yield* Effect.flip(Multiplexer.request({}, (complete) => {
        complete(closed, undefined)
        return () => {}
      }))
      assert.strictEqual(error, closed)
    }))

  it.effect("notes a change if it changes something and succeeds, and not otherwise", () =>
    Effect.gen(function*() {
      const table: ReadonlyArray<readonly [boolean | undefined, typeof success, boolean]> = [
        [true, success, true],
        [true, refused, false],
        [false, success, false],
        [undefined, success, false]
      ]
      for (const [mutates, reply, changed] of table) {
        yield* Changes.recorded((record) =>
          Effect.map(Multiplexer.request({ mutates }, answering(reply)), () => {
            assert.strictEqual(record.changed, changed, `${mutates} ${reply.header.status}`)
          })
        )
      }
      const failed = yield* Changes.recorded((record) =>
        Multiplexer.request({ mutates: true }, (complete) => {
          complete(closed, undefined)
          return () => {}
        }).pipe(Effect.exit, Effect.map((exit) => [Exit.isFailure(exit), record.changed]))
      )
      assert.deepStrictEqual(failed, [true, false])
      // No operation has a record here.
      assert.strictEqual(yield* Multiplexer.request({ mutates: true }, answering(success)), success)
    }))

  it.effect("is cancelled by an interruption, and only by one", () =>
    Effect.gen(function*() {
      let cancelled = 0
      const fiber = yield* Effect.forkChild(
        Multiplexer.request({}, () => () => {
          cancelled++
        }),
        { startImmediately: true }
      )
      assert.strictEqual(cancelled, 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(cancelled, 1)
      const exit = yield* Fiber.await(fiber)
      assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      yield* Multiplexer.request({}, (complete) => {
        complete(undefined, success)
        return () => {
          cancelled++
        }
      })
      assert.strictEqual(cancelled, 1)
    }))

  it("that was sent and changes something fails with `sent`; other errors and requests stay unchanged", () => {
    assert.deepInclude(Multiplexer.failureOf({ mutates: true }, closed), { _tag: "TransportError", sent: true })
    assert.strictEqual(Multiplexer.failureOf({ mutates: false }, closed), closed)
    assert.strictEqual(Multiplexer.failureOf({}, closed), closed)
    const broken = new Scripted().protocolError("NotSmb", "why")
    assert.strictEqual(Multiplexer.failureOf({ mutates: true }, broken), broken)
  })
})

describe("the side that has ended a connection", () => {
  it.each(
    [
      ["this one, after `close`", (connection: Scripted) => connection.close(), "here"],
      ["the other one, after a failure", (connection: Scripted) => connection.fail(closed), "there"],
      ["the first one, if both did", (connection: Scripted) => {
        connection.fail(closed)
        connection.close()
      }, "there"]
    ] as const
  )("is %s", (_, end, side) => {
    const connection = new Scripted()
    assert.isUndefined(connection.ended)
    end(connection)
    assert.strictEqual(connection.ended, side)
  })
})
