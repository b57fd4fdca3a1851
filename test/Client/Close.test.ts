/**
 * A server can find out at the CLOSE that it cannot keep the written data. Then the operation fails with the error of
 * the CLOSE. Scripted servers of SMB 2 and SMB 1 refuse the CLOSE of each operation that changes something.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, Redacted, type Scope } from "effect"
import { Credentials, DfsAdapter, OpenMode, SmbClient, TestTransport, type Transport } from "effect-smb"
import * as NtStatus from "../../src/Codec/NtStatus.ts"
import { Command } from "../../src/Smb1/Message/Constants.ts"
import { CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import * as Peer from "../Smb1/peer.ts"
import { files, mutations, operationsOf, others, reasonOf } from "./mutations.ts"

const base = "\\\\nas\\data"
const f = `${base}\\f.txt`

const provide = (
  servers: Layer.Layer<Transport.Transport | TestTransport.TestServers>,
  options: SmbClient.Options = {}
) =>
  Effect.provide(
    SmbClient.layer(options).pipe(
      Layer.provideMerge(servers),
      Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
    )
  )

const statuses = [
  "STATUS_DISK_FULL",
  "STATUS_QUOTA_EXCEEDED",
  "STATUS_ACCESS_DENIED",
  "STATUS_DIRECTORY_NOT_EMPTY",
  "STATUS_UNSUCCESSFUL"
] as const

/** As one compound, and one by one, when the server never grants enough credits for a compound. */
const ways: ReadonlyArray<readonly [string, Partial<TestTransport.ServerOptions>]> = [
  ["compound", {}],
  ["one by one", { credits: 1 }]
]

/** The messages of the log at the level Warn or above. */
const heard = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn" || logLevel === "Error" || logLevel === "Fatal") lines.push(String(message))
    })
  ])
  return { lines, layer }
}

describe("a CLOSE that fails", () => {
  it.effect("is tested with each operation of the client", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const listed = new Set([...others, ...mutations.map((mutation) => mutation.of)])
      assert.deepStrictEqual([...operationsOf(smb)].sort(), [...listed].sort())
    }).pipe(provide(TestTransport.layerFiles({ data: files() }))))

  for (const [way, options] of ways) {
    it.effect.each(mutations)(
      `fails the operation with its error (${way}): $name`,
      ({ faults = [], run }) =>
        Effect.gen(function*() {
          yield* Effect.gen(function*() {
            yield* run(yield* SmbClient.SmbClient, base)
            const servers = yield* TestTransport.TestServers
            const related = (yield* servers.requests).some(({ header }) => (header.flags & 4) !== 0)
            if (way === "one by one") assert.isFalse(related)
          }).pipe(provide(TestTransport.layerFiles({ data: files() }, { ...options, faults })))
          for (const status of statuses) {
            const error = yield* Effect.gen(function*() {
              return yield* Effect.flip(run(yield* SmbClient.SmbClient, base))
            }).pipe(
              provide(TestTransport.layerFiles({ data: files() }, {
                ...options,
                faults: [...faults, TestTransport.fault("CLOSE", { status })]
              })),
              Effect.provide(Logger.layer([]))
            )
            assert.deepInclude(reasonOf(error) as object, { _tag: "SmbError", statusName: status, command: "CLOSE" })
          }
        })
    )

    it.effect(`is ignored by operations that only read (${way})`, () =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        assert.strictEqual(yield* smb.readFileString(f), "text")
        assert.strictEqual((yield* smb.stat(f)).size, 4n)
        assert.strictEqual((yield* smb.readFile(`${base}\\big.bin`)).length, 200_000)
        assert.isTrue(yield* smb.exists(f))
      }).pipe(
        provide(TestTransport.layerFiles({ data: files() }, {
          ...options,
          faults: [TestTransport.fault("CLOSE", { status: "STATUS_ACCESS_DENIED" })]
        }))
      ))

    it.effect(`does not replace the error of the SET_INFO before it (${way})`, () =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const error = yield* Effect.flip(smb.remove(`${base}\\tree`))
        assert.deepInclude(reasonOf(error) as object, {
          _tag: "SmbError",
          statusName: "STATUS_DIRECTORY_NOT_EMPTY",
          command: "SET_INFO"
        })
      }).pipe(
        provide(TestTransport.layerFiles({ data: files() }, {
          ...options,
          faults: [TestTransport.fault("CLOSE", { status: "STATUS_DISK_FULL" })]
        }))
      ))
  }
})

describe("a file that a scope closes", () => {
  const full = TestTransport.layerFiles({ data: files() }, {
    faults: [TestTransport.fault("CLOSE", { status: "STATUS_DISK_FULL" })]
  })

  const scoped = (use: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown, Scope.Scope>) => {
    const { layer, lines } = heard()
    return Effect.scoped(Effect.flatMap(SmbClient.SmbClient, use)).pipe(
      Effect.exit,
      Effect.map((exit) => ({ exit, lines })),
      provide(full),
      Effect.provide(layer)
    ) as Effect.Effect<{ readonly exit: Exit.Exit<unknown, unknown>; readonly lines: ReadonlyArray<string> }>
  }

  it.effect.each<
    { readonly name: string; readonly use: (smb: SmbClient.Client) => Effect.Effect<unknown, unknown, Scope.Scope> }
  >(
    [
      {
        name: "written to",
        use: (smb) => Effect.flatMap(smb.open(f, OpenMode.readWrite), (file) => file.write(0, Buffer.from("x")))
      },
      { name: "made", use: (smb) => smb.open(`${base}\\new`, OpenMode.create) },
      { name: "emptied", use: (smb) => smb.open(f, OpenMode.overwrite) },
      {
        name: "to be deleted",
        use: (smb) => smb.open(f, { ...OpenMode.remove, createOptions: CreateOptions.FILE_DELETE_ON_CLOSE })
      }
    ]
  )("ends the scope with the CLOSE's error as a defect: $name", ({ use }) =>
    Effect.gen(function*() {
      const { exit } = yield* scoped(use)
      const defects = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isDieReason) : []
      assert.deepStrictEqual(
        defects.map(({ defect }) => String((defect as Error).message).match(/STATUS_DISK_FULL to CLOSE/)?.[0]),
        ["STATUS_DISK_FULL to CLOSE"]
      )
    }))

  it.effect("ends its scope without an error when nothing was changed, or when close failed before", () =>
    Effect.gen(function*() {
      const read = yield* scoped((smb) => Effect.flatMap(smb.open(f, OpenMode.update), (file) => file.read(0, 2)))
      assert.isTrue(Exit.isSuccess(read.exit))
      assert.deepStrictEqual(read.lines, [])
      const told = yield* scoped((smb) =>
        Effect.flatMap(
          smb.open(f, OpenMode.update),
          (file) => Effect.andThen(file.truncate(1), Effect.flip(file.close))
        )
      )
      assert.isTrue(Exit.isSuccess(told.exit))
      assert.deepStrictEqual(told.lines, [])
    }))
})

describe("an SMB 1 CLOSE that fails", () => {
  const skipped = new Set(["remove, a folder", "remove, a tree", "copy, by the server"])
  const cases = [
    ...mutations.filter(({ name }) => !skipped.has(name)),
    {
      name: "rename, into another folder",
      run: (smb: SmbClient.Client) => smb.rename(f, `${base}\\d\\f.txt`, { replace: true })
    }
  ]
  const nt1: SmbClient.Options = { dialects: ["NT1"], signing: "if-required" }
  const onPeer = <A, E>(
    react: (received: Peer.Received) => Peer.Reaction,
    use: (smb: SmbClient.Client) => Effect.Effect<A, E>
  ) =>
    Effect.flatMap(SmbClient.SmbClient, use).pipe(
      provide(Peer.make(react).layer as Layer.Layer<Transport.Transport | TestTransport.TestServers>, nt1),
      Effect.provide(Logger.layer([]))
    )

  it.effect.each(cases)("fails the operation with its error: $name", ({ run }) =>
    Effect.gen(function*() {
      yield* onPeer(Peer.agreeing, (smb) => run(smb, base))
      for (const status of statuses) {
        const error = yield* onPeer(
          (received) =>
            received.header.command === Command.SMB_COM_CLOSE
              ? { status: NtStatus.NtStatus[status] }
              : Peer.agreeing(received),
          (smb) => Effect.flip(run(smb, base))
        )
        assert.deepInclude(reasonOf(error) as object, { _tag: "SmbError", statusName: status, command: "CLOSE" })
      }
    }))

  it.effect("is ignored by operations that only read", () =>
    onPeer(
      (received) =>
        received.header.command === Command.SMB_COM_CLOSE
          ? { status: NtStatus.NtStatus.STATUS_DISK_FULL }
          : Peer.agreeing(received),
      (smb) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* smb.readFileString(f), "")
          assert.isTrue(yield* smb.exists(f))
        })
    ))
})

describe("a CLOSE that fails at one of two DFS targets", () => {
  const account = { user: "user", password: "password" }
  it.effect.each(
    [
      { status: "STATUS_NETWORK_NAME_DELETED" },
      { status: "STATUS_USER_SESSION_DELETED" },
      { status: "STATUS_OBJECT_NAME_NOT_FOUND" },
      { status: "STATUS_DISK_FULL" }
    ] as const
  )(
    "does not repeat the change at the other target: $status",
    ({ status }) =>
      Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        const servers = yield* TestTransport.TestServers
        const error = yield* Effect.flip(smb.writeFile("\\\\corp\\public\\plans\\new", "x"))
        assert.deepInclude(reasonOf(error) as object, { _tag: "SmbError", statusName: status, command: "CLOSE" })
        assert.isUndefined(yield* servers.read("fs2", "plans", "new"))
        assert.isDefined(yield* servers.read("fs1", "plans", "new"))
      }).pipe(Effect.provide(
        DfsAdapter.layerWithoutDiscovery().pipe(
          Layer.provide(SmbClient.layer()),
          Layer.provideMerge(TestTransport.layer({
            corp: {
              ...account,
              shares: { public: {} },
              referrals: {
                "\\\\corp\\public": { targets: ["\\\\corp\\public"] },
                "\\\\corp\\public\\plans": { targets: ["\\\\fs1\\plans", "\\\\fs2\\plans"] }
              }
            },
            fs1: { ...account, shares: { plans: {} }, faults: [TestTransport.fault("CLOSE", { status })] },
            fs2: { ...account, shares: { plans: {} } }
          })),
          Layer.provide(Credentials.layer(Credentials.password("user", Redacted.make("password"))))
        )
      ))
  )
})
