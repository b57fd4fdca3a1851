/**
 * Removal of trees: by two clients at once on this project's own server, and over servers in memory that answer
 * SET_INFO, CLOSE or CREATE with the statuses for a path that does not exist.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, MemoryStore, SmbClient, SmbServer, TcpTransport, TestTransport, UserStore } from "effect-smb"

const joe = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

describe("a recursive removal on our own server", () => {
  it.live("by two clients at once succeeds for one at least, and the other can find the tree missing", () =>
    Effect.gen(function*() {
      const { port } = yield* SmbServer.make({
        host: "127.0.0.1",
        port: 0,
        users: UserStore.inMemory({ joe: Redacted.make("secret") }),
        shares: { data: MemoryStore.make() }
      })
      const root = `//127.0.0.1:${port}/data`
      const client = <A, E>(effect: Effect.Effect<A, E, SmbClient.SmbClient>) =>
        Effect.provide(effect, SmbClient.layer().pipe(Layer.provide([TcpTransport.layer(), joe])), { local: true })
      const remove = client(
        Effect.flatMap(SmbClient.SmbClient, (smb) => Effect.result(smb.remove(`${root}/tree`, { recursive: true })))
      )
      for (let round = 0; round < 3; round++) {
        yield* client(Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          for (let i = 0; i < 10; i++) {
            yield* smb.makeDirectory(`${root}/tree/${i}/deep`, { recursive: true })
            for (let j = 0; j < 10; j++) yield* smb.writeFile(`${root}/tree/${i}/deep/${j}`, "1")
          }
        }))
        const results = yield* Effect.all([remove, remove], { concurrency: 2 })
        for (const result of results) {
          // A client that comes after the last deletion finds nothing.
          if (result._tag === "Failure") {
            assert(result.failure._tag === "SmbError", result.failure.message)
            assert.include(["ObjectNameNotFound", "DeletePending"], result.failure.reason._tag)
          }
        }
        assert.isTrue(results.some(({ _tag }) => _tag === "Success"))
        assert.isFalse(yield* client(Effect.flatMap(SmbClient.SmbClient, (smb) => smb.exists(`${root}/tree`))))
      }
    }))
})

describe("a status that says that a path does not exist", () => {
  const provide = (...faults: ReadonlyArray<TestTransport.Fault>) =>
    Effect.provide(
      SmbClient.layer().pipe(
        Layer.provide([
          joe,
          TestTransport.layerFiles({ data: { t: {}, f: "1", full: { a: "1", b: {}, c: { d: "1" } } } }, {
            user: "joe",
            password: "secret",
            faults
          })
        ])
      )
    )
  const statuses = ["STATUS_OBJECT_NAME_NOT_FOUND", "STATUS_OBJECT_PATH_NOT_FOUND", "STATUS_DELETE_PENDING"] as const
  const options = [{}, { force: true }, { recursive: true }, { recursive: true, force: true }]

  for (const command of ["SET_INFO", "CLOSE"] as const) {
    for (const status of statuses) {
      it.effect(`is an error of remove when it is ${status} to ${command}, because the CREATE succeeded`, () =>
        Effect.gen(function*() {
          const smb = yield* SmbClient.SmbClient
          for (const path of ["t", "f"]) {
            for (const how of options) {
              const error = yield* Effect.flip(smb.remove(`//nas/data/${path}`, how))
              assert(error._tag === "SmbError", error.message)
              assert.strictEqual(error.command, command)
            }
          }
        }).pipe(provide(TestTransport.fault(command, { status }))))
    }
  }

  it.effect("is reported for each entry of a recursive removal by path and status, when it answers SET_INFO", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      const error = yield* Effect.flip(smb.remove("//nas/data/full", { recursive: true }))
      assert(error._tag === "RemovalError" && error.reason._tag === "RemovalIncomplete", error.message)
      assert.deepStrictEqual(
        error.reason.failures.map(({ path }) => path).toSorted(),
        ["a", "b", "c\\d"].map((name) => `\\\\nas\\data\\full\\${name}`)
      )
      for (const { error: { message } } of error.reason.failures) assert.match(message, /NOT_FOUND to SET_INFO/)
    }).pipe(provide(TestTransport.fault("SET_INFO", { status: "STATUS_OBJECT_NAME_NOT_FOUND" }))))

  it.effect("is reported as a server's link when smbd's CLOSE of a directory says STATUS_NOT_A_DIRECTORY", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const how of options) {
        const error = yield* Effect.flip(smb.remove("//nas/data/t", how))
        assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink", error.message)
        assert.strictEqual(error.reason.kind, "server-link")
      }
    }).pipe(provide(TestTransport.fault("CLOSE", { status: "STATUS_NOT_A_DIRECTORY" }))))

  it.effect("makes exists false and remove with force succeed, when it answers CREATE", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      assert.isFalse(yield* smb.exists("//nas/data/none"))
      yield* smb.remove("//nas/data/none", { force: true })
      yield* smb.remove("//nas/data/none", { recursive: true, force: true })
      assert.strictEqual((yield* Effect.flip(smb.remove("//nas/data/none")))._tag, "SmbError")
    }).pipe(provide()))

  it.effect.each(
    (["STATUS_NO_SUCH_FILE", "STATUS_OBJECT_NAME_NOT_FOUND", "STATUS_OBJECT_PATH_NOT_FOUND"] as const)
      .map((status) => ({ status }))
  )(
    "lets makeDirectory create parents, exists be false and remove with force succeed: $status to CREATE",
    ({ status }) => {
      const says = (name: string, times: number): TestTransport.Fault => ({
        on: "CREATE",
        when: ({ request }) => request._tag === "CREATE" && request.body.name === name,
        times,
        is: { status }
      })
      return Effect.gen(function*() {
        const smb = yield* SmbClient.SmbClient
        yield* smb.makeDirectory("//nas/data/m/n/o", { recursive: true })
        assert.strictEqual((yield* smb.stat("//nas/data/m/n/o")).type, "directory")
        assert.isFalse(yield* smb.exists("//nas/data/none"))
        yield* smb.remove("//nas/data/none", { force: true })
      }).pipe(provide(says("m\\n\\o", 1), says("m\\n", 1), says("none", 100)))
    }
  )
})
