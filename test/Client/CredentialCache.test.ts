/**
 * How often the client asks the provider for a credential, and how often it logs on with one, over servers in memory:
 * a provider can be a vault or a person, and each logon with a wrong password counts against the account.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { AuthenticationError, Credentials, SmbClient, TestTransport } from "effect-smb"
import { TestClock } from "effect/testing"

const files = { data: { "f.txt": "text" }, more: { "g.txt": "more" } }
const f = "\\\\nas\\data\\f.txt"
const g = "\\\\nas\\more\\g.txt"

const password = (user: string, text: string) => Credentials.password(user, Redacted.make(text))
const right = password("user", "password")

interface World {
  readonly smb: SmbClient.Client
  readonly servers: TestTransport.TestServers["Service"]
  /** The servers that the provider was asked for, in order. */
  readonly asked: Array<string>
  /** How many logons the servers have got. */
  readonly logons: Effect.Effect<number>
  /** What the provider answers from now on. */
  readonly give: (answer: Effect.Effect<Credentials.Credential, AuthenticationError>) => void
}

const run = <A, E>(
  options: SmbClient.Options,
  use: (world: World) => Effect.Effect<A, E>,
  server: TestTransport.ServerOptions = {}
) => {
  let answer: Effect.Effect<Credentials.Credential, AuthenticationError> = Effect.succeed(right)
  const asked: Array<string> = []
  const credentials = Credentials.layerFrom(({ server }) =>
    Effect.suspend(() => {
      asked.push(server)
      return answer
    })
  )
  const users = { user: "password", joe: "secret" }
  return Effect.gen(function*() {
    const servers = yield* TestTransport.TestServers
    return yield* use({
      smb: yield* SmbClient.SmbClient,
      servers,
      asked,
      logons: Effect.map(servers.commands, (all) => all.filter((command) => command === "SESSION_SETUP").length / 2),
      give: (next) => void (answer = next)
    })
  }).pipe(
    Effect.provide(
      SmbClient.layer(options).pipe(
        Layer.provideMerge(TestTransport.layer({
          nas: { shares: files, users, ...server },
          other: { shares: files, users }
        })),
        Layer.provide(credentials)
      )
    )
  )
}

describe("a provider that names another user while a logon begins", () => {
  /** The provider is asked for each operation and for each logon: a script of its answers is a script of the race. */
  const race = (script: ReadonlyArray<Credentials.Credential>) => (world: World) => {
    const left = [...script]
    world.give(Effect.sync(() => left.length > 1 ? left.shift()! : left[0]!))
  }
  const joe = password("joe", "secret")
  const gone = password("gone", "the old user, whose password is refused")
  const ways = it.effect.each(
    [
      ["an operation on a share", (smb: SmbClient.Client) => Effect.asVoid(smb.readFile(f))],
      [
        "a logon alone",
        (smb: SmbClient.Client) =>
          Effect.asVoid(Effect.scoped(smb.logOn({ server: "nas", port: 445, share: "", path: "" })))
      ]
    ] as const
  )
  ways(
    "gets a logon as the user that it names last, and none as the old one: %s",
    ([, use]) =>
      run({ credentialTimeToLive: 0 }, (world) =>
        Effect.gen(function*() {
          race([gone, joe])(world)
          yield* use(world.smb)
          assert.strictEqual(yield* world.logons, 1)
          // The session is that of the named user: the next operation logs on no more.
          yield* use(world.smb)
          assert.strictEqual(yield* world.logons, 1)
        }))
  )

  ways(
    "gets no logon if it never names the same user twice: %s",
    ([, use]) =>
      run({ credentialTimeToLive: 0 }, (world) =>
        Effect.gen(function*() {
          let count = 0
          world.give(Effect.sync(() => password(`user${count++}`, "password")))
          const error = yield* Effect.flip(use(world.smb))
          assert(error._tag === "AuthenticationError" && error.reason._tag === "NoCredential")
          assert.match(error.message, /names another user for nas each time/)
          assert.strictEqual(yield* world.logons, 0)
          race([joe])(world)
          yield* use(world.smb)
          assert.strictEqual(yield* world.logons, 1)
        }))
  )
})

describe("the provider is asked", () => {
  it.effect("once while a session lives, for all operations, shares and concurrent callers", () =>
    run({}, ({ asked, logons, servers, smb }) =>
      Effect.gen(function*() {
        yield* Effect.all(Array.from({ length: 8 }, (_, i) => smb.readFile(i % 2 === 0 ? f : g)), {
          concurrency: "unbounded"
        })
        for (const path of [f, g, "//NAS/DATA/f.txt"]) yield* smb.readFile(path)
        yield* Effect.scoped(smb.logOn({ server: "nas", port: 445, share: "", path: "" }))
        assert.deepStrictEqual(asked, ["nas"])
        assert.strictEqual(yield* logons, 1)
        yield* smb.readFile("//other/data/f.txt")
        assert.deepStrictEqual(asked, ["nas", "other"])
        // The sessions end after they were idle, and the next logon asks again.
        yield* TestClock.adjust("1 minute")
        while ((yield* servers.connections()) > 0) yield* Effect.yieldNow
        yield* smb.readFile(f)
        assert.deepStrictEqual(asked, ["nas", "other", "nas"])
        assert.strictEqual(yield* logons, 3)
      })))

  const afterwards = it.effect.each(
    [
      ["the next operation", (smb: SmbClient.Client) => smb.readFile(f)],
      ["an operation on another share", (smb: SmbClient.Client) => smb.readFile(g)],
      [
        "a logon alone",
        (smb: SmbClient.Client) => Effect.scoped(smb.logOn({ server: "nas", port: 445, share: "", path: "" }))
      ]
    ] as const
  )

  afterwards(
    "once more after the connection broke, by %s, which logs on as the user that it names now",
    ([, next]) =>
      run({}, ({ asked, give, logons, servers, smb }) =>
        Effect.gen(function*() {
          for (const path of [f, g]) yield* smb.readFile(path)
          give(Effect.succeed(password("joe", "secret")))
          yield* servers.drop("nas")
          yield* next(smb)
          for (const path of [f, g]) yield* smb.readFile(path)
          // A logon as the old user would be a third one.
          assert.deepStrictEqual([asked.length, yield* logons], [2, 2])
        }))
  )

  afterwards("once more after the connection broke, by %s, which logs on with the new password", ([, next]) => {
    const users = { user: "password" }
    return run({}, ({ asked, give, logons, servers, smb }) =>
      Effect.gen(function*() {
        yield* smb.readFile(f)
        users.user = "changed"
        give(Effect.succeed(password("user", "changed")))
        yield* servers.drop("nas")
        yield* next(smb)
        assert.deepStrictEqual(asked, ["nas", "nas"])
        for (const path of [f, g]) yield* smb.readFile(path)
        assert.deepStrictEqual(asked, ["nas", "nas"])
        assert.strictEqual(yield* logons, 2)
      }), { users })
  })

  it.effect("after credentialTimeToLive, and not before, no matter how many sessions begin and end", () =>
    run({ credentialTimeToLive: "1 hour", idle: "1 second" }, ({ asked, logons, smb }) =>
      Effect.gen(function*() {
        for (let polls = 0; polls < 9; polls++) {
          yield* smb.readFile(f)
          yield* TestClock.adjust("20 minutes")
        }
        // Three hours: a logon at each turn, and a question an hour.
        assert.strictEqual(yield* logons, 9)
        assert.strictEqual(asked.length, 3)
      })))

  it.effect("after credentialTimeToLive also while the session lives; the same user goes on without a logon", () =>
    run(
      { credentialTimeToLive: "10 minutes", idle: "1 hour" },
      ({ asked, give, logons, smb }) =>
        Effect.gen(function*() {
          yield* smb.readFile(f)
          yield* TestClock.adjust("10 minutes")
          yield* smb.readFile(f)
          assert.deepStrictEqual([asked.length, yield* logons], [2, 1])
          give(Effect.succeed(password("joe", "secret")))
          yield* smb.readFile(f)
          assert.deepStrictEqual([asked.length, yield* logons], [2, 1])
          yield* TestClock.adjust(Duration.minutes(10))
          yield* smb.readFile(f)
          assert.deepStrictEqual([asked.length, yield* logons], [3, 2])
        })
    ))

  it.effect("for each operation with a credentialTimeToLive of 0", () =>
    run({ credentialTimeToLive: 0 }, ({ asked, logons, smb }) =>
      Effect.gen(function*() {
        yield* smb.readFile(f)
        const before = asked.length
        for (let i = 0; i < 5; i++) yield* smb.readFile(f)
        assert.deepStrictEqual([asked.length - before, yield* logons], [5, 1])
      })))

  it.effect("by the next operation after retryLogons; sessions stay", () =>
    run({ credentialTimeToLive: "1 day" }, ({ asked, logons, smb }) =>
      Effect.gen(function*() {
        yield* smb.readFile(f)
        yield* smb.retryLogons
        yield* smb.readFile(f)
        yield* smb.readFile(f)
        assert.deepStrictEqual([asked.length, yield* logons], [2, 1])
      })))

  it.effect("again after it failed, or when the operation that asked was interrupted", () =>
    run({ credentialTimeToLive: "1 day" }, ({ asked, give, logons, smb }) =>
      Effect.gen(function*() {
        give(Effect.fail(new AuthenticationError({ reason: { _tag: "NoCredential" }, detail: "none", server: "nas" })))
        for (let i = 0; i < 2; i++) {
          assert.strictEqual((yield* Effect.flip(smb.readFile(f)))._tag, "AuthenticationError")
        }
        assert.deepStrictEqual([asked.length, yield* logons], [2, 0])
        const never = yield* Deferred.make<Credentials.Credential>()
        give(Deferred.await(never))
        const waiting = yield* Effect.forkChild(smb.readFile(f), { startImmediately: true })
        assert.strictEqual(asked.length, 3)
        yield* Fiber.interrupt(waiting)
        give(Effect.succeed(right))
        yield* smb.readFile(f)
        assert.deepStrictEqual([asked.length, yield* logons], [4, 1])
      })))

  it.effect("again after a connection failed, unless credentialTimeToLive keeps the credential", () =>
    Effect.gen(function*() {
      for (const [credentialTimeToLive, expected] of [[undefined, 3], ["1 day", 1]] as const) {
        yield* run({ credentialTimeToLive }, ({ asked, logons, servers, smb }) =>
          Effect.gen(function*() {
            yield* servers.down("nas")
            for (let i = 0; i < 2; i++) {
              assert.strictEqual((yield* Effect.flip(smb.readFile(f)))._tag, "TransportError")
            }
            yield* servers.up("nas")
            yield* smb.readFile(f)
            assert.deepStrictEqual([asked.length, yield* logons], [expected, 1])
          }))
      }
    }))
})

describe("a poller with a refused password", () => {
  it.effect.each([undefined, "1 day", 0] as const)(
    "logs on once, asks the provider at each turn, and succeeds with the next password (time to live: %s)",
    (credentialTimeToLive) =>
      run({ credentialTimeToLive }, ({ asked, give, logons, smb }) =>
        Effect.gen(function*() {
          give(Effect.succeed(password("user", "old")))
          for (let i = 0; i < 20; i++) {
            const error = yield* Effect.flip(smb.readFile(i % 2 === 0 ? f : g))
            assert(error._tag === "SmbError" && error.reason._tag === "LogonFailure")
            assert.strictEqual(error.notTriedAgain ?? false, i > 0)
            yield* TestClock.adjust("1 minute")
          }
          assert.strictEqual(yield* logons, 1)
          assert.isAtLeast(asked.length, 20)
          give(Effect.succeed(right))
          yield* smb.readFile(f)
          assert.strictEqual(yield* logons, 2)
        }))
  )

  it.effect("whose password was right before logs on once with it after it was changed", () => {
    const users = { user: "password" }
    return run(
      { credentialTimeToLive: "1 day", idle: "1 second" },
      ({ asked, give, logons, smb }) =>
        Effect.gen(function*() {
          yield* smb.readFile(f)
          yield* TestClock.adjust("1 minute")
          users.user = "changed"
          for (let i = 0; i < 10; i++) {
            const error = yield* Effect.flip(smb.readFile(f))
            assert(error._tag === "SmbError" && error.reason._tag === "LogonFailure")
            yield* TestClock.adjust("1 minute")
          }
          assert.strictEqual(yield* logons, 2)
          // The kept password was refused, so the provider was asked at the next turn.
          assert.isAtLeast(asked.length, 10)
          give(Effect.succeed(password("user", "changed")))
          yield* smb.readFile(f)
          assert.strictEqual(yield* logons, 3)
        }),
      { users }
    )
  })
})
