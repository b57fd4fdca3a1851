/** The user to log on as, chosen for each server: DFS leads from one server to the next. */
import { Config, Effect, Layer, Redacted } from "effect"
import { AuthenticationError, Credentials, SmbClient, TcpTransport } from "effect-smb"

export const PerServer = Layer.unwrap(Effect.gen(function*() {
  const corp = Credentials.password("CORP\\joe", yield* Config.Redacted("CORP_PASSWORD"))
  const nas = Credentials.password("joe", yield* Config.Redacted("NAS_PASSWORD"))
  return Credentials.layerFrom(({ server }) => {
    if (server.toLowerCase().endsWith(".corp.example")) return Effect.succeed(corp)
    if (server.toLowerCase() === "nas") return Effect.succeed(nas)
    return Effect.fail(
      new AuthenticationError({ reason: { _tag: "NoCredential" }, detail: "no account there", server })
    )
  })
}))

export const Fixed = Credentials.layer(Credentials.password("joe@corp.example", Redacted.make("from a vault")))

export const Client = SmbClient.layer({ encryption: "if-offered" }).pipe(Layer.provide([TcpTransport.layer(), Fixed]))
