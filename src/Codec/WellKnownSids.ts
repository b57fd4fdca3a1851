/**
 * Names of the SIDs that are the same on every system (MS-DTYP 2.4.2.4; the predefined accounts of MS-LSAT 3.1.1.1.1),
 * both ways and without a request. The names are those of an English Windows. Pure.
 */
import * as Lsat from "./Rpc/Lsat.ts"
import type { Sid } from "./SecurityDescriptor.ts"
import { fold } from "./UpCase.ts"

/**
 * A user, group or domain.
 *
 * @category models
 * @since 0.2.0
 */
export interface Account {
  readonly name: string
  readonly sid: Sid
  /** SID_NAME_USE (MS-LSAT 2.2.13). */
  readonly use: number
  /** A domain belongs to itself. */
  readonly domain: Domain
}

/**
 * The domain of an account. `Everyone` and others belong to one without a name.
 *
 * @category models
 * @since 0.2.0
 */
export interface Domain {
  readonly name: string
  readonly sid: Sid
}

const { SidTypeAlias, SidTypeDomain, SidTypeLabel, SidTypeWellKnownGroup } = Lsat.SidNameUse

/** The accounts of each domain by the part after the domain's SID. */
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
    33: "WRITE RESTRICTED",
    113: "Local account",
    114: "Local account and member of Administrators group",
    1000: "Other Organization"
  }],
  [{ name: "NT AUTHORITY", sid: "S-1-5-64" }, SidTypeWellKnownGroup, {
    10: "NTLM Authentication",
    14: "SChannel Authentication",
    21: "Digest Authentication"
  }],
  [{ name: "NT SERVICE", sid: "S-1-5-80" }, SidTypeWellKnownGroup, {
    0: "ALL SERVICES",
    "956008885-3418522649-1831038044-1853292631-2271478464": "TrustedInstaller"
  }],
  [{ name: "APPLICATION PACKAGE AUTHORITY", sid: "S-1-15-2" }, SidTypeWellKnownGroup, {
    1: "ALL APPLICATION PACKAGES",
    2: "ALL RESTRICTED APPLICATION PACKAGES"
  }],
  [{ name: "", sid: "S-1-18" }, SidTypeWellKnownGroup, {
    1: "Authentication authority asserted identity",
    2: "Service asserted identity"
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
    554: "Pre-Windows 2000 Compatible Access",
    555: "Remote Desktop Users",
    556: "Network Configuration Operators",
    557: "Incoming Forest Trust Builders",
    558: "Performance Monitor Users",
    559: "Performance Log Users",
    560: "Windows Authorization Access Group",
    561: "Terminal Server License Servers",
    562: "Distributed COM Users",
    568: "IIS_IUSRS",
    569: "Cryptographic Operators",
    573: "Event Log Readers",
    574: "Certificate Service DCOM Access",
    575: "RDS Remote Access Servers",
    576: "RDS Endpoint Servers",
    577: "RDS Management Servers",
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

const accountsBySid = new Map<Sid, Account>()
const accountsByName = new Map<string, Account>()

const keyOf = (domain: string, name: string): string => fold(`${domain}\\${name}`)

const add = (account: Account, ...keys: ReadonlyArray<string>): void => {
  accountsBySid.set(account.sid, account)
  // The first domain of a name is the one that the name means.
  for (const key of keys) if (!accountsByName.has(key)) accountsByName.set(key, account)
}

for (const [domain, use, names] of predefined) {
  if (domain.name !== "") {
    add({ name: domain.name, sid: domain.sid, use: SidTypeDomain, domain }, keyOf("", domain.name))
  }
  for (const [rid, name] of Object.entries(names)) {
    add({ name, sid: `${domain.sid}-${rid}`, use, domain }, keyOf("", name), keyOf(domain.name, name))
  }
}

/**
 * The account of a SID; `undefined` if the SID is not well known.
 *
 * @category lookups
 * @since 0.2.0
 */
export const bySid = (sid: Sid): Account | undefined => accountsBySid.get(sid)

/**
 * The account of a name in any case of letters. An empty `domain` stands for all of them.
 *
 * @category lookups
 * @since 0.2.0
 */
export const byName = (domain: string, name: string): Account | undefined => accountsByName.get(keyOf(domain, name))
