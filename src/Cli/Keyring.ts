/**
 * The system's keyring: Keychain of macOS, Credential Manager of Windows, the Secret Service of a Linux desktop. The
 * package `@napi-rs/keyring` reaches it. It is optional, and loaded only when a password is in the keyring.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { oneLine } from "./Failure.ts"

/** The keyring cannot be used, or refuses. */
export class KeyringError extends Schema.TaggedError<KeyringError>()("KeyringError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Passwords by server and user. */
export class Keyring extends Context.Service<Keyring, {
  /** The password, or `undefined` if the keyring has none. */
  readonly get: (server: string, user: string) => Effect.Effect<Redacted.Redacted<string> | undefined, KeyringError>
  readonly set: (
    server: string,
    user: string,
    password: Redacted.Redacted<string>
  ) => Effect.Effect<void, KeyringError>
  /** Removes a password. Returns whether the keyring had it. */
  readonly remove: (server: string, user: string) => Effect.Effect<boolean, KeyringError>
}>()("effect-smb/Cli/Keyring") {}

/** The part of the package that is used. */
interface Entry {
  readonly getPassword: (signal?: AbortSignal) => Promise<string | null | undefined>
  readonly setPassword: (password: string, signal?: AbortSignal) => Promise<void>
  readonly deletePassword: (signal?: AbortSignal) => Promise<boolean>
}

interface Module {
  readonly AsyncEntry: new(service: string, user: string) => Entry
}

const packageName = "@napi-rs/keyring"

/** The name under which a person finds the passwords in the keyring. */
const service = "effect-smb"

const load: Effect.Effect<Module, KeyringError> = Effect.tryPromise({
  try: (): Promise<Module> => import(packageName),
  catch: (cause) =>
    new KeyringError({
      detail:
        `the system's keyring needs the package ${packageName}: install it next to effect-smb, or let a command ` +
        `give the password (effect-smb login --password-command). It cannot be loaded: ${
          oneLine(cause instanceof Error ? cause.message : String(cause))
        }`
    })
})

/** A keyring by the package. */
export const layerFrom = (load: Effect.Effect<Module, KeyringError>): Layer.Layer<Keyring> => {
  const call = <A>(server: string, user: string, use: (entry: Entry, signal: AbortSignal) => Promise<A>) =>
    Effect.flatMap(load, ({ AsyncEntry }) =>
      Effect.tryPromise({
        // The name of a server has no blank, so no two users of servers have the same text.
        try: (signal) => use(new AsyncEntry(service, `${server} ${user}`), signal),
        catch: (cause) =>
          new KeyringError({
            detail: `the system's keyring refuses: ${oneLine(cause instanceof Error ? cause.message : String(cause))}`
          })
      }))
  return Layer.succeed(
    Keyring,
    Keyring.of({
      get: (server, user) =>
        Effect.map(
          call(server, user, (entry, signal) => entry.getPassword(signal)),
          (found) => found === null || found === undefined ? undefined : Redacted.make(found)
        ),
      set: (server, user, password) =>
        call(server, user, (entry, signal) => entry.setPassword(Redacted.value(password), signal)),
      remove: (server, user) => call(server, user, (entry, signal) => entry.deletePassword(signal))
    })
  )
}

/** The keyring of this system. */
export const layer: Layer.Layer<Keyring> = layerFrom(load)
