/**
 * What every operation has in common: a span that names the operation, its server and its paths, without the user of an
 * `smb://` path, and says how it ended; and the error of a request that the server refuses after the open.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result, Sink, Stream } from "effect"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as PathOperations from "../../src/Client/internal/PathOperations.ts"
import type { Operations } from "../../src/Client/Operations.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as SmbFile from "../../src/Client/SmbFile.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { Control } from "../../src/Codec/SecurityDescriptor.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"
import { Attribute } from "../../src/Protocol/Spans.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import { attributesOf, lineage, make, spansOf } from "../tracing.ts"
import { mutations, operationsOf, others } from "./mutations.ts"
import * as Scripted from "./scripted.ts"

const path = "smb://joe@nas/data/f"
const other = "smb://ann@nas/data/g"
const descriptor = {
  sbz1: 0,
  control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
  owner: undefined,
  group: undefined,
  sacl: undefined,
  dacl: { aclRevision: 2, aces: [] }
}

type Run = (smb: Operations) => Effect.Effect<unknown, unknown>

/** The operations: each has a span with its own name. */
const runs: {
  readonly [K in Exclude<keyof Operations, "security"> | "security.get" | "security.permissions" | "security.set"]: Run
} = {
  withShare: (smb) => Effect.scoped(smb.withShare(path, () => Effect.fail("no"))),
  open: (smb) => Effect.scoped(smb.open(path)),
  readFile: (smb) => smb.readFile(path),
  readFileString: (smb) => smb.readFileString(path),
  stream: (smb) => Stream.runDrain(smb.stream(path)),
  readTo: (smb) => smb.readTo(path, () => Effect.void),
  openToRead: (smb) => Effect.scoped(smb.openToRead(path)),
  writeFile: (smb) => smb.writeFile(path, "x"),
  sink: (smb) => Stream.run(Stream.make(new Uint8Array(1)), smb.sink(path)),
  writeFrom: (smb) => smb.writeFrom(path, () => Effect.succeed(0)),
  stat: (smb) => smb.stat(path),
  exists: (smb) => smb.exists(path),
  list: (smb) => Stream.runDrain(smb.list(path)),
  walk: (smb) => Stream.runDrain(smb.walk(path)),
  makeDirectory: (smb) => smb.makeDirectory(path),
  remove: (smb) => smb.remove(path),
  removable: (smb) => smb.removable(path),
  rename: (smb) => smb.rename(path, other),
  makeHardLink: (smb) => smb.makeHardLink(path, other),
  copy: (smb) => smb.copy(path, other),
  watch: (smb) => Stream.runDrain(smb.watch(path)),
  setAttributes: (smb) => smb.setAttributes(path, { fileAttributes: 1 }),
  truncate: (smb) => smb.truncate(path, 1),
  "security.get": (smb) => smb.security.get(path),
  "security.permissions": (smb) => smb.security.permissions(path),
  "security.set": (smb) => smb.security.set(path, descriptor),
  namedStreams: (smb) => smb.namedStreams(path),
  readLink: (smb) => smb.readLink(path),
  makeLink: (smb) => smb.makeLink(path, "t"),
  previousVersions: (smb) => smb.previousVersions(path),
  lookupSids: (smb) => smb.lookupSids(path, ["S-1-5-21-1-2-3-4"]),
  lookupNames: (smb) => smb.lookupNames(path, ["ann"]),
  lookupDomains: (smb) => smb.lookupDomains(path),
  shares: (smb) => smb.shares("smb://joe@nas"),
  openFiles: (smb) => smb.openFiles("smb://joe@nas"),
  sessions: (smb) => smb.sessions("smb://joe@nas")
}

const denied = fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\nas\\data\\f")
const refusing = Scripted.batches(() => denied, { open: () => Effect.fail(denied) })

/** A server that tells no names is no failure of this one. */
const tolerant = { lookupSids: true }
/** The operations whose path is only a server. */
const ofServers = ["shares", "openFiles", "sessions"] as const
const nas = { [Attribute.serverAddress]: "nas", [Attribute.serverPort]: 445 }
const inData = { ...nas, [Attribute.share]: "data" }
const refused = {
  [Attribute.errorType]: "AccessDenied",
  [Attribute.status]: "STATUS_ACCESS_DENIED",
  [Attribute.command]: "CREATE"
}

describe("the span of an operation", () => {
  it.effect.each(
    Object.entries(runs).filter(([name]) => !ofServers.some((one) => one === name)).map(([name, run]) => ({
      name,
      run
    }))
  )(
    "has the server, the share, the path without its user, and the failure: $name",
    ({ name, run }) =>
      Effect.gen(function*() {
        const spans = yield* spansOf(run(PathOperations.operations(refusing.context)))
        const [span] = spans
        assert.strictEqual(span?.name, `SmbClient.${name}`)
        assert.strictEqual(span!.kind, "client")
        const two = name === "rename" || name === "makeHardLink" || name === "copy"
        assert.deepStrictEqual(attributesOf(span), {
          ...inData,
          [Attribute.path]: "\\\\nas\\data\\f",
          ...(two ? { [Attribute.destinationPath]: "\\\\nas\\data\\g" } : {}),
          ...(name === "stream" ? { [Attribute.bytes]: 0 } : {}),
          ...(name === "withShare" ? { [Attribute.errorType]: "_OTHER" } : name in tolerant ? {} : refused)
        })
        for (const one of spans) assert.strictEqual(one.status._tag, "Ended", one.name)
      })
  )

  it.effect.each(ofServers)("of the list %s has the server, and no share", (name) =>
    Effect.gen(function*() {
      const [span] = yield* spansOf(runs[name](PathOperations.operations(refusing.context)))
      assert.strictEqual(span?.name, `SmbClient.${name}`)
      assert.deepStrictEqual(attributesOf(span), { ...nas, [Attribute.path]: "\\\\nas", ...refused })
    }))

  it.effect("has neither server nor path if the text is no path", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(PathOperations.operations(refusing.context).stat("no path"))
      assert.deepStrictEqual(spans.map((span) => [span.name, attributesOf(span)]), [
        ["SmbClient.stat", { [Attribute.errorType]: "InvalidPath" }]
      ])
    }))

  it("is tested for every operation", () => {
    const all = new Set([...others, ...mutations.map(({ of }) => of)])
    const known = operationsOf(PathOperations.operations(refusing.context) as never)
    assert.deepStrictEqual(known.toSorted(), Object.keys(runs).toSorted())
    assert.isTrue(known.every((name) => all.has(name)))
  })
})

const secret = "a-password-that-no-span-has"

/** A client of a server in memory, with its own connections for each test. */
const withClient = <A, E>(use: (smb: SmbClient.Client) => Effect.Effect<A, E>, password = secret) =>
  Effect.flatMap(SmbClient.SmbClient, use).pipe(
    Effect.provide(SmbClient.layer()),
    Effect.provide([
      TestTransport.layer({
        nas: { user: "joe", password: secret, shares: { data: { "f.bin": new Uint8Array(300_000).fill(7) } } }
      }),
      Credentials.layer(Credentials.password("joe", Redacted.make(password)))
    ])
  )

const file = "//nas/data/f.bin"

describe("the spans of connecting", () => {
  it.effect("are children of the operation that connects, in their order, and later operations have none", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(withClient((smb) => Effect.andThen(smb.stat(file), smb.stat(file))))
      assert.deepStrictEqual(spans.map(lineage), [
        ["SmbClient.stat"],
        ["SmbClient.connect", "SmbClient.stat"],
        ["SmbClient.negotiate", "SmbClient.connect", "SmbClient.stat"],
        ["SmbClient.sessionSetup", "SmbClient.stat"],
        ["SmbClient.treeConnect", "SmbClient.stat"],
        ["SmbClient.stat"]
      ])
      const of = (name: string) => attributesOf(spans.find((span) => span.name === name))
      const dialect = { [Attribute.dialect]: "3.1.1" }
      assert.deepStrictEqual(of("SmbClient.connect"), { ...nas, [Attribute.networkTransport]: "tcp", ...dialect })
      assert.deepStrictEqual(of("SmbClient.negotiate"), { ...nas, ...dialect })
      assert.deepStrictEqual(of("SmbClient.sessionSetup"), { ...nas, [Attribute.mechanism]: "NTLM" })
      assert.deepStrictEqual(of("SmbClient.treeConnect"), inData)
    }))

  it.effect("are those of negotiate, logOn and connect of the client; its other functions send nothing", () =>
    Effect.gen(function*() {
      const target = { server: "nas", port: 445, share: "data", path: "" }
      const connected = ["SmbClient.connect", "SmbClient.negotiate"]
      const loggedOn = [...connected, "SmbClient.sessionSetup"]
      type Own = Exclude<keyof SmbClient.Client, keyof Operations | "names">
      const expected: {
        readonly [K in Own]: readonly [
          (smb: SmbClient.Client) => Effect.Effect<unknown, unknown>,
          ReadonlyArray<string>
        ]
      } = {
        negotiate: [(smb) => Effect.scoped(smb.negotiate(target)), connected],
        logOn: [(smb) => Effect.scoped(smb.logOn(target)), loggedOn],
        connect: [(smb) => Effect.scoped(smb.connect(target)), [...loggedOn, "SmbClient.treeConnect"]],
        retryLogons: [(smb) => smb.retryLogons, []],
        withLocator: [(smb) => Effect.sync(() => smb.withLocator), []],
        withNames: [(smb) => Effect.sync(() => smb.withNames("mapped")), []],
        confinedTo: [(smb) => Effect.sync(() => smb.confinedTo), []]
      }
      for (const [name, [run, names]] of Object.entries(expected)) {
        const spans = yield* spansOf(withClient(run))
        assert.deepStrictEqual(spans.map((span) => span.name), names, name)
      }
    }))

  it.effect("say why a logon failed, and name neither user nor password", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(withClient((smb) => smb.stat("smb://joe@nas/data/f.bin"), "wrong-and-secret"))
      const logon = spans.find(({ name }) => name === "SmbClient.sessionSetup")
      assert.deepInclude(attributesOf(logon), {
        [Attribute.errorType]: "LogonFailure",
        [Attribute.status]: "STATUS_LOGON_FAILURE",
        [Attribute.command]: "SESSION_SETUP"
      })
      const all = JSON.stringify(spans.map((span) => [span.name, attributesOf(span)]))
      for (const hidden of ["joe", "wrong-and-secret", secret]) assert.notInclude(all, hidden)
    }))
})

describe("the bytes in a span", () => {
  const chunks = Stream.fromArray([new Uint8Array(5), new Uint8Array(7)])
  const moved: { readonly [K in keyof Operations]?: readonly [Run, number] } = {
    readFile: [(smb) => smb.readFile(file), 300_000],
    readTo: [(smb) => smb.readTo(file, () => Effect.void, { length: 1000 }), 1000],
    stream: [(smb) => Stream.runDrain(smb.stream(file, { offset: 299_000 })), 1000],
    writeFile: [(smb) => smb.writeFile("//nas/data/g", "ü"), 2],
    copy: [(smb) => smb.copy(file, "//nas/data/g"), 300_000],
    sink: [(smb) => Stream.run(chunks, smb.sink("//nas/data/g")), 12],
    writeFrom: [(smb) => smb.writeFrom("//nas/data/g", (_, offset) => Effect.succeed(offset === 0n ? 9 : 0)), 9]
  }
  it.effect.each(Object.entries(moved).map(([name, [run, bytes]]) => ({ name, run, bytes })))(
    "of $name",
    ({ bytes, name, run }) =>
      Effect.gen(function*() {
        const spans = yield* spansOf(withClient((smb) => run(smb)))
        const span = spans.find((one) => one.name === `SmbClient.${name}`)
        assert.strictEqual(attributesOf(span)[Attribute.bytes], bytes)
        assert.notProperty(attributesOf(span), Attribute.errorType)
      })
  )

  it.effect("are those that arrived before a consumer ended a stream, which is no failure", () =>
    Effect.gen(function*() {
      const one = (smb: SmbClient.Client) => Stream.runDrain(Stream.take(smb.stream(file), 1))
      const [span] = yield* spansOf(withClient(one))
      assert.strictEqual(span!.name, "SmbClient.stream")
      assert.isAbove(attributesOf(span)[Attribute.bytes] as number, 0)
      assert.notProperty(attributesOf(span), Attribute.errorType)
    }))
})

type Functions = Exclude<keyof SmbFile.SmbFile, "path" | "share" | "opened" | "caching">

/** The operations of an open file, and the bytes that they move. */
const ofFile: {
  readonly [K in Functions]: readonly [(file: SmbFile.SmbFile) => Effect.Effect<unknown, unknown>, number?]
} = {
  read: [(file) => file.read(0, 2500), 2500],
  readInto: [(file) => file.readInto(0, new Uint8Array(2500)), 2500],
  stream: [(file) => Stream.runDrain(file.stream()), 5000],
  readTo: [(file) => file.readTo(() => Effect.void), 5000],
  append: [(file) => file.append(new Uint8Array(2500)), 2500],
  write: [(file) => file.write(0, new Uint8Array(2500)), 2500],
  sink: [(file) => Stream.run(Stream.make(new Uint8Array(2500)), file.sink()), 2500],
  writeFrom: [
    (file) => file.writeFrom((buffer, offset) => Effect.succeed(Math.min(buffer.length, 3000 - Number(offset)))),
    3000
  ],
  flush: [(file) => file.flush],
  truncate: [(file) => file.truncate(10)],
  lock: [(file) => Effect.scoped(file.lock([{ offset: 0, length: 1 }]))],
  run: [(file) => file.run({ _tag: "Flush" })],
  close: [(file) => file.close]
}

/** A WRITE to the end of the file, wherever that is. */
const toTheEnd: Scripted.Answer = (operation) =>
  operation._tag === "Write" && operation.offset === 0xffff_ffff_ffff_ffffn
    ? Effect.succeed(operation.data.length)
    : undefined

describe("the span of an operation on an open file", () => {
  it.effect.each(Object.entries(ofFile).map(([name, [run, bytes]]) => ({ name, run, bytes })))(
    "is one for all its requests, with the bytes: $name",
    ({ bytes, name, run }) =>
      Effect.gen(function*() {
        const { open, requests } = Scripted.file({ content: new Uint8Array(5000), answer: toTheEnd })
        const spans = yield* spansOf(run(SmbFile.make(Scripted.share(), open)))
        assert.deepStrictEqual(spans.map((span) => span.name), [`SmbFile.${name}`])
        assert.deepStrictEqual(attributesOf(spans[0]), {
          ...inData,
          [Attribute.path]: "\\\\nas\\data\\f",
          ...(bytes === undefined ? {} : { [Attribute.bytes]: bytes }),
          ...(name === "run" ? { [Attribute.operation]: "Flush" } : {})
        })
        // The share moves 1000 bytes by a request.
        if (bytes !== undefined) assert.isAtLeast(requests.length, 3)
      })
  )

  it.effect("says how it failed", () =>
    Effect.gen(function*() {
      const { open } = Scripted.file({ content: new Uint8Array(10), answer: () => Effect.fail(denied) })
      const file = SmbFile.make(Scripted.share(), open)
      for (
        const run of [
          file.read(0, 5),
          Stream.runDrain(file.stream()),
          Stream.run(Stream.make(new Uint8Array(1)), file.sink())
        ]
      ) {
        const [span] = yield* spansOf<unknown, unknown, never>(run)
        assert.deepInclude(attributesOf(span), refused)
      }
    }))

  it("is tested for every operation", () => {
    const { open } = Scripted.file()
    const made = SmbFile.make(Scripted.share(), open)
    const functions = Object.entries(made).flatMap(([name, value]) =>
      typeof value === "function" || Effect.isEffect(value) || Sink.isSink(value) ? [name] : []
    )
    assert.deepStrictEqual(functions.filter((name) => name !== "caching").toSorted(), Object.keys(ofFile).toSorted())
  })
})

describe("a span of an operation", () => {
  it.effect("has the caller's span as its parent, also that of a stream and of a sink", () =>
    Effect.gen(function*() {
      const { spans, tracer } = make()
      yield* withClient((smb) => Stream.run(smb.stream(file), smb.sink("//nas/data/g")).pipe(Effect.withSpan("app")))
        .pipe(Effect.withTracer(tracer))
      const of = (name: string) => lineage(spans.find((span) => span.name === name)!)
      assert.include(of("SmbClient.sink"), "app")
      assert.include(of("SmbClient.stream"), "app")
      assert.isTrue(spans.every((span) => span.name === "app" || Option.isSome(span.parent)))
      for (const span of spans) assert.strictEqual(span.status._tag, "Ended", span.name)
    }))
})

describe("an operation whose open succeeds", () => {
  const full = fromStatus(NtStatus.STATUS_DISK_FULL, "SET_INFO", "\\\\nas\\data\\f")
  const names = [
    "writeFile",
    "remove",
    "setAttributes",
    "truncate",
    "security.get",
    "security.set",
    "namedStreams",
    "readLink",
    "makeLink",
    "previousVersions",
    "readFile",
    "readFileString"
  ] as const
  it.effect.each(names.map((name) => ({ name })))(
    "fails with the error of its request: $name",
    ({ name }) =>
      Effect.gen(function*() {
        const { context } = Scripted.batches(({ operations }) => ({ results: operations.map(() => Result.fail(full)) }))
        const run = runs[name]
        assert.strictEqual(yield* Effect.flip(run(PathOperations.operations(context))), full)
      })
  )
})
