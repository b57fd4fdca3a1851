/** The client of promises, with servers in memory: aborts, ends, errors, and what stays open. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials, OpenMode, SmbClient, TestTransport } from "effect-smb"
import { ClientClosed, isNotFound, SmbError, TransportError } from "effect-smb/promise"
import { collect, count, rejection, world } from "./world.ts"

const data = "//nas/data"
const pending = { pending: true, delay: "1 hour" } as const
const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`file-${i}.txt`, ""]))
/** A page of a listing has at most this many bytes. */
const pages = { maximumTransfer: 65_536 }

const unhandled: Array<unknown> = []
const note = (reason: unknown) => void unhandled.push(reason)
beforeAll(() => void process.on("unhandledRejection", note))
afterAll(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off("unhandledRejection", note)
  assert.deepStrictEqual(unhandled, [])
})

describe("the client of promises", () => {
  it("has every operation of the client, of its files and of security, under the same name", async () => {
    await using w = await world({ a: "a" })
    await using file = await w.smb.open(`${data}/a`)
    const { of, open } = await Effect.runPromise(
      Effect.scoped(Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        return { of: smb, open: Object.keys(yield* smb.open(`${data}/a`)) }
      })).pipe(
        Effect.provide(SmbClient.layer()),
        Effect.provide([
          TestTransport.layer({ nas: { shares: { data: { a: "a" } } } }),
          Credentials.layer(Credentials.password("user", Redacted.make("password")))
        ])
      )
    )
    // Layers and file systems use these; `names` is an option of `connect`.
    const ofLayers = ["connect", "negotiate", "logOn", "withLocator", "names", "withNames", "confinedTo"]
    assert.deepStrictEqual(
      Object.keys(w.smb).toSorted(),
      Object.keys(of).filter((name) => !ofLayers.includes(name)).concat("readStream", "writeStream", "close").toSorted()
    )
    assert.deepStrictEqual(Object.keys(w.smb.security).toSorted(), Object.keys(of.security).toSorted())
    assert.deepStrictEqual(Object.keys(file).toSorted(), open.toSorted())
  })

  it("rejects with the client's own errors", async () => {
    await using w = await world()
    const error = await rejection(w.smb.readFile(`${data}/none`))
    assert.instanceOf(error, SmbError)
    assert.instanceOf(error, Error)
    assert.deepInclude(error, { _tag: "SmbError", command: "CREATE" })
    assert.strictEqual(error.reason._tag, "ObjectNameNotFound")
    assert.isTrue(isNotFound(error))
    const unknown = await rejection(w.smb.list("//other/data")[Symbol.asyncIterator]().next())
    assert.instanceOf(unknown, TransportError)
    assert.strictEqual(unknown.reason._tag, "HostNotFound")
    const path = await rejection(w.smb.readStream("nowhere").getReader().read())
    assert.strictEqual((path as { readonly _tag: string })._tag, "PathError")
    assert.strictEqual(await w.smb.exists(`${data}/none`), false)
  })

  it("rejects what runs, and what comes later, with ClientClosed after close", async () => {
    await using w = await world({ a: "a" }, { faults: [{ on: "CREATE", is: pending }] })
    const running = [
      rejection(w.smb.readFile(`${data}/a`)),
      rejection(w.smb.list(data)[Symbol.asyncIterator]().next()),
      rejection(w.smb.writeStream(`${data}/b`).getWriter().write(new Uint8Array(1)))
    ]
    await w.arrived("CREATE")
    await Promise.all([w.smb.close(), w.smb.close()])
    assert.strictEqual(w.connections(), 0)
    for (const error of await Promise.all(running)) assert.instanceOf(error, ClientClosed)
    assert.instanceOf(await rejection(w.smb.readFile(`${data}/a`)), ClientClosed)
    assert.instanceOf(await rejection(w.smb.list(data)[Symbol.asyncIterator]().next()), ClientClosed)
    assert.instanceOf(await rejection(w.smb.open(`${data}/a`)), ClientClosed)
    await w.smb.close()
  })

  it("closes the files and iterations that are open, and its connections", async () => {
    await using w = await world({ a: "a", d: many }, pages)
    const file = await w.smb.open(`${data}/a`)
    const readable = await w.smb.openToRead(`${data}/a`)
    const iterator = w.smb.list(`${data}/d`)[Symbol.asyncIterator]()
    await iterator.next()
    assert.isAbove(count(w.commands(), "CREATE"), count(w.commands(), "CLOSE"))
    await w.smb.close()
    await w.allClosed()
    assert.strictEqual(w.connections(), 0)
    await Promise.all([file.close(), readable.close(), iterator.return?.()])
    assert.instanceOf(await rejection(file.read(0, 1)), ClientClosed)
  })

  it("rejects close with the error of a file that could not keep its data", async () => {
    const faults = [{ on: "CLOSE", is: { status: "STATUS_DISK_FULL" } }] as const
    await using w = await world({ a: "a" }, { faults })
    const file = await w.smb.open(`${data}/a`, OpenMode.readWrite)
    await file.write(0, Buffer.from("b"))
    const error = await rejection(file.close())
    assert.instanceOf(error, SmbError)
    assert.strictEqual(error.reason._tag, "DiskFull")
    assert.strictEqual(await rejection(file.close()), error, "the result of close is that of the first call")
    const other = await w.smb.open(`${data}/a`, OpenMode.readWrite)
    await other.write(0, Buffer.from("b"))
    const closed = await rejection(w.smb.close())
    assert.instanceOf(closed, SmbError)
    assert.strictEqual(w.connections(), 0)
    await rejection(w.smb.close())
    // `await using` closes once more.
    Object.assign(w.smb, { close: () => Promise.resolve() })
  })
})

describe("a signal", () => {
  const reason = new Error("enough")

  it("that is aborted before the operation sends no request", async () => {
    await using w = await world({ a: "a" })
    const signal = AbortSignal.abort(reason)
    const { smb } = w
    for (
      const promise of [
        smb.readFile(`${data}/a`, { signal }),
        smb.open(`${data}/a`, { signal }),
        smb.list(data, { signal })[Symbol.asyncIterator]().next(),
        smb.readStream(`${data}/a`, { signal }).getReader().read(),
        smb.writeStream(`${data}/a`, { signal }).getWriter().closed,
        smb.withShare(data, () => 1, { signal })
      ]
    ) {
      assert.strictEqual(await rejection(promise), reason)
    }
    assert.deepStrictEqual(w.commands(), [])
  })

  it("cancels the request that the operation waits for", async () => {
    await using w = await world({ a: "a" }, { faults: [{ on: "CHANGE_NOTIFY", is: pending }] })
    const abort = new AbortController()
    const next = w.smb.watch(data, { signal: abort.signal })[Symbol.asyncIterator]().next()
    await w.arrived("CHANGE_NOTIFY")
    abort.abort(reason)
    assert.strictEqual(await rejection(next), reason)
    await w.arrived("CANCEL")
    await w.arrived("CLOSE")
    assert.strictEqual(await w.smb.readFileString(`${data}/a`), "a", "the client goes on")
  })

  it("ends each kind of operation, and leaves nothing open", async () => {
    const faults = [{ on: "READ", is: pending }, { on: "WRITE", is: pending }, { on: "LOCK", is: pending }] as const
    await using w = await world({ a: "a".repeat(200_000) }, { faults })
    const { smb } = w
    await using file = await smb.open(`${data}/a`, OpenMode.readWrite)
    for (
      const [command, start] of [
        ["READ", (signal: AbortSignal) => smb.readFile(`${data}/a`, { signal })],
        ["READ", (signal: AbortSignal) => smb.readStream(`${data}/a`, { signal }).pipeTo(new WritableStream())],
        ["READ", (signal: AbortSignal) => file.read(0, 10, { signal })],
        ["READ", (signal: AbortSignal) => smb.readTo(`${data}/a`, () => undefined, { signal })],
        ["WRITE", (signal: AbortSignal) => smb.sink(`${data}/b`, [new Uint8Array(10)], { signal })],
        [
          "WRITE",
          (signal: AbortSignal) => new Blob(["text"]).stream().pipeTo(smb.writeStream(`${data}/b`, { signal }))
        ],
        ["LOCK", (signal: AbortSignal) => file.lock([{ offset: 0, length: 1 }], { signal })]
      ] as const
    ) {
      const before = w.commands().length
      const abort = new AbortController()
      const end = rejection(start(abort.signal))
      while (!w.commands().slice(before).includes(command)) await new Promise((resolve) => setImmediate(resolve))
      abort.abort(reason)
      assert.strictEqual(await end, reason, command)
    }
    await file.close()
    await w.allClosed()
  })

  it("closes the directory of an iteration without a further call of next", async () => {
    await using w = await world(many, pages)
    const abort = new AbortController()
    const iterator = w.smb.list(data, { signal: abort.signal })[Symbol.asyncIterator]()
    await iterator.next()
    abort.abort(reason)
    await w.arrived("CLOSE")
    assert.strictEqual(await rejection(iterator.next()), reason)
    assert.deepStrictEqual(await iterator.next(), { done: true, value: undefined })
  })

  it("that is aborted after the end changes nothing, and has no listener left", async () => {
    await using w = await world({ a: "a" })
    const abort = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = abort.signal
    abort.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++
      addEventListener.apply(abort.signal, args)
    }
    abort.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--
      removeEventListener.apply(abort.signal, args)
    }
    assert.strictEqual(await w.smb.readFileString(`${data}/a`, { signal: abort.signal }), "a")
    for await (const _ of w.smb.list(data, { signal: abort.signal })) assert.isAbove(listeners, 0)
    assert.strictEqual(listeners, 0)
    abort.abort(reason)
  })
})

describe("an iteration", () => {
  it("that is left early closes its directory", async () => {
    await using w = await world(many, pages)
    for await (const entry of w.smb.list(data)) {
      assert.strictEqual(entry.type, "file")
      break
    }
    await w.allClosed()
    assert.strictEqual(count(w.commands(), "CREATE"), 1)
  })

  it("closes its directory when the loop's body throws, and the error is the body's", async () => {
    await using w = await world(many, pages)
    const wrong = new Error("of the consumer")
    const walk = async () => {
      for await (const _ of w.smb.walk(data)) throw wrong
    }
    assert.strictEqual(await rejection(walk()), wrong)
    await w.allClosed()
  })

  it("gives the elements in order to calls of next that do not wait, and the end to all later ones", async () => {
    await using w = await world(many, pages)
    const iterator = w.smb.list(data)[Symbol.asyncIterator]()
    const found = await Promise.all(Array.from({ length: 2005 }, () => iterator.next()))
    const names = found.map((result) => result.done === true ? "end" : result.value.name)
    assert.deepStrictEqual(names.slice(0, 2000).toSorted(), Object.keys(many).toSorted())
    assert.deepStrictEqual(names.slice(2000), Array.from({ length: 5 }, () => "end"))
  })

  it("begins again for each loop, and ends once after an error", async () => {
    await using w = await world({ a: "a" }, {
      faults: [{ on: "QUERY_DIRECTORY", is: { status: "STATUS_ACCESS_DENIED" }, times: 1 }]
    })
    const list = w.smb.list(data)
    const first = list[Symbol.asyncIterator]()
    assert.instanceOf(await rejection(first.next()), SmbError)
    assert.deepStrictEqual(await first.next(), { done: true, value: undefined })
    for (let round = 0; round < 2; round++) assert.lengthOf(await collect(list), 1)
    await w.allClosed()
  })

  it("can be left while a request is under way", async () => {
    await using w = await world({}, { faults: [{ on: "CHANGE_NOTIFY", is: pending }] })
    const iterator = w.smb.watch(data)[Symbol.asyncIterator]()
    const next = iterator.next()
    await w.arrived("CHANGE_NOTIFY")
    assert.deepStrictEqual(await iterator.return?.(), { done: true, value: undefined })
    assert.deepStrictEqual(await next, { done: true, value: undefined })
    await w.arrived("CLOSE")
  })
})

describe("a function of the caller", () => {
  const wrong = new Error("of the caller")
  const fail = () => {
    throw wrong
  }
  const later = () => Promise.reject(wrong)

  it("that throws, or rejects later, ends the operation with its own error", async () => {
    await using w = await world({ a: "a".repeat(100_000), d: { b: "" } })
    const { smb } = w
    for (const use of [fail, later]) {
      assert.strictEqual(await rejection(smb.readTo(`${data}/a`, use)), wrong)
      assert.strictEqual(await rejection(smb.writeFrom(`${data}/c`, use)), wrong)
      assert.strictEqual(await rejection(smb.withShare(data, use)), wrong)
      assert.strictEqual(await rejection(collect(smb.walk(data, { enter: use }))), wrong)
      const source = { [Symbol.asyncIterator]: () => ({ next: use as () => Promise<IteratorResult<Uint8Array>> }) }
      assert.strictEqual(await rejection(smb.sink(`${data}/c`, source)), wrong)
    }
    await w.allClosed()
  })

  it("may close the client", async () => {
    await using w = await world({ a: "a".repeat(100_000) })
    const error = await rejection(w.smb.readTo(`${data}/a`, () => w.smb.close()))
    assert.instanceOf(error, ClientClosed)
    await w.smb.close()
    assert.strictEqual(w.connections(), 0)
  })

  it("of a walk decides, at once or later", async () => {
    await using w = await world({ d: { b: "" }, e: { c: "" } })
    const names = async (enter: (entry: { readonly name: string }) => boolean | Promise<boolean>) =>
      (await collect(w.smb.walk(data, { enter }))).map(({ name }) => name).toSorted()
    assert.deepStrictEqual(await names(({ name }) => name === "d"), ["b", "d"])
    assert.deepStrictEqual(await names(async ({ name }) => name === "e"), ["c", "e"])
  })

  it("of a source that waits does not hold up an abort, and is told of the end", async () => {
    await using w = await world()
    const abort = new AbortController()
    let isTold = false
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<Uint8Array>>(() => undefined),
        return: async () => {
          isTold = true
          return { done: true as const, value: undefined }
        }
      })
    }
    const end = rejection(w.smb.sink(`${data}/c`, source, { signal: abort.signal }))
    await w.arrived("CREATE")
    abort.abort(wrong)
    assert.strictEqual(await end, wrong)
    assert.isTrue(isTold)
  })
})

describe("writeStream", () => {
  it("creates the file, and writes what it is given when the writer waits and when it does not", async () => {
    await using w = await world()
    const writer = w.smb.writeStream(`${data}/a`).getWriter()
    await writer.write(Buffer.from("one "))
    const all = [writer.write(Buffer.from("two ")), writer.write(Buffer.from("three"))]
    await Promise.all([...all, writer.close()])
    assert.strictEqual(w.text("a"), "one two three")
    await w.smb.writeStream(`${data}/empty`).close()
    assert.strictEqual(w.text("empty"), "")
    await using tail = await world({ a: "0123456789" })
    await new Blob(["xy"]).stream().pipeTo(tail.smb.writeStream(`${data}/a`, { offset: 4, truncate: true }))
    assert.strictEqual(tail.text("a"), "0123xy")
  })

  it("fails with the server's error", async () => {
    await using w = await world({}, { faults: [{ on: "WRITE", is: { status: "STATUS_DISK_FULL" } }] })
    const error = await rejection(new Blob(["x".repeat(300_000)]).stream().pipeTo(w.smb.writeStream(`${data}/a`)))
    assert.instanceOf(error, SmbError)
    assert.strictEqual(error.reason._tag, "DiskFull")
    await using denied = await world({}, { faults: [{ on: "CREATE", is: { status: "STATUS_ACCESS_DENIED" } }] })
    assert.instanceOf(await rejection(denied.smb.writeStream(`${data}/a`).getWriter().closed), SmbError)
    await using text = await world()
    const wrong = text.smb.writeStream(`${data}/a`).getWriter()
    assert.instanceOf(await rejection(wrong.write("text" as never)), TypeError)
  })

  it("closes the file after abort, and keeps what was written", async () => {
    await using w = await world()
    const writer = w.smb.writeStream(`${data}/a`).getWriter()
    await writer.write(new Uint8Array(3_000_000))
    await w.arrived("WRITE")
    await writer.abort(new Error("enough"))
    await w.allClosed()
  })

  const stuck = { faults: [{ on: "WRITE", is: pending }] } as const

  it("abort ends a WRITE that the server does not answer, and the file is closed", async () => {
    await using w = await world({}, stuck)
    const writer = w.smb.writeStream(`${data}/a`).getWriter()
    // More than the client sends ahead.
    const chunk = new Uint8Array(1_000_000)
    const writes = Array.from({ length: 100 }, () => writer.write(chunk))
    for (const write of writes) write.catch(() => undefined)
    await w.arrived("WRITE")
    for (let sent = 0; sent < count(w.commands(), "WRITE");) {
      sent = count(w.commands(), "WRITE")
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    const reason = new Error("enough")
    await writer.abort(reason)
    assert.strictEqual(await rejection(writes.at(-1)!), reason)
    await w.allClosed()
    assert.include(w.commands(), "CANCEL")
  })

  it("abort ends a close that the server does not answer", async () => {
    await using w = await world({}, stuck)
    const writer = w.smb.writeStream(`${data}/a`).getWriter()
    const written = writer.write(new Uint8Array(10))
    const closed = rejection(writer.close())
    await w.arrived("WRITE")
    await Promise.all([written, closed, writer.abort(new Error("enough")).catch(() => undefined)])
    await w.allClosed()
  })

  it("closes the file after a chunk that is no Uint8Array", async () => {
    await using w = await world({}, {})
    const writer = w.smb.writeStream(`${data}/a`).getWriter()
    await writer.write(Buffer.from("good"))
    await w.arrived("CREATE")
    const error = await rejection(writer.write("text" as never))
    assert.instanceOf(error, TypeError)
    assert.strictEqual(await rejection(writer.closed), error)
    await w.allClosed()
  })
})

describe("readStream", () => {
  it("cancel ends a READ that the server does not answer, and the file is closed", async () => {
    await using w = await world({ a: "a".repeat(200_000) }, { faults: [{ on: "READ", is: pending }] })
    const reader = w.smb.readStream(`${data}/a`).getReader()
    const read = reader.read()
    await w.arrived("READ")
    await reader.cancel()
    assert.deepStrictEqual(await read, { done: true, value: undefined })
    await w.allClosed()
    assert.include(w.commands(), "CANCEL")
  })
})

describe("close", () => {
  it("waits for the operations that it interrupts: an atomic write removes its part", async () => {
    await using w = await world({ a: "old" }, { faults: [{ on: "WRITE", is: pending }] })
    const end = rejection(w.smb.writeFile(`${data}/a`, new Uint8Array(300_000), { atomic: true }))
    await w.arrived("WRITE")
    const part = w.created().at(-1)!
    assert.match(part, /^a\..*\.part$/)
    assert.isDefined(w.text(part))
    await w.smb.close()
    assert.instanceOf(await end, ClientClosed)
    assert.strictEqual(w.text(part), undefined)
    assert.strictEqual(w.connections(), 0)
  })
})
