/** Trees on this project's own server, removed by two at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Credentials, MemoryStore, SmbClient, SmbServer, TcpTransport, TestTransport, UserStore } from "effect-smb"

const joe = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

describe("removal on our own server", () => {
  it.live("two that remove one tree at once, whose deletions are pending to each other, both succeed", () =>
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
          // The one that comes when all is done finds nothing.
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

describe("what says that there is nothing at a path", () => {
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
      it.effect(`not ${status} to ${command}: it was there to be opened`, () =>
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

  it.effect("each entry that has stayed for such a reason is told by its name, with what the server said of it", () =>
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

  it.effect("smbd's NOT_A_DIRECTORY of what opened as a directory is told as a link of the server's", () =>
    Effect.gen(function*() {
      const smb = yield* SmbClient.SmbClient
      for (const how of options) {
        const error = yield* Effect.flip(smb.remove("//nas/data/t", how))
        assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink", error.message)
        assert.strictEqual(error.reason.kind, "server-link")
      }
    }).pipe(provide(TestTransport.fault("CLOSE", { status: "STATUS_NOT_A_DIRECTORY" }))))

  it.effect("CREATE does: by force that is no failure, and nothing exists there", () =>
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
  )("$status to CREATE is one of the words for it: what is not there is made, and not removed", ({ status }) => {
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
  })
})
