/**
 * Translates SIDs to names and names to SIDs, as clients show and enter them (MS-LSAT 3.1.1): those that every Windows
 * has, and those of the server's own domain, which has the server's name and holds its users.
 */
import * as Effect from "effect/Effect"
import * as Lsat from "../../../Codec/Rpc/Lsat.ts"
import { fold } from "../../../Codec/UpCase.ts"
import type { User } from "../../UserStore.ts"
import * as AppStores from "../State/AppStores.ts"
import type { Server } from "../State/Model.ts"

/** A user, group or domain. */
export interface Account {
  readonly name: string
  readonly sid: string
  /** SID_NAME_USE. */
  readonly use: number
  readonly domain: Domain
}

/** The domain of an account; a domain belongs to itself. */
export interface Domain {
  readonly name: string
  readonly sid: string
}

const { SidTypeAlias, SidTypeDomain, SidTypeGroup, SidTypeLabel, SidTypeUser, SidTypeWellKnownGroup } = Lsat.SidNameUse

/** Predefined accounts by the part after the domain's SID (MS-DTYP 2.4.2.4; MS-LSAT 3.1.1.1.1). */
const predefined: ReadonlyArray<readonly [Domain, number, Readonly<Record<string, string>>]> = [
  [{ name: "", sid: "S-1-0" }, SidTypeWellKnownGroup, { 0: "NULL SID" }],
  [{ name: "", sid: "S-1-1" }, SidTypeWellKnownGroup, { 0: "Everyone" }],
  [{ name: "", sid: "S-1-2" }, SidTypeWellKnownGroup, { 0: "LOCAL", 1: "CONSOLE LOGON" }],
  [{ name: "", sid: "S-1-3" }, SidTypeWellKnownGroup, {
    0: "CREATOR OWNER",
    1: "CREATOR GROUP",
    2: "CREATOR OWNER SERVER",
    3: "CREATOR GROUP SERVER",
    4: "OWNER RIGHTS"
  }],
  [{ name: "NT AUTHORITY", sid: "S-1-5" }, SidTypeWellKnownGroup, {
    1: "DIALUP",
    2: "NETWORK",
    3: "BATCH",
    4: "INTERACTIVE",
    6: "SERVICE",
    7: "ANONYMOUS LOGON",
    8: "PROXY",
    9: "ENTERPRISE DOMAIN CONTROLLERS",
    10: "SELF",
    11: "Authenticated Users",
    12: "RESTRICTED",
    13: "TERMINAL SERVER USER",
    14: "REMOTE INTERACTIVE LOGON",
    15: "This Organization",
    17: "IUSR",
    18: "SYSTEM",
    19: "LOCAL SERVICE",
    20: "NETWORK SERVICE",
    113: "Local account",
    114: "Local account and member of Administrators group"
  }],
  [{ name: "BUILTIN", sid: "S-1-5-32" }, SidTypeAlias, {
    544: "Administrators",
    545: "Users",
    546: "Guests",
    547: "Power Users",
    548: "Account Operators",
    549: "Server Operators",
    550: "Print Operators",
    551: "Backup Operators",
    552: "Replicator",
    555: "Remote Desktop Users",
    556: "Network Configuration Operators",
    558: "Performance Monitor Users",
    559: "Performance Log Users",
    562: "Distributed COM Users",
    568: "IIS_IUSRS",
    569: "Cryptographic Operators",
    573: "Event Log Readers",
    578: "Hyper-V Administrators",
    579: "Access Control Assistance Operators",
    580: "Remote Management Users"
  }],
  [{ name: "Mandatory Label", sid: "S-1-16" }, SidTypeLabel, {
    0: "Untrusted Mandatory Level",
    4096: "Low Mandatory Level",
    8192: "Medium Mandatory Level",
    8448: "Medium Plus Mandatory Level",
    12288: "High Mandatory Level",
    16384: "System Mandatory Level"
  }]
]

const bySid = new Map<string, Account>()
const byName = new Map<string, Account>()

const keyOf = (domain: string, name: string): string => fold(`${domain}\\${name}`)

const add = (account: Account, ...keys: ReadonlyArray<string>): void => {
  bySid.set(account.sid, account)
  for (const key of keys) byName.set(key, account)
}

for (const [domain, use, names] of predefined) {
  if (domain.name !== "") {
    add({ name: domain.name, sid: domain.sid, use: SidTypeDomain, domain }, keyOf("", domain.name))
  }
  for (const [rid, name] of Object.entries(names)) {
    add({ name, sid: `${domain.sid}-${rid}`, use, domain }, keyOf("", name), keyOf(domain.name, name))
  }
}

const guestRid = 501
const noneRid = 513

/** The server's own domain. */
export const ownDomain = (server: Server): Domain => ({
  name: server.settings.computerName,
  sid: server.domainSid
})

/**
 * Accounts of the server's own domain that are not in its user store: the domain itself, guests, and the group of all
 * users.
 */
const ownAccounts = (domain: Domain): ReadonlyArray<Account> => [
  { name: domain.name, sid: domain.sid, use: SidTypeDomain, domain },
  { name: "Guest", sid: `${domain.sid}-${guestRid}`, use: SidTypeUser, domain },
  { name: "None", sid: `${domain.sid}-${noneRid}`, use: SidTypeGroup, domain }
]

/** A user who cannot be looked up counts as unknown: the client then shows the SID. */
const find = (server: Server, name: string, domain: Domain): Effect.Effect<User | undefined> =>
  Effect.orElseSucceed(AppStores.findUser(server, name, domain.name), () => undefined)

/** The account of a SID; undefined if the server does not know the SID. */
export const ofSid = Effect.fnUntraced(function*(
  server: Server,
  sid: string
): Effect.fn.Return<Account | undefined> {
  const domain = ownDomain(server)
  const known = bySid.get(sid) ?? ownAccounts(domain).find((account) => account.sid === sid)
  if (known !== undefined) return known
  const name = yield* nameOf(server, sid)
  if (name === undefined) return undefined
  const user = yield* find(server, name, domain)
  return user === undefined ? undefined : { name: user.name, sid, use: SidTypeUser, domain }
})

/**
 * The user name of a SID: of a user in the server's own domain, or of a logged-on user who was given the SID. If the
 * identity store does not answer, only the latter are known.
 */
const nameOf = (server: Server, sid: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.orElseSucceed(AppStores.nameOf(server, sid), () => undefined), (name) => {
    if (name !== undefined) return name
    for (const { user } of server.sessions.values()) if (user?.sid === sid && !user.guest) return user.name
    return undefined
  })

/**
 * The account of a name: `name`, or `domain\name`. `domain\` is the domain itself, and an empty name is BUILTIN, as on
 * Windows since Server 2003.
 */
export const ofName = Effect.fnUntraced(function*(
  server: Server,
  text: string
): Effect.fn.Return<Account | undefined> {
  const own = ownDomain(server)
  const cut = text.indexOf("\\")
  const [domain, name] = [text.slice(0, Math.max(cut, 0)), text.slice(cut + 1)]
  if (name === "") {
    const wanted = cut < 0 ? "BUILTIN" : domain
    const found = byName.get(keyOf("", wanted)) ??
      ownAccounts(own).find((account) => fold(account.name) === fold(wanted))
    return found?.use === SidTypeDomain ? found : undefined
  }
  const known = byName.get(keyOf(domain, name))
  if (known !== undefined) return known
  if (domain !== "" && fold(domain) !== fold(own.name)) return undefined
  const user = yield* find(server, name, own)
  if (user === undefined) {
    return ownAccounts(own).find((account) => fold(account.name) === fold(name))
  }
  if (user.sid !== undefined) return { name: user.name, sid: user.sid, use: SidTypeUser, domain: own }
  return yield* Effect.match(AppStores.sidOf(server, user.name), {
    onSuccess: (sid): Account => ({ name: user.name, sid, use: SidTypeUser, domain: own }),
    // A name whose SID cannot be kept counts as unknown.
    onFailure: () => undefined
  })
})
