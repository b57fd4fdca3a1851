/**
 * Numbers, times and names of a caller that no request can carry: every operation that takes one fails with a typed error
 * before it sends anything, and every value that it takes is the one that the server gets. The values are arbitrary, and
 * the widths of the fields are those of MS-SMB2 and MS-FSCC.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Stream } from "effect"
import type { Sink } from "effect"
import {
  Credentials,
  DfsAdapter,
  IdentityStore,
  OpenMode,
  SmbClient,
  SmbServer,
  TcpTransport,
  TestTransport,
  UserStore
} from "effect-smb"
import { Information, type SmbFile, UncPath } from "effect-smb/Client"
import { Arguments } from "effect-smb/Protocol"
import * as PathOperations from "../../src/Client/internal/PathOperations.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import type { SecurityDescriptor } from "../../src/Codec/SecurityDescriptor.ts"
import { random } from "../random.ts"
import * as Scripted from "./scripted.ts"

const base = "//nas/data"
const f = `${base}/f`
const chunks = Stream.make(new Uint8Array(1))
type Run = Effect.Effect<unknown, unknown, never>
const drain = (stream: Stream.Stream<unknown, unknown>): Run => Stream.runDrain(stream)
const into = (sink: Sink.Sink<unknown, Uint8Array, unknown, unknown>): Run => Stream.run(chunks, sink as never)

const provide = Effect.provide(
  SmbClient.layer().pipe(
    Layer.provideMerge(TestTransport.layerFiles({ data: { f: "0123456789", d: {} } })),
    Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
  )
)

/** What no size, offset or count is. */
const wrong = (() => {
  const below = random(20)
  const huge = Array.from({ length: 40 }, () => (1n << BigInt(63 + below(200))) + BigInt(below(1e6)))
  const fractions = Array.from({ length: 40 }, () => below(1e6) + (1 + below(998)) / 1000)
  return [
    ...[Number.NaN, -Infinity, -1, -0.5, 0.5, 1.5, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, 1e300, Number.MIN_VALUE],
    ...[-1n, 1n << 63n, (1n << 64n) - 1n, 1n << 64n, -(1n << 64n)],
    ...huge,
    ...huge.map((one) => -one),
    ...fractions
  ]
})()

const descriptor = (mask: number, sid = "S-1-1-0"): SecurityDescriptor => ({
  sbz1: 0,
  control: 0x8004,
  owner: undefined,
  group: undefined,
  sacl: undefined,
  dacl: { aclRevision: 2, aces: [{ _tag: "Basic", aceType: 0, aceFlags: 0, mask, sid }] }
})

/** Every operation of a client with one number, by the name of its argument. */
const withNumber = (smb: SmbClient.Client): Readonly<Record<string, (value: any) => Run>> => ({
  "readFile maximum": (maximum) => smb.readFile(f, { maximum }),
  "writeFile shareAccess": (value) => smb.writeFile(f, "x", { shareAccess: Number(value) === -1 ? 1.5 : value }),
  "stream offset": (offset) => drain(smb.stream(f, { offset })),
  "stream length": (length) => drain(smb.stream(f, { length })),
  "sink offset": (offset) => into(smb.sink(f, { offset })),
  "readTo offset": (offset) => smb.readTo(f, () => Effect.void, { offset }),
  "readTo length": (length) => smb.readTo(f, () => Effect.void, { length }),
  "writeFrom offset": (offset) => smb.writeFrom(f, () => Effect.succeed(0), { offset }),
  "walk concurrency": (concurrency) => drain(smb.walk(base, { concurrency })),
  "walk maximumDepth": (maximumDepth) => drain(smb.walk(base, { maximumDepth })),
  "watch completionFilter": (value) => drain(smb.watch(base, { completionFilter: Number(value) === -1 ? 1.5 : value })),
  "truncate size": (size) => smb.truncate(f, size),
  "setAttributes fileAttributes": (value) =>
    smb.setAttributes(f, { fileAttributes: Number(value) === -1 ? 1.5 : value }),
  "security.set mask": (value) => smb.security.set(f, descriptor(Number(value) === -1 ? 1.5 : value)),
  "open desiredAccess": (value) =>
    Effect.scoped(smb.open(f, { ...OpenMode.read, desiredAccess: Number(value) === -1 ? 1.5 : value })),
  "open durable": (timeout) => Effect.scoped(smb.open(f, { ...OpenMode.read, durable: { timeout } })),
  "open allocationSize": (allocationSize) => Effect.scoped(smb.open(f, { ...OpenMode.read, allocationSize })),
  "withShare open": (createOptions) =>
    Effect.scoped(
      smb.withShare(f, (share, path) =>
        share.open(path, { ...OpenMode.read, createOptions: Number(createOptions) === -1 ? 1.5 : createOptions }))
    ),
  "withShare batch": (offset) =>
    Effect.scoped(smb.withShare(f, (share, path) =>
      share.batch(path, OpenMode.read, [{
        _tag: "Read",
        // An offset of a READ has 64 bits, and the length 32.
        offset: 0n,
        length: offset
      }]))),
  "withShare control": (maximum) =>
    Effect.scoped(
      smb.withShare(f, (share) => share.control({ _tag: "Ioctl", ctlCode: 0x60194, input: new Uint8Array(0), maximum }))
    ),
  "path port": (port) => smb.stat({ server: "nas", port, share: "data", path: "f" }),
  "connect port": (port) => Effect.scoped(smb.connect({ server: "nas", port, share: "data", path: "f" })),
  "negotiate port": (port) => Effect.scoped(smb.negotiate({ server: "nas", port, share: "data", path: "f" })),
  "logOn port": (port) => Effect.scoped(smb.logOn({ server: "nas", port, share: "data", path: "f" }))
})

/** The same of an open file. */
const ofFile = (file: SmbFile.SmbFile): Readonly<Record<string, (value: any) => Run>> => ({
  "read offset": (offset) => file.read(offset, 1),
  "read length": (length) => file.read(0, length),
  "readInto offset": (offset) => file.readInto(offset, new Uint8Array(1)),
  "stream offset": (offset) => drain(file.stream({ offset })),
  "stream length": (length) => drain(file.stream({ length })),
  "readTo offset": (offset) => file.readTo(() => Effect.void, { offset }),
  "write offset": (offset) => file.write(offset, new Uint8Array(1)),
  "sink offset": (offset) => into(file.sink({ offset })),
  "writeFrom offset": (offset) => file.writeFrom(() => Effect.succeed(0), { offset }),
  "truncate size": (size) => file.truncate(size),
  "lock offset": (offset) => Effect.scoped(file.lock([{ offset: beyond(offset), length: 1 }])),
  "lock length": (length) =>
    Effect.scoped(file.lock([{ offset: 0, length: 1 }, { offset: 0, length: beyond(length) }])),
  "run maximum": (maximum) => file.run({ _tag: "Ioctl", ctlCode: 1, input: new Uint8Array(0), maximum }),
  "run completionFilter": (value) =>
    file.run({
      _tag: "ChangeNotify",
      completionFilter: Number(value) === -1 ? 1.5 : value,
      recursive: false,
      maximum: 1
    })
})

/** A range of a lock has unsigned numbers of 64 bits (MS-SMB2 2.2.26.1). */
const beyond = (value: number | bigint): number | bigint =>
  typeof value === "bigint" && value >= 0n && value < 1n << 64n ? value << 64n : value

/** Runs what a caller writes: a function that throws fails the test. */
const failureOf = (run: () => Run, what: string) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(run())
    assert(Exit.isFailure(exit), `${what} was taken`)
    const [reason] = exit.cause.reasons
    assert(reason?._tag === "Fail", `${what}: ${String(exit.cause)}`)
    return reason.error as {
      readonly _tag: string
      readonly message: string
      readonly argument: string
      readonly value: string
    }
  })

describe("a number that no request can carry", () => {
  it.live("is an ArgumentError of every operation of a client, and nothing is sent", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      yield* smb.readFile(f)
      const { commands } = yield* TestTransport.TestServers
      const before = (yield* commands).length
      for (const [name, run] of Object.entries(withNumber(smb))) {
        for (const value of wrong) {
          // The places of ports and paths are errors of the path.
          const what = `${name} of ${value}`
          const error = yield* failureOf(() => run(value), what)
          assert.strictEqual(error._tag, name === "path port" ? "PathError" : "ArgumentError", what)
          if (error._tag === "ArgumentError") assert.include(error.message, "cannot be", what)
        }
      }
      assert.strictEqual((yield* commands).length, before)
    }).pipe(provide))

  it.live("is an ArgumentError of every operation of an open file, and nothing is sent", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(f, OpenMode.readWrite)
      const whole = yield* smb.openToRead(f)
      const { commands } = yield* TestTransport.TestServers
      const before = (yield* commands).length
      const all = {
        ...ofFile(file),
        "openToRead stream": (offset: any) => drain(whole.stream({ offset })),
        "openToRead readTo": (length: any) => whole.readTo(() => Effect.void, { length })
      }
      for (const [name, run] of Object.entries(all)) {
        for (const value of wrong) {
          const what = `${name} of ${value}`
          assert.strictEqual((yield* failureOf(() => run(value), what))._tag, "ArgumentError", what)
        }
      }
      assert.strictEqual((yield* commands).length, before)
    }).pipe(Effect.scoped, provide))

  it.effect("says what was wrong, of what, and what to give instead", () =>
    Effect.gen(function*() {
      const { smb } = scripted()
      const error = yield* Effect.flip(smb.truncate(f, 1.5))
      assert.strictEqual(
        error.message,
        "//nas/data/f: size cannot be 1.5: give a whole number of bytes from 0 to 9223372036854775807, above " +
          "9007199254740991 as a bigint"
      )
      assert.deepInclude(error, { _tag: "ArgumentError", argument: "size", value: "1.5", path: f })
    }))
})

const scripted = () => {
  const made = Scripted.batches(() => ({}))
  return { ...made, smb: PathOperations.operations(made.context) }
}

/** The 8 bytes at an offset of the first operation that was sent. */
const sentAt = ({ sent }: ReturnType<typeof scripted>, offset: number): bigint => {
  const [operation] = sent[0]!.operations
  assert(operation?._tag === "SetInfo")
  return new DataView(operation.data.buffer, operation.data.byteOffset).getBigInt64(offset, true)
}

describe("a time", () => {
  it.effect("in ticks goes to the server as it is, or is an ArgumentError", () =>
    Effect.gen(function*() {
      const below = random(21)
      const ticks = [
        0n,
        1n,
        -1n,
        -2n,
        FileTime.latest,
        ...Array.from(
          { length: 200 },
          () => BigInt(below(2) === 0 ? 1 : -1) * BigInt.asUintN(below(72), BigInt(below(2 ** 52)) << BigInt(below(24)))
        )
      ]
      for (const time of [...ticks, -3n, 1n << 63n, 1n << 64n, -(1n << 63n), (1n << 64n) + 5n]) {
        const world = scripted()
        const exit = yield* Effect.exit(world.smb.setAttributes(f, { lastWriteTime: time }))
        if (time >= -2n && time <= FileTime.latest) {
          assert(Exit.isSuccess(exit), String(time))
          assert.strictEqual(sentAt(world, 16), time)
        } else {
          assert.include(String(exit), "ArgumentError", String(time))
          assert.strictEqual(world.sent.length, 0)
        }
      }
    }))

  it.effect("that is an invalid Date is an ArgumentError of each operation that takes one", () =>
    Effect.gen(function*() {
      for (const time of [new Date(Number.NaN), 1n << 63n, -3n]) {
        const { sent, smb } = scripted()
        for (const name of ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"]) {
          const error = yield* failureOf(() => smb.setAttributes(f, { [name]: time }), name)
          assert.deepInclude(error, { _tag: "ArgumentError", argument: name })
        }
        for (const atomic of [false, true]) {
          const error = yield* failureOf(() => smb.writeFile(f, "x", { lastWriteTime: time, atomic }), "writeFile")
          assert.deepInclude(error, { _tag: "ArgumentError", argument: "lastWriteTime" })
        }
        assert.strictEqual(sent.length, 0)
      }
    }))
})

/** Memory that is no bytes, with what its type is called. None of its content is in an error. */
const noBytes: ReadonlyArray<readonly [unknown, string]> = [
  [new Uint16Array(5000).fill(31_337), "Uint16Array"],
  [new Uint16Array([31_337, 2, 3]), "Uint16Array"],
  [new Float64Array([31_337]), "Float64Array"],
  [new DataView(new ArrayBuffer(4)), "DataView"],
  [new ArrayBuffer(31_337), "ArrayBuffer"],
  [[31_337], "Array"],
  [{ length: 31_337 }, "Object"],
  [31_337, "number"],
  [null, "null"],
  [undefined, "undefined"]
]

describe("bytes that are no Uint8Array", () => {
  it.live("are an ArgumentError that tells their type, nothing of them is sent, and the connection works on", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const file = yield* smb.open(f, OpenMode.readWrite)
      const { commands, connections } = yield* TestTransport.TestServers
      const ioctl = { _tag: "Ioctl", ctlCode: 1, maximum: 1 } as const
      const set = { _tag: "SetInfo", information: { _tag: "File", fileInformationClass: 20 } } as const
      const drop = <E>(sink: Sink.Sink<unknown, Uint8Array, unknown, E>, data: any) =>
        Stream.run(Stream.make(data), sink)
      const of = (data: any): Readonly<Record<string, () => Run>> => ({
        writeFile: () => smb.writeFile(f, data),
        "writeFile atomic": () => smb.writeFile(f, data, { atomic: true }),
        "writeFile append": () => smb.writeFile(f, data, { append: true }),
        sink: () => drop(smb.sink(f, { offset: 0 }), data),
        "sink append": () => drop(smb.sink(f, { append: true }), data),
        "file write": () => file.write(0, data),
        "file append": () => file.append(data),
        "file readInto": () => file.readInto(0, data),
        "file sink": () => drop(file.sink(), data),
        "file sink append": () => drop(file.sink({ append: true }), data),
        "run Write": () => file.run({ _tag: "Write", offset: 0n, data }),
        "run SetInfo": () => file.run({ ...set, data }),
        "run Ioctl": () => file.run({ ...ioctl, input: data }),
        batch: () =>
          Effect.scoped(
            smb.withShare(f, (share, path) => share.batch(path, OpenMode.write, [{ _tag: "Write", offset: 0n, data }]))
          ),
        control: () => Effect.scoped(smb.withShare(f, (share) => share.control({ ...ioctl, input: data }))),
        "an entry of a list": () =>
          smb.security.set(f, {
            ...descriptor(1),
            dacl: { aclRevision: 2, aces: [{ _tag: "Raw", aceType: 9, aceFlags: 0, data }] }
          }),
        ...(data === undefined ? {} : {
          "run Read": () => file.run({ _tag: "Read", offset: 0n, length: 1, destination: data }),
          extendedAttributes: () => Effect.scoped(smb.open(f, { ...OpenMode.read, extendedAttributes: data })),
          securityDescriptor: () => Effect.scoped(smb.open(f, { ...OpenMode.read, securityDescriptor: data }))
        })
      })
      for (const [data, type] of noBytes) {
        for (const [name, run] of Object.entries(of(data))) {
          const error = yield* failureOf(run, `${name} of ${type}`)
          assert.deepInclude(error, { _tag: "ArgumentError", value: type }, name)
          assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "31337", name)
        }
      }
      for (const [name, run] of Object.entries(of("31337"))) {
        if (name.startsWith("writeFile")) continue
        const error = yield* failureOf(run, `${name} of a text`)
        assert.deepInclude(error, { _tag: "ArgumentError", value: "string" }, name)
        assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "31337", name)
      }
      assert.notInclude((yield* commands).join(), "WRITE")
      assert.strictEqual(yield* connections(), 1)
      assert.strictEqual(yield* smb.readFileString(f), "0123456789")
    }).pipe(Effect.scoped, provide))

  it("cannot be the value of an extended attribute", () => {
    for (const eaValue of ["31337", new Uint16Array([31_337])] as ReadonlyArray<any>) {
      assert.throws(
        () => Information.setFile("FileFullEaInformation", [{ flags: 0, eaName: "a", eaValue }]),
        "the value of an extended attribute is a Uint8Array"
      )
    }
  })
})

it.live("a value of another type is an ArgumentError, and never a defect", () =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const file = yield* smb.open(f, OpenMode.readWrite)
    const any = <A>(value: A): any => value
    const cases: ReadonlyArray<readonly [string, () => Run]> = [
      ...[any(Date.now()), any("2020-01-01"), any(null), any({}), any(Number.NaN)].map((time) =>
        ["lastWriteTime", () => smb.setAttributes(f, { lastWriteTime: time })] as const
      ),
      ["lastWriteTime", () => smb.writeFile(f, "x", { lastWriteTime: any(Date.now()) })],
      ["pattern", () => drain(smb.list(base, { pattern: any(null) }))],
      ["pattern", () => drain(smb.list(base, { pattern: any(1) }))],
      ["size", () => smb.truncate(f, any(undefined))],
      ["size", () => file.truncate(any(undefined))],
      ["offset", () => file.read(any(undefined), 1)],
      ["length", () => file.read(0, any(undefined))],
      ["offset", () => file.write(any(undefined), new Uint8Array(1))],
      ["ranges[0].length", () => Effect.scoped(file.lock([any({ offset: 0 })]))],
      ["ranges[0].offset", () => Effect.scoped(file.lock([any({ length: 1 })]))],
      ["ranges", () => Effect.scoped(file.lock([any(null)]))],
      ["ranges", () => Effect.scoped(file.lock(any(undefined)))],
      ["offset", () => file.run(any({ _tag: "Read", length: 1 }))]
    ]
    for (const [argument, run] of cases) {
      assert.deepInclude(yield* failureOf(run, argument), { _tag: "ArgumentError", argument })
    }
  }).pipe(Effect.scoped, provide))

it.effect("a size goes to the server as it is, no matter how long it is", () =>
  Effect.gen(function*() {
    const below = random(22)
    for (let i = 0; i < 200; i++) {
      const size = BigInt.asUintN(1 + below(63), (BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32)))
      const world = scripted()
      yield* world.smb.truncate(f, i % 2 === 0 && size <= Number.MAX_SAFE_INTEGER ? Number(size) : size)
      assert.strictEqual(sentAt(world, 0), size)
    }
  }))

describe("other values that the types allow", () => {
  const long = "x".repeat(40_000)
  const cases: ReadonlyArray<readonly [string, (smb: SmbClient.Client) => Run, string]> = [
    ["a pattern with a NUL", (smb) => drain(smb.list(base, { pattern: "a\0" })), "pattern"],
    ["a pattern that no request holds", (smb) => drain(smb.list(base, { pattern: long })), "pattern"],
    ["a target that no link holds", (smb) => smb.makeLink(`${base}/l`, long), "target"],
    ["an owner that is no SID", (smb) => smb.security.set(f, { ...descriptor(1), owner: "joe" }), "owner"],
    ["an entry whose SID is none", (smb) => smb.security.set(f, descriptor(1, "S-1-")), "dacl.aces[0].sid"],
    [
      "a list of 6000 entries",
      (smb) => {
        const one = descriptor(1)
        const aces = Array.from({ length: 6000 }, () => one.dacl!.aces[0]!)
        return smb.security.set(f, { ...one, dacl: { aclRevision: 2, aces } })
      },
      "descriptor"
    ],
    [
      "a write that appends and replaces",
      (smb) => smb.writeFile(f, "b", { append: true, atomic: true }),
      "append"
    ],
    [
      "a lease key of 3 bytes",
      (smb) => Effect.scoped(smb.open(f, { ...OpenMode.read, lease: { leaseState: 1, leaseKey: new Uint8Array(3) } })),
      "lease.leaseKey"
    ],
    [
      "a path below a share that no request holds",
      (smb) => Effect.scoped(smb.withShare(base, (share) => share.open(long, OpenMode.read))),
      "path"
    ],
    [
      "more memory than there is",
      (smb) => Effect.scoped(Effect.flatMap(smb.open(f), (file) => file.read(0, 2 ** 52))),
      "length"
    ]
  ]
  it.live.each(cases)("%s: an ArgumentError", ([name, run, argument]) =>
    Effect.gen(function*() {
      const error = yield* failureOf(() => Effect.suspend(() => Effect.flatMap(SmbClient.SmbClient, run) as Run), name)
      assert.deepInclude(error, { _tag: "ArgumentError", argument })
    }).pipe(provide as never))

  it("of a path that a program made are errors of the path", () => {
    const path = { server: "nas", port: 445, share: "data", path: "f" }
    for (
      const wrong of [{ port: 0 }, { port: 65_536 }, { path: long }, { path: "a\0" }, { server: "" }, { share: long }]
    ) {
      const parsed = UncPath.parse({ ...path, ...wrong })
      assert(
        parsed._tag === "Failure" && parsed.failure.reason._tag === "InvalidPath",
        JSON.stringify(wrong).slice(0, 80)
      )
    }
    assert.deepStrictEqual(UncPath.parse(path)._tag, "Success")
  })
})

describe("an option that cannot be used", () => {
  const credentials = Credentials.layer(Credentials.password("user", Redacted.make("password")))
  const client = (options: SmbClient.Options) =>
    SmbClient.layer(options).pipe(Layer.provide([TestTransport.layerFiles({}), credentials]))
  const server = (options: Partial<Parameters<typeof SmbServer.layer>[0]>) =>
    SmbServer.layer({ port: 0, host: "127.0.0.1", shares: {}, ...options }).pipe(
      Layer.provide([UserStore.layerInMemory({}), IdentityStore.layerInMemory()])
    )
  const numbers = [Number.NaN, 1.5, -1, 1e300]
  const made: Readonly<Record<string, (value: any) => Layer.Layer<any, any, any>>> = {
    credits: (credits) => client({ credits }),
    maximumTransfer: (maximumTransfer) => client({ maximumTransfer }),
    maximumFrame: (maximumFrame) => client({ maximumFrame }),
    receiveBuffer: (receiveBuffer) => TcpTransport.layer({ receiveBuffer }),
    "addresses[\"a\"].port": (port) => TcpTransport.layer({ addresses: { a: { host: "b", port } } }),
    port: (port) => server({ port }),
    "limits.connections": (connections) => server({ limits: { connections } }),
    "limits.transfer": (transfer) => server({ limits: { transfer } }),
    capacity: (capacity) => Layer.provide(DfsAdapter.layerWithoutDiscovery({ capacity }), client({})),
    maxReferralLevel: (value) =>
      Layer.provide(DfsAdapter.layerWithoutDiscovery({ maxReferralLevel: value }), client({}))
  }
  const times: Readonly<Record<string, (value: any) => Layer.Layer<any, any, any>>> = {
    idle: (idle) => client({ idle }),
    requestTimeout: (requestTimeout) => client({ requestTimeout }),
    connectTimeout: (connectTimeout) => TcpTransport.layer({ connectTimeout }),
    "limits.idleTime": (idleTime) => server({ limits: { idleTime } }),
    stagger: (stagger) => Layer.provide(DfsAdapter.layerWithoutDiscovery({ stagger }), client({}))
  }
  const refused = (name: string, make: () => Layer.Layer<any, any, any>) =>
    Effect.gen(function*() {
      const layer = make()
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)) as Effect.Effect<unknown, unknown>)
      assert(Exit.isFailure(exit), name)
      const [reason] = exit.cause.reasons
      assert(reason?._tag === "Die", String(exit.cause))
      assert.deepInclude(reason.defect, { _tag: "ArgumentError", argument: name })
    })
  it.live("is a defect with its name when the layer is built, and never thrown by the function", () =>
    Effect.gen(function*() {
      for (const [name, make] of Object.entries(made)) {
        for (const value of numbers) {
          if (!(name === "capacity" && value === 1e300)) {
            yield* refused(name, () => make(value))
          }
        }
      }
      for (const [name, make] of Object.entries(times)) {
        for (const value of [Number.NaN, -1, "soon", { seconds: Number.NaN }]) yield* refused(name, () => make(value))
      }
    }))
})

it("a Duration is taken in all forms of Effect, except for those that Effect takes for 0", () => {
  for (const value of [0, 1.5, 5n, "3 seconds", "Infinity", Infinity, [1, 2], { seconds: 1 }]) {
    assert.isTrue(Arguments.duration.holds(value), String(value))
  }
  for (const value of [Number.NaN, -1, -1n, "-Infinity", "soon", [Number.NaN, 1], { seconds: Number.NaN }]) {
    assert.isFalse(Arguments.duration.holds(value), String(value))
  }
  for (const value of [Infinity, "Infinity", Number.NaN]) assert.isFalse(Arguments.finiteDuration.holds(value))
})
