/** A client in one layer: TCP, the account, the client and DFS. */
import { Effect, Redacted } from "effect"
import { Smb, SmbClient } from "effect-smb"

const Client = Smb.layer({ user: "joe", password: Redacted.make("secret"), dfs: "fallback" })
const FromConfig = Smb.layerConfig(Smb.config("NAS")) // NAS_USER, NAS_PASSWORD, NAS_DOMAIN, NAS_DFS ...

const read = Effect.flatMap(SmbClient.SmbClient, (smb) => smb.readFileString("//corp.test/public/plans/readme.txt"))

export const asJoe = Effect.provide(read, Client)
export const asConfigured = Effect.provide(read, FromConfig)
