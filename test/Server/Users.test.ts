/**
 * A server whose users and SIDs come from the context, and what it answers while its user store cannot say who exists.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Ref, References } from "effect"
import { Credentials } from "effect-smb/Auth"
import { NtStatus } from "effect-smb/Codec"
import * as IdentityStore from "../../src/Server/IdentityStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { secret } from "./people.ts"
import { RawClient } from "./RawClient.ts"

const host = "127.0.43.60"
const joe = Credentials.password("joe", secret)

const shares = { data: MemoryStore.make() }

/** The status of each credential's logon, on one connection. */
const logOns = (port: number, credentials: ReadonlyArray<Credentials.Credential>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new RawClient(host, port)),
    (client) =>
      Effect.promise(async () => {
        await client.negotiate()
        const statuses: Array<string> = []
        for (const credential of credentials) statuses.push(NtStatus.name(await client.setup(credential) ?? -1))
        return statuses
      }),
    (client) => Effect.sync(() => client.close())
  )

type Equal<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false

describe("SmbServer.layer", () => {
  it("does not compile into a program that gives it no users, or no place for their SIDs", () => {
    const server = SmbServer.layer({ host, port: 0, shares })
    const all: Equal<Layer.Services<typeof server>, UserStore.UserStore | IdentityStore.IdentityStore> = true
    const withUsers = Layer.provide(server, UserStore.layerInMemory({}))
    const one: Equal<Layer.Services<typeof withUsers>, IdentityStore.IdentityStore> = true
    assert.isTrue(all && one)
  })

  it.live("lets the users of the context log on, and asks the context for their SIDs", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const memory = IdentityStore.inMemory()
      const identities = Layer.succeed(IdentityStore.IdentityStore, {
        ...memory,
        sidOf: (name) => Effect.suspend(() => (asked.push(name), memory.sidOf(name)))
      })
      yield* Effect.gen(function*() {
        const { port } = yield* SmbServer.SmbServer
        assert.deepStrictEqual(yield* logOns(port, [joe, Credentials.password("ann", secret)]), [
          "STATUS_SUCCESS",
          "STATUS_LOGON_FAILURE"
        ])
        assert.deepStrictEqual(asked, ["joe"])
      }).pipe(
        Effect.provide(
          SmbServer.layer({ host, port: 0, shares }).pipe(
            Layer.provide([UserStore.layerInMemory({ joe: secret }), identities])
          )
        )
      )
    }))

  it.live("serves guests alone with a store of no users", () =>
    Effect.gen(function*() {
      const { port } = yield* SmbServer.SmbServer
      assert.deepStrictEqual(yield* logOns(port, [joe, Credentials.anonymous]), ["STATUS_SUCCESS", "STATUS_SUCCESS"])
    }).pipe(
      Effect.provide(
        SmbServer.layer({ host, port: 0, shares, guest: "unknown" }).pipe(
          Layer.provide([UserStore.layerInMemory({}), IdentityStore.layerInMemory()])
        )
      )
    ))
})

class Database extends Context.Service<Database, {
  readonly rows: Ref.Ref<ReadonlyMap<string, UserStore.User> | "no connection">
}>()("test/Database") {}

it.live("UserStore.layer takes the function's services, and turns its errors into UserStoreError", () =>
  Effect.gen(function*() {
    const rows = yield* Ref.make<ReadonlyMap<string, UserStore.User> | "no connection">(
      new Map([["joe", { name: "joe" }]])
    )
    yield* Effect.gen(function*() {
      const users = yield* UserStore.UserStore
      assert.deepStrictEqual(yield* users.find("joe", ""), { name: "joe" })
      assert.isUndefined(yield* users.find("ann", ""))
      yield* Ref.set(rows, "no connection")
      const error = yield* Effect.flip(users.find("joe", ""))
      assert.deepStrictEqual([error._tag, error.cause], ["UserStoreError", "no connection"])
    }).pipe(
      Effect.provide(
        UserStore.layer((name) =>
          Effect.gen(function*() {
            const found = yield* Ref.get((yield* Database).rows)
            return found === "no connection" ? yield* Effect.fail(found) : found.get(name)
          })
        ).pipe(Layer.provide(Layer.succeed(Database, { rows })))
      )
    )
  }))

describe("an identity store that gives no SID", () => {
  it.live("leaves no session behind, so a client can log on by the same connection when it works again", () => {
    const memory = IdentityStore.inMemory()
    const down = new IdentityStore.IdentityError({ reason: { _tag: "LookupFailed", cause: new Error("down") } })
    let failures = 10
    return Effect.scoped(Effect.gen(function*() {
      const server = yield* SmbServer.make({
        host,
        port: 0,
        shares,
        limits: { logonAttempts: 4 },
        users: UserStore.inMemory({ joe: secret }),
        identity: { ...memory, sidOf: (name) => failures-- > 0 ? Effect.fail(down) : memory.sidOf(name) }
      })
      assert.deepStrictEqual(yield* logOns(server.port, Array.from({ length: 11 }, () => joe)), [
        ...Array.from({ length: 10 }, () => "STATUS_INTERNAL_ERROR"),
        "STATUS_SUCCESS"
      ])
    })).pipe(Effect.provide(Logger.layer([])))
  })

  const memory = IdentityStore.inMemory()
  const cause = new Error("no connection")
  const broken: Readonly<Record<string, IdentityStore.Identities["sidOf"]>> = {
    "fails": () => Effect.fail(new IdentityStore.IdentityError({ reason: { _tag: "LookupFailed", cause } })),
    "has a defect": () => Effect.die(cause),
    "throws": () => {
      throw cause
    },
    "does not answer in time": () => Effect.never,
    "interrupts itself": () => Effect.interrupt
  }
  for (const [how, sidOf] of Object.entries(broken)) {
    it.live(`lets no user without a SID log on while it ${how}, and logs the cause`, () => {
      const lines: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ cause, fiber, logLevel }) => {
          const { event } = fiber.getRef(References.CurrentLogAnnotations)
          if (logLevel === "Error") lines.push(`${event} ${cause.reasons.length}`)
        })
      ])
      return Effect.scoped(Effect.gen(function*() {
        let down = true
        const server = yield* SmbServer.make({
          host,
          port: 0,
          shares,
          limits: { storeTime: "200 millis" },
          users: UserStore.inMemory({ joe: secret, own: { password: secret, sid: "S-1-5-21-1-2-3-1000" } }),
          identity: { ...memory, sidOf: (name) => down ? sidOf(name) : memory.sidOf(name) }
        })
        const own = Credentials.password("own", secret)
        assert.deepStrictEqual(yield* logOns(server.port, [joe, own, joe]), [
          "STATUS_INTERNAL_ERROR",
          "STATUS_SUCCESS",
          "STATUS_INTERNAL_ERROR"
        ])
        assert.include(lines, "identity store failed 1")
        down = false
        assert.deepStrictEqual(yield* logOns(server.port, [joe]), ["STATUS_SUCCESS"])
      })).pipe(Effect.provide(logger))
    })
  }
})

describe("a user store that does not say who exists", () => {
  const known = UserStore.inMemory({ joe: secret })
  const broken: Readonly<Record<string, UserStore.Users["find"]>> = {
    "fails": () => Effect.fail(new UserStore.UserStoreError({ cause: new Error("no connection") })),
    "has a defect": () => Effect.die(new Error("no connection")),
    "throws": () => {
      throw new Error("no connection")
    },
    "does not answer in time": () => Effect.never,
    "interrupts itself": () => Effect.interrupt
  }
  for (const [how, find] of Object.entries(broken)) {
    it.live(`lets no user log on while it ${how}, neither as a guest nor after a wrong password, and logs the cause`, () => {
      const lines: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ cause, fiber, logLevel }) => {
          const { event, status } = fiber.getRef(References.CurrentLogAnnotations)
          if (logLevel === "Error" || event === "logon refused") {
            lines.push(`${logLevel} ${event} ${status ?? cause.reasons.length}`)
          }
        })
      ])
      return Effect.scoped(Effect.gen(function*() {
        let down = true
        const server = yield* SmbServer.make({
          host,
          port: 0,
          shares,
          guest: "unknown",
          signing: "enabled",
          limits: { storeTime: "200 millis" },
          users: { find: (name, domain) => down ? find(name, domain) : known.find(name, domain) }
        })
        const stranger = Credentials.password("stranger", secret)
        assert.deepStrictEqual(yield* logOns(server.port, [joe, stranger, joe]), [
          "STATUS_NO_LOGON_SERVERS",
          "STATUS_NO_LOGON_SERVERS",
          "STATUS_NO_LOGON_SERVERS"
        ])
        assert.include(lines, "Error user store failed 1")
        assert.include(lines, "Warn logon refused STATUS_NO_LOGON_SERVERS")
        down = false
        // No client guessed a password, so no user waits for a turn.
        assert.strictEqual((yield* server.statistics).rememberedLogons, 0)
        assert.deepStrictEqual(yield* logOns(server.port, [joe, stranger]), ["STATUS_SUCCESS", "STATUS_SUCCESS"])
      })).pipe(Effect.provide(logger))
    })
  }
})
