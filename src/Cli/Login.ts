/**
 * `login` and `logout`: a user that was tried at a server is kept for later runs. The password goes into the system's
 * keyring, or a command gives it; `login` writes no password to a file.
 */
import * as Effect from "effect/Effect"
import type { Credential } from "../Auth/Credentials.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import { UsageError } from "./Failure.ts"
import { Keyring } from "./Keyring.ts"
import * as KnownServers from "./KnownServers.ts"
import type { OptionsByServer } from "./OptionsByServer.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"

/** What `login` keeps. */
export interface Kept {
  /** The options that the user has given by flags. */
  readonly options: OptionsByServer
  /** Gives the password, in place of the keyring. */
  readonly passwordCommand?: readonly [string, ...ReadonlyArray<string>] | undefined
  readonly json: boolean
}

/** The key that `login` writes for a server. */
export const keyOf = ({ server }: Pick<Remote, "server">): string => KnownServers.normal(server)

/** The entry of exactly this server. A person can have written its key in capitals, or with a dot at its end. */
const entryOf = (servers: KnownServers.KnownServers["servers"], key: string): KnownServers.Found | undefined => {
  const found = Object.entries(servers).find(([name]) => KnownServers.normal(name) === key)
  return found === undefined ? undefined : { key: found[0], entry: found[1] }
}

const without = (servers: KnownServers.KnownServers["servers"], key: string) =>
  Object.fromEntries(Object.entries(servers).filter(([name]) => KnownServers.normal(name) !== key))

/** The user as a person writes it. */
const nameOf = (credential: Credential): string | undefined => {
  switch (credential._tag) {
    case "Password":
    case "NtHash":
      return credential.domain === "" ? credential.user : `${credential.domain}\\${credential.user}`
    case "Kerberos":
      return credential.principal
    case "Anonymous":
      return undefined
  }
}

/** Logs on once. Some servers take an unknown user for a guest. */
const attempt = Effect.fnUntraced(function*({ port, server }: Remote, isGuest: boolean) {
  const smb = yield* SmbClient
  const session = yield* smb.logOn({ server, port, share: "", path: "" })
  if (session.isGuest && !isGuest) {
    return yield* new UsageError({
      detail:
        `${server} does not know this user, and made it a guest: correct the user, or give --guest. Nothing was kept`
    })
  }
}, Effect.scoped)

/** Removes the password of an entry from the keyring. */
const forget = Effect.fnUntraced(function*({ entry: { password, user }, key }: KnownServers.Found) {
  if (password !== "keyring" || user === undefined) return
  yield* (yield* Keyring).remove(key, user)
})

/** Tries the user at the server, and keeps it. Nothing is kept if the server refuses the user. */
export const login = Effect.fnUntraced(function*(server: Remote, credential: Credential, kept: Kept) {
  const key = keyOf(server)
  const isGuest = kept.options.guest === true
  yield* attempt(server, isGuest)
  const old = entryOf((yield* KnownServers.usual).servers, key)
  const before = old?.entry
  const user = isGuest ? undefined : nameOf(credential)
  const inKeyring = credential._tag === "Password" && !isGuest && kept.passwordCommand === undefined
  const keyring = yield* Keyring
  if (inKeyring) yield* keyring.set(key, user!, credential.password)
  const { password: _, passwordCommand: __, user: ___, guest: ____, kerberos: _____, ...options } = before ?? {}
  const entry: KnownServers.KnownServer = {
    ...(user === undefined ? {} : { user }),
    ...(inKeyring ? { password: "keyring" as const } : {}),
    ...(kept.passwordCommand === undefined ? {} : { passwordCommand: kept.passwordCommand }),
    ...options,
    ...kept.options
  }
  const file = yield* KnownServers.change((servers) => ({ ...without(servers, key), [key]: entry })).pipe(
    // A password that no entry leads to would stay in the keyring for good.
    Effect.onError(() => inKeyring ? Effect.ignore(keyring.remove(key, user!)) : Effect.void)
  )
  if (old !== undefined && (old.key !== key || before?.user !== user)) yield* forget(old)
  const password = inKeyring ? "keyring" : kept.passwordCommand === undefined ? "none" : "command"
  const words = {
    keyring: "The password is in the system's keyring.",
    command: "The command gives the password each time.",
    none: "No password is kept."
  }[password]
  yield* Output.write(
    kept.json
      ? Output.jsonLine({ server: key, user: user ?? null, password, file })
      : `${key} accepts ${user ?? (isGuest ? "guests" : "your ticket")}. ${words} The rest is in ${file}.\n`
  )
})

/** Removes what `login` has kept of a server. */
export const logout = Effect.fnUntraced(function*(server: Remote, { json }: { readonly json: boolean }) {
  const key = keyOf(server)
  const found = entryOf((yield* KnownServers.usual).servers, key)
  if (found === undefined) {
    return yield* new UsageError({ detail: `nothing is kept of ${key}: servers.json has no entry of this name` })
  }
  yield* forget(found)
  const file = yield* KnownServers.change((servers) => without(servers, key))
  yield* Output.write(
    json
      ? Output.jsonLine({ server: key, user: found.entry.user ?? null, file })
      : `Nothing is kept of ${key} any more.\n`
  )
})
