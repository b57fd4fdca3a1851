/**
 * The options of a lab server, and its smb.conf. Each option here stands for one of smb.conf(5). Others go through
 * `options`. No effects, no files.
 */

/** A dialect as smb.conf names it. */
export type Dialect = "NT1" | "SMB2_02" | "SMB2_10" | "SMB3_00" | "SMB3_02" | "SMB3_11"

/** A share and its options. */
export interface ShareOptions {
  readonly name: string
  readonly comment?: string
  /**
   * Makes the share a DFS root with these links, by their path in it: one target or several, each as
   * `127.0.0.3\share` or `127.0.0.3\share\folder`.
   */
  readonly dfs?: Readonly<Record<string, string | ReadonlyArray<string>>>
  /** Unknown users can use the share as guests. The server's `guest` must be set as well. */
  readonly guest?: boolean
  readonly readOnly?: boolean
  readonly hidden?: boolean
  readonly encryption?: "off" | "desired" | "required"
  /** Alternate data streams: in extended attributes (a stream then has at most a few KiB) or in files. */
  readonly streams?: "xattr" | "depot"
  /** Keeps whole Windows security descriptors. */
  readonly acls?: boolean
  readonly extendedAttributes?: boolean
  /** Previous versions: folders `.snapshots/@GMT-2026.01.02-03.04.05` in the share's folder. */
  readonly snapshots?: boolean
  /** Further lines of the share's section. */
  readonly options?: Readonly<Record<string, string>>
}

/** A server and its shares. */
export interface ServerOptions {
  /** A loopback address from 127.0.0.2, which no other test file uses. */
  readonly address: string
  readonly shares: ReadonlyArray<ShareOptions>
  /** Users in addition to the lab's own. */
  readonly users?: ReadonlyArray<{ readonly name: string; readonly password: string }>
  /** Unknown users are guests. */
  readonly guest?: boolean
  readonly signing?: "auto" | "mandatory" | "disabled"
  readonly signingAlgorithms?: ReadonlyArray<"AES-128-GMAC" | "AES-128-CMAC" | "HMAC-SHA256">
  readonly encryption?: "off" | "desired" | "required"
  readonly encryptionAlgorithms?: ReadonlyArray<"AES-128-GCM" | "AES-128-CCM" | "AES-256-GCM" | "AES-256-CCM">
  readonly minimumDialect?: Dialect
  readonly maximumDialect?: Dialect
  /** Bytes. */
  readonly maximumRead?: number
  /** Bytes. */
  readonly maximumWrite?: number
  readonly maximumCredits?: number
  /** TCP ports. Default: [445]. Referrals always mean 445. */
  readonly ports?: ReadonlyArray<number>
  /** Samba's log level. Default: 1. */
  readonly logLevel?: number
  /** Further lines of the global section. */
  readonly options?: Readonly<Record<string, string>>
}

const yes = (value: boolean) => (value ? "yes" : "no")

const section = (name: string, lines: Readonly<Record<string, string | undefined>>) =>
  [`[${name}]`, ...Object.entries(lines).flatMap(([key, value]) => value === undefined ? [] : [`  ${key} = ${value}`])]
    .join("\n")

const share = (options: ShareOptions, path: string) => {
  const objects = [
    ...(options.snapshots === true ? ["shadow_copy2"] : []),
    ...(options.acls === true ? ["acl_xattr"] : []),
    ...(options.streams === undefined ? [] : [`streams_${options.streams}`])
  ]
  return section(options.name, {
    path,
    comment: options.comment,
    "read only": yes(options.readOnly === true),
    browseable: yes(options.hidden !== true),
    "guest ok": yes(options.guest === true),
    "msdfs root": options.dfs === undefined ? undefined : "yes",
    "smb encrypt": options.encryption,
    "ea support": yes(options.extendedAttributes === true || options.streams === "xattr"),
    "store dos attributes": "yes",
    "vfs objects": objects.length === 0 ? undefined : objects.join(" "),
    ...(options.acls === true ? { "acl_xattr:ignore system acls": "yes", "inherit acls": "no" } : {}),
    ...(options.snapshots === true
      ? {
        "shadow:snapdir": ".snapshots",
        "shadow:sort": "desc",
        "shadow:format": "@GMT-%Y.%m.%d-%H.%M.%S",
        "shadow:mountpoint": path
      }
      : {}),
    ...options.options
  })
}

/** The configuration file of a server whose folders are below `folder`. */
export const make = (options: ServerOptions, folder: string, sharePath: (name: string) => string): string => {
  const global = section("global", {
    workgroup: "LAB",
    "netbios name": `LAB-${options.address.split(".").slice(1).join("-")}`,
    "server role": "standalone server",
    "disable netbios": "yes",
    "smb ports": (options.ports ?? [445]).join(" "),
    interfaces: `${options.address}/8`,
    "bind interfaces only": "yes",
    "private dir": `${folder}/private`,
    "state directory": `${folder}/state`,
    "lock directory": `${folder}/lock`,
    "cache directory": `${folder}/cache`,
    "pid directory": `${folder}/pid`,
    "ncalrpc dir": `${folder}/ncalrpc`,
    "log file": `${folder}/log/log.%m`,
    "log level": String(options.logLevel ?? 1),
    "max log size": "0",
    "host msdfs": "yes",
    "usershare max shares": "0",
    "disable spoolss": "yes",
    "load printers": "no",
    printing: "bsd",
    "printcap name": "/dev/null",
    "map to guest": options.guest === true ? "bad user" : "never",
    "server signing": options.signing,
    "server smb3 signing algorithms": options.signingAlgorithms?.join(" "),
    "server smb encrypt": options.encryption,
    "server smb3 encryption algorithms": options.encryptionAlgorithms?.join(" "),
    "server min protocol": options.minimumDialect,
    "server max protocol": options.maximumDialect,
    "smb2 max read": options.maximumRead === undefined ? undefined : String(options.maximumRead),
    "smb2 max write": options.maximumWrite === undefined ? undefined : String(options.maximumWrite),
    "smb2 max credits": options.maximumCredits === undefined ? undefined : String(options.maximumCredits),
    ...options.options
  })
  return [global, ...options.shares.map((one) => share(one, sharePath(one.name)))].join("\n\n") + "\n"
}
