/** Options of a client that can belong to a server: those of the flags of the same names, in `servers.json`. Pure. */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { allDialects } from "../Smb2/Settings.ts"
import * as Flags from "./Flags.ts"

const seconds = Schema.Finite.check(Schema.isBetween({ minimum: 0.001, maximum: 86_400 }))

const dialects = Schema.String.check(Schema.makeFilter((text: string) => {
  // Without the text itself: a person can have put anything here, also a password.
  return Result.isFailure(Flags.dialectsOf(text)) ? `${allDialects.join(", ")} or nt1, with commas` : undefined
}))

/** The fields of an entry. Each has the meaning of the flag. */
export const fields = {
  guest: Schema.optionalKey(Schema.Boolean),
  kerberos: Schema.optionalKey(Schema.Boolean),
  dfs: Schema.optionalKey(Schema.Literals(["off", "fallback", "strict"])),
  site: Schema.optionalKey(Schema.NonEmptyString),
  dns: Schema.optionalKey(Schema.NonEmptyString),
  dialect: Schema.optionalKey(dialects),
  signing: Schema.optionalKey(Schema.Literals(["required", "if-required"])),
  encryption: Schema.optionalKey(Schema.Literals(["off", "if-offered", "required"])),
  names: Schema.optionalKey(Schema.Literals(["unchanged", "mapped"])),
  timeout: Schema.optionalKey(seconds),
  reconnect: Schema.optionalKey(
    Schema.String.check(
      Schema.makeFilter((text: string) =>
        Flags.reconnectOf(text) !== undefined || "a number of seconds from 0 to 86400, or never, as a text"
      )
    )
  ),
  pendingTimeout: Schema.optionalKey(seconds)
}

const Fields = Schema.Struct(fields)

export type OptionsByServer = typeof Fields.Type

/**
 * The flags as given, then the options of the server, then the defaults. `isUserNamed`: the path or a variable names a
 * user.
 */
export const resolve = (given: Flags.Given, known: OptionsByServer = {}, isUserNamed = false): Flags.Shared => {
  const or = <A>(flag: Option.Option<A>, value: A | undefined): Option.Option<A> =>
    Option.orElse(flag, () => Option.fromUndefinedOr(value))
  // A user that is named otherwise is not the guest, and has no ticket, because an entry says so.
  const isNamed = isUserNamed || Option.isSome(given.user) || Option.isSome(given.authenticationFile) || given.guest
  const dialect = known.dialect === undefined ? undefined : Result.getOrUndefined(Flags.dialectsOf(known.dialect))
  return {
    ...given,
    guest: given.guest || (known.guest === true && !isNamed && !given.kerberos),
    kerberos: given.kerberos || (known.kerberos === true && !isNamed),
    dfs: Option.getOrElse(or(given.dfs, known.dfs), () => "fallback" as const),
    site: Option.getOrElse(or(given.site, known.site), () => "auto"),
    dns: Option.getOrElse(or(given.dns, known.dns), () => "system"),
    dialect: Option.getOrElse(or(given.dialect, dialect), () => allDialects),
    names: Option.getOrElse(or(given.names, known.names), () => "unchanged" as const),
    signing: or(given.signing, known.signing),
    encryption: or(given.encryption, known.encryption),
    timeout: or(given.timeout, known.timeout),
    reconnect: or(given.reconnect, known.reconnect),
    pendingTimeout: or(given.pendingTimeout, known.pendingTimeout)
  }
}

const names = [
  "dfs",
  "site",
  "dns",
  "signing",
  "encryption",
  "names",
  "timeout",
  "reconnect",
  "pendingTimeout"
] as const

/** The options that the user has given by flags, to be kept for a server. */
export const given = (flags: Flags.Given): OptionsByServer => {
  const kept = Object.fromEntries(
    names.flatMap((name) => {
      const value = Option.getOrUndefined<string | number>(flags[name])
      return value === undefined ? [] : [[name, value]]
    })
  )
  return {
    ...kept,
    ...(flags.guest ? { guest: true } : {}),
    ...(flags.kerberos ? { kerberos: true } : {}),
    ...Option.match(flags.dialect, { onNone: () => ({}), onSome: (all) => ({ dialect: all.join(",").toLowerCase() }) })
  }
}
