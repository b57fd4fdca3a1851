/**
 * The behaviour of an app if a server refuses, is slow, or closes the connection: servers in memory with faults, and
 * scripted servers.
 */
import { Effect, Layer, Redacted } from "effect"
import { Credentials, SmbClient, TestTransport } from "effect-smb"

const account = { user: "joe", password: "secret" }
const joe = Credentials.layer(Credentials.password(account.user, Redacted.make(account.password)))
const files = { data: { "poem.txt": "one\ntwo", plans: {} } }

/** The first open is refused, and every write takes five seconds of Effect's Clock. */
export const Troubled = TestTransport.layerFiles(files, {
  ...account,
  faults: [
    TestTransport.fault("CREATE", { status: "STATUS_SHARING_VIOLATION" }, { times: 1 }),
    TestTransport.fault("WRITE", { delay: "5 seconds" })
  ]
})

/** Responds to exactly these requests, and then closes the connection. */
export const Scripted = TestTransport.layerScripted(
  [TestTransport.negotiate, TestTransport.sessionSetup, TestTransport.drop],
  account
)

/** The code under test only knows `SmbClient`. */
const countLines = Effect.gen(function*() {
  const smb = yield* SmbClient.SmbClient
  return (yield* smb.readFileString("//nas/data/poem.txt")).split("\n").length
}).pipe(
  Effect.retry({ times: 1, while: (error) => error._tag === "SmbError" && error.reason._tag === "SharingViolation" })
)

export const patient = countLines.pipe(
  Effect.provide(SmbClient.layer().pipe(Layer.provide([Troubled, joe]))) // 2
)

export const cut = Effect.flip(countLines).pipe(
  Effect.provide(SmbClient.layer().pipe(Layer.provide([Scripted, joe]))) // TransportError
)
