/**
 * How an app tests its own code without a server: the transport is a layer, and here its servers are data.
 */
import { Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"

const joe = Credentials.layer(Credentials.password("joe", Redacted.make("secret")))

/** The code under test: it only knows `SmbClient`. */
export const countLines = Effect.fn(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return (yield* smb.readFileString(path)).split("\n").length
})

/** A server that logs on, signs and serves these files. */
const Files = TestTransport.files({ data: { "poem.txt": "one\ntwo", plans: {} } }, { user: "joe", password: "secret" })

/** The same, but the first open is refused, and every read takes five seconds of Effect's Clock. */
export const Troubled = TestTransport.files({ data: { "poem.txt": "one\ntwo" } }, {
  user: "joe",
  password: "secret",
  faults: [
    TestTransport.fault("CREATE", { status: "STATUS_SHARING_VIOLATION" }, { times: 1 }),
    TestTransport.fault("READ", { delay: "5 seconds" })
  ]
})

/** Several servers by name: a namespace with a link to two targets, of which the first is down. */
export const Namespace = TestTransport.layer({
  corp: {
    shares: { public: {} },
    referrals: {
      "\\\\corp\\public": { targets: ["\\\\corp\\public"] },
      "\\\\corp\\public\\plans": { targets: ["\\\\a\\plans", "\\\\b\\plans"] }
    }
  },
  a: "down",
  b: { shares: { plans: { "plan.txt": "the plan" } } }
})

/** Exactly these requests, and then the line is cut. */
export const Scripted = TestTransport.scripted([
  TestTransport.negotiate,
  TestTransport.sessionSetup,
  TestTransport.drop
])

countLines("\\\\nas\\data\\poem.txt").pipe(
  Effect.tap((lines) => Effect.log(`${lines} lines`)),
  Effect.provide(SmbClient.layer().pipe(Layer.provide([Files, joe]))),
  Effect.runPromise
)
