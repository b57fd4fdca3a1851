/** The changes of `acl` as a person writes them, and as functions of descriptors. Pure. */
import * as Result from "effect/Result"
import type { Account } from "../Client/Account.ts"
import * as Permissions from "../Client/Permissions.ts"
import * as Sddl from "../Codec/Sddl.ts"
import { AceFlags, type SecurityDescriptor } from "../Codec/SecurityDescriptor.ts"

/** An account as the user names it, and rights in an entry that allows or denies. */
export interface Entry {
  readonly name: string
  readonly mask: number
  /** The flags of inheritance. `undefined`: everything below a folder inherits the entry. */
  readonly aceFlags: number | undefined
}

/** All changes of one run. They are made in this order. */
export interface Changes {
  /** The SDDL of `--set`, whose parts replace those of the file. `checkSet` has seen it. */
  readonly set?: string | undefined
  readonly inherit?: "on" | "off" | "copy" | undefined
  readonly revoke: ReadonlyArray<string>
  readonly grant: ReadonlyArray<Entry>
  readonly deny: ReadonlyArray<Entry>
  readonly owner?: string | undefined
}

/** Whether there is anything to change. */
export const isEmpty = ({ deny, grant, inherit, owner, revoke, set }: Changes): boolean =>
  set === undefined && inherit === undefined && owner === undefined && revoke.length + grant.length + deny.length === 0

/** The names in the changes. */
export const namesOf = ({ deny, grant, owner, revoke }: Changes): ReadonlyArray<string> => [
  ...new Set([...revoke, ...[...grant, ...deny].map(({ name }) => name), ...(owner === undefined ? [] : [owner])])
]

const flagWords: Readonly<Record<string, number>> = {
  OI: AceFlags.OBJECT_INHERIT_ACE,
  CI: AceFlags.CONTAINER_INHERIT_ACE,
  NP: AceFlags.NO_PROPAGATE_INHERIT_ACE,
  IO: AceFlags.INHERIT_ONLY_ACE
}

const usage = "write NAME:RIGHTS, such as ann:change, with the rights full, change, read, or letters of RWXDPO"

/**
 * `NAME:RIGHTS`, with icacls' flags in parentheses before the rights: `ann:(OI)(CI)change`, and `ann:()read` for the
 * folder alone. Fails with the message for the user.
 */
export const parseEntry = (text: string, options: { readonly denied: boolean }): Result.Result<Entry, string> => {
  const [, name, parentheses = "", rights = ""] = /^(.+):((?:\([^()]*\))*)([^:()]*)$/.exec(text) ?? []
  if (name === undefined) return Result.fail(`${JSON.stringify(text)}: ${usage}`)
  const mask = Permissions.maskOf(rights, options)
  if (mask === undefined) {
    return Result.fail(`${JSON.stringify(text)} has unknown rights: ${usage}, or a number as 0x1200a9`)
  }
  const flags = [...parentheses.matchAll(/\(([^()]*)\)/g)].map(([, word]) => word!.toUpperCase()).filter((one) =>
    one !== ""
  )
  const unknown = flags.find((flag) => !Object.hasOwn(flagWords, flag))
  if (unknown !== undefined) {
    return Result.fail(
      `${
        JSON.stringify(text)
      }: (${unknown}) is none of (OI) files, (CI) folders, (NP) one level, (IO) only below, () here alone`
    )
  }
  const aceFlags = parentheses === "" ? undefined : flags.reduce((sum, flag) => sum | flagWords[flag]!, 0)
  return Result.succeed({ name, mask, aceFlags })
}

/** Any domains: with them the letters of a domain are no mistake in the text. */
const anyDomains: Sddl.Domains = { domain: "S-1-5-21-0-0-0", rootDomain: "S-1-5-21-0-0-0", machine: "S-1-5-21-0-0-0" }

/**
 * The text of `--set`, with the letters of any domain such as `DA`: a server says later what they stand for. Fails with
 * the message for the user.
 */
export const checkSet = (text: string): Result.Result<string, string> =>
  Result.match(Sddl.fromSddl(text, anyDomains), {
    onFailure: ({ expected, offset }) =>
      Result.fail(
        `--set: the SDDL is wrong at its character ${offset + 1}, ${
          JSON.stringify(text.slice(offset, offset + 12))
        }: expected ${expected}`
      ),
    onSuccess: () => Result.succeed(text)
  })

/** What a change depends on, as well as the descriptor itself. */
export interface Place {
  readonly isDirectory: boolean
  /** The descriptor of the folder above, for `--inherit on`. */
  readonly folder: SecurityDescriptor | undefined
  readonly accounts: ReadonlyMap<string, Account>
}

/** A descriptor after all changes. A file has nothing below it, so its entries have no flags of
 * inheritance, and an entry that is for folders, or only for what is below, is none of a file.
 */
export const apply = (before: SecurityDescriptor, changes: Changes, place: Place): SecurityDescriptor => {
  const sidOf = (name: string) => place.accounts.get(name)!.sid
  const grantOf = ({ aceFlags, mask, name }: Entry): Permissions.Grant => ({
    sid: sidOf(name),
    mask,
    aceFlags: place.isDirectory ? aceFlags ?? Permissions.inheritToAll : 0
  })
  let after = before
  if (changes.inherit === "on" && place.folder !== undefined) {
    after = Permissions.inherit(after, place.folder, { isDirectory: place.isDirectory })
  } else if (changes.inherit === "off" || changes.inherit === "copy") {
    after = Permissions.protect(after, { keep: changes.inherit === "copy" })
  }
  for (const name of changes.revoke) after = Permissions.revoke(after, sidOf(name))
  const isFor = ({ aceFlags }: Entry): boolean =>
    place.isDirectory || aceFlags === undefined ||
    (aceFlags & (AceFlags.OBJECT_INHERIT_ACE | AceFlags.INHERIT_ONLY_ACE)) === AceFlags.OBJECT_INHERIT_ACE
  for (const entry of changes.grant.filter(isFor)) after = Permissions.grant(after, grantOf(entry))
  for (const entry of changes.deny.filter(isFor)) after = Permissions.deny(after, grantOf(entry))
  return changes.owner === undefined ? after : Permissions.withOwner(after, sidOf(changes.owner))
}
