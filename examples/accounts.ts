/** A server whose users are in a database: `find` uses a service of the app. */
import { Context, Effect, type Redacted } from "effect"
import { UserStore } from "effect-smb"

interface Account {
  readonly name: string
  readonly ntHash: Redacted.Redacted<Uint8Array>
}

export class Accounts extends Context.Service<Accounts, {
  readonly byName: (name: string) => Effect.Effect<Account | undefined, Error>
}>()("my-app/Accounts") {}

export const Users = UserStore.layer((name) =>
  Effect.flatMap(Accounts, (accounts) => accounts.byName(name.toLowerCase()))
)
