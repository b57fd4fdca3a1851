/** Users, groups and domains by SID and by name, as a client shows them and as a person writes them. Pure. */
import * as Lsat from "../Codec/Rpc/Lsat.ts"
import { isSid, type Sid } from "../Codec/SecurityDescriptor.ts"
import * as WellKnownSids from "../Codec/WellKnownSids.ts"

/**
 * What an account is: SID_NAME_USE (MS-LSAT 2.2.13) in words. `unknown`: no name was found for the SID. `invalid`: the
 * text is no SID.
 *
 * @category models
 * @since 0.2.0
 */
export type AccountType =
  | "user"
  | "group"
  | "domain"
  | "alias"
  | "well-known"
  | "deleted"
  | "invalid"
  | "unknown"
  | "computer"
  | "label"

/**
 * A user, group or domain.
 *
 * @category models
 * @since 0.2.0
 */
export interface Account {
  readonly sid: Sid
  /** Without its domain. The text of the SID if no name is known. */
  readonly name: string
  /** Empty for accounts that belong to no domain, such as Everyone. */
  readonly domain: string
  readonly type: AccountType
}

const { SidNameUse: Use } = Lsat

const types: Readonly<Record<number, AccountType>> = {
  [Use.SidTypeUser]: "user",
  [Use.SidTypeGroup]: "group",
  [Use.SidTypeDomain]: "domain",
  [Use.SidTypeAlias]: "alias",
  [Use.SidTypeWellKnownGroup]: "well-known",
  [Use.SidTypeDeletedAccount]: "deleted",
  [Use.SidTypeInvalid]: "invalid",
  [Use.SidTypeUnknown]: "unknown",
  [Use.SidTypeComputer]: "computer",
  [Use.SidTypeLabel]: "label"
}

/**
 * The word for a SID_NAME_USE.
 *
 * @category conversions
 * @since 0.2.0
 */
export const typeOf = (use: number): AccountType => types[use] ?? "unknown"

/**
 * An account of which only the SID is known: its name is the text of the SID.
 *
 * @category constructors
 * @since 0.2.0
 */
export const unknown = (sid: Sid): Account => ({
  sid,
  name: sid,
  domain: "",
  type: isSid(sid) ? "unknown" : "invalid"
})

const fromWellKnown = ({ domain, name, sid, use }: WellKnownSids.Account): Account => ({
  sid,
  name,
  domain: typeOf(use) === "domain" ? "" : domain.name,
  type: typeOf(use)
})

/**
 * The account of a SID that is the same on every system (MS-DTYP 2.4.2.4), without a request.
 *
 * @category lookups
 * @since 0.2.0
 */
export const wellKnown = (sid: Sid): Account | undefined => {
  const found = WellKnownSids.bySid(sid)
  return found === undefined ? undefined : fromWellKnown(found)
}

/**
 * The same by its name: `Everyone`, `SYSTEM`, `BUILTIN\Users`, in any case of letters.
 *
 * @category lookups
 * @since 0.2.0
 */
export const wellKnownByName = (text: string): Account | undefined => {
  const at = text.indexOf("\\")
  const found = WellKnownSids.byName(text.slice(0, Math.max(at, 0)), text.slice(at + 1))
  return found === undefined ? undefined : fromWellKnown(found)
}

/**
 * `DOMAIN\name`, or the name alone if there is no domain.
 *
 * @category conversions
 * @since 0.2.0
 */
export const format = ({ domain, name }: Account): string => domain === "" ? name : `${domain}\\${name}`
