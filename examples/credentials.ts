/** The user to log on as, chosen for each server: DFS leads from one server to the next. */
import { Config, Context, Effect, Layer, Redacted } from "effect"
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

/** A vault, as the app has it. Each question is a request over the network. */
export class Vault extends Context.Service<Vault, {
  readonly password: (server: string) => Effect.Effect<Redacted.Redacted<string>, Error>
}>()("my-app/Vault") {}

export const FromVault = Layer.unwrap(
  Effect.map(Vault, (vault) =>
    Credentials.layerFrom(({ server }) =>
      vault.password(server).pipe(
        Effect.map((password) => Credentials.password("CORP\\joe", password)),
        Effect.mapError(({ message }) =>
          new AuthenticationError({ reason: { _tag: "NoCredential" }, detail: message, server })
        )
      )
    ))
)

/** The vault is asked once an hour for each server. */
export const Vaulted = SmbClient.layer({ credentialTimeToLive: "1 hour" }).pipe(
  Layer.provide([TcpTransport.layer(), FromVault])
)
