/** The options of `serve`: from the flags, then from the configuration file, then the defaults. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readFile, stat } from "node:fs/promises"
import { dirname, resolve as resolvePath } from "node:path"
import * as Sddl from "../Codec/Sddl.ts"
import { Control } from "../Codec/SecurityDescriptor.ts"
import { fold } from "../Codec/UpCase.ts"
import * as Namespace from "../Dfs/Namespace.ts"
import * as Limits from "../Server/Limits.ts"
import type { ShareOptions } from "../Server/SmbServer.ts"
import type { Dialect, Smb2Dialect } from "../Smb2/Settings.ts"
import { LocalError } from "../Transfer/LocalError.ts"
import { oneLine, UsageError } from "./Failure.ts"
import type { Shared } from "./Flags.ts"
import * as PlatformPaths from "./PlatformPaths.ts"
import * as TrustedFile from "./TrustedFile.ts"

/** A duration as Effect writes it: `30 seconds`. */
const time = Schema.String.check(
  Schema.makeFilter((text: string) =>
    Option.exists(Duration.fromInput(text as Duration.Input), (duration) => Duration.toMillis(duration) > 0)
      ? undefined
      : "a time is written like \"30 seconds\""
  )
)

/** The server's limits by their names: numbers, and durations. */
const ConfiguredLimits: Schema.Codec<Partial<Limits.Limits>> = Schema.Struct(
  Object.fromEntries(
    Object.entries(Limits.defaults).map(([name, value]) => [
      name,
      Schema.optionalKey(
        typeof value === "number"
          ? Schema.Int.check(Schema.isBetween({
            minimum: Limits.least(name as keyof Limits.Limits),
            maximum: Limits.most(name as keyof Limits.Limits)
          }))
          : time
      )
    ])
  )
) as never

/** The security descriptor of a share, as text. */
const security = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const read = Sddl.fromSddl(text)
    if (Result.isFailure(read)) return read.failure.message
    return (read.success.control & Control.SE_DACL_PRESENT) !== 0
      ? undefined
      : "a DACL in the SDDL, which begins with D:"
  })
)

/** A share in the configuration file: a folder, or an object with more options. */
const ConfiguredShare = Schema.Union([
  Schema.String,
  Schema.Struct({
    folder: Schema.optionalKey(Schema.String),
    comment: Schema.optionalKey(Schema.String),
    hidden: Schema.optionalKey(Schema.Boolean),
    readOnly: Schema.optionalKey(Schema.Boolean),
    encrypt: Schema.optionalKey(Schema.Boolean),
    continuousAvailability: Schema.optionalKey(Schema.Boolean),
    accessBasedEnumeration: Schema.optionalKey(Schema.Boolean),
    guest: Schema.optionalKey(Schema.Boolean),
    administrators: Schema.optionalKey(Schema.Boolean),
    security: Schema.optionalKey(security),
    mapNames: Schema.optionalKey(Schema.Boolean),
    shortNames: Schema.optionalKey(Schema.Boolean)
  })
])

/** The configuration file. A flag of the same name has precedence. */
export const Configuration = Schema.Struct({
  host: Schema.optionalKey(Schema.String),
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))),
  name: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(15))),
  shares: Schema.optionalKey(Schema.Record(Schema.String, ConfiguredShare)),
  users: Schema.optionalKey(Schema.String),
  administrators: Schema.optionalKey(Schema.Array(Schema.String)),
  keytab: Schema.optionalKey(Schema.String),
  namespace: Schema.optionalKey(Schema.Union([Schema.String, Namespace.Namespace])),
  signing: Schema.optionalKey(Schema.Literals(["required", "if-required"])),
  encryption: Schema.optionalKey(Schema.Literals(["off", "if-offered", "required"])),
  guest: Schema.optionalKey(Schema.Boolean),
  readOnly: Schema.optionalKey(Schema.Boolean),
  mapNames: Schema.optionalKey(Schema.Boolean),
  shortNames: Schema.optionalKey(Schema.Boolean),
  openStore: Schema.optionalKey(Schema.String),
  handOver: Schema.optionalKey(Schema.Literals(["none", "persistent", "durable"])),
  limits: Schema.optionalKey(ConfiguredLimits)
})

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Configuration), { onExcessProperty: "error" })

const readText = (path: string): Effect.Effect<string | undefined, LocalError> =>
  Effect.tryPromise({
    try: () =>
      readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined
        throw cause
      }),
    catch: (cause) => new LocalError({ path, detail: oneLine((cause as Error).message) })
  })

/**
 * The error of a file that a flag names and that does not exist. A person can give the flag a user with a password, as
 * other programs take it; such a name is not shown.
 */
export const missing = (flag: string, path: string): LocalError | UsageError =>
  /[:%]./.test(path) && !/^[A-Za-z]:[\\/]/.test(path)
    ? new UsageError({
      detail: `${flag} takes the name of a file, and there is no file with the given name. The name is not shown ` +
        "because it may hold a password"
    })
    : new LocalError({ path, detail: "there is no such file" })

const wrong = (path: string, error: { readonly message: string }) =>
  new LocalError({ path, detail: oneLine(error.message) })

/** The configuration, and the folder that relative names in it start from. */
export interface Configured {
  readonly configuration: typeof Configuration.Type
  readonly folder: string
}

/**
 * Reads the given configuration file, or the default one, which need not exist. Its content decides what is served, and
 * to whom. A file that other users can change is refused. A default file that belongs to another user is refused too.
 */
export const readConfiguration = Effect.fnUntraced(function*(
  named: Option.Option<string>
): Effect.fn.Return<Configured, LocalError | UsageError> {
  const path = Option.getOrElse(named, PlatformPaths.configurationFile)
  const folder = dirname(resolvePath(path))
  const text = yield* TrustedFile.read(path, { isOwn: Option.isNone(named), group: true })
  if (text === undefined) {
    return Option.isSome(named) ? yield* missing("--config", path) : { configuration: {}, folder }
  }
  const decoded = decode(text)
  return Result.isSuccess(decoded)
    ? { configuration: decoded.success, folder }
    : yield* wrong(path, decoded.failure)
})

/** Reads a namespace from a file. */
export const readNamespace = (path: string): Effect.Effect<Namespace.Namespace, LocalError | UsageError> =>
  Effect.flatMap(readText(path), (text) => {
    if (text === undefined) return Effect.fail(missing("--namespace", path))
    const decoded = Namespace.fromJson(text)
    return Result.isSuccess(decoded) ? Effect.succeed(decoded.success) : Effect.fail(wrong(path, decoded.failure))
  })

/** The flags that only `serve` has. */
export interface ServeFlags {
  readonly folder: Option.Option<string>
  readonly config: Option.Option<string>
  readonly share: ReadonlyArray<string>
  readonly host: Option.Option<string>
  readonly port: Option.Option<number>
  readonly users: Option.Option<string>
  readonly namespace: Option.Option<string>
  readonly administrator: ReadonlyArray<string>
  readonly readOnly: boolean
  readonly mapNames: Option.Option<boolean>
  readonly shortNames: Option.Option<boolean>
}

/** A share to serve; in memory without a folder. */
export interface ServedShare extends Omit<ShareOptions, "store"> {
  readonly name: string
  readonly folder: string | undefined
  /** Whether names that SMB cannot carry are mapped; default: as for all shares. */
  readonly mapNames?: boolean
}

/** What to serve, and how. */
export interface ServeOptions {
  readonly host: string
  readonly port: number
  readonly name: string | undefined
  readonly shares: ReadonlyArray<ServedShare>
  /** All shares are read-only, no matter what each share says. */
  readonly readOnly: boolean
  /** For shares that do not say it themselves. */
  readonly mapNames: boolean
  readonly shortNames: boolean
  readonly usersFile: string | undefined
  readonly user: string | undefined
  /** The names of the users that are administrators. */
  readonly administrators: ReadonlyArray<string>
  /** The keytab with the keys of the service `cifs/` and the server's name. */
  readonly keytab: string | undefined
  readonly namespace: Namespace.Namespace | undefined
  /** The file that the namespace comes from, if it comes from a file. */
  readonly namespaceFile: string | undefined
  readonly signing: "required" | "enabled"
  readonly encryption: "required" | "enabled" | "disabled"
  readonly dialects: ReadonlyArray<Smb2Dialect>
  readonly guest: boolean
  /** The file of the opens that outlive the server; `undefined` if no open does. */
  readonly openStore: string | undefined
  readonly handOver: "none" | "persistent" | "durable"
  readonly limits: Partial<Limits.Limits>
}

const encryptions = { off: "disabled", "if-offered": "enabled", required: "required" } as const

// oxlint-disable-next-line no-control-regex
const isShareName = (name: string): boolean => /^[^\u0000-\u001f"*+,/:;<=>?[\]\\|]{1,80}$/.test(name)

const usage = (detail: string) => new UsageError({ detail })

/** The default file of users, if it exists. */
const usual = Effect.promise(() => {
  const path = PlatformPaths.usersFile()
  return stat(path).then(() => path, () => undefined)
})

/** Combines the flags and the configuration. */
export const resolve = Effect.fnUntraced(function*(
  flags: ServeFlags,
  shared: Shared,
  { configuration, folder: base }: Configured
): Effect.fn.Return<ServeOptions, UsageError | LocalError> {
  const shares = new Map<string, ServedShare>()
  const below = (path: string | undefined) => path === undefined ? undefined : resolvePath(base, path)
  const add = (share: ServedShare) => shares.set(fold(share.name), share)
  for (const [name, share] of Object.entries(configuration.shares ?? {})) {
    add(
      typeof share === "string" ? { name, folder: below(share) } : { ...share, name, folder: below(share.folder) }
    )
  }
  const given = new Set<string>()
  const named = flags.share.map((text) => {
    const equals = text.indexOf("=")
    return { name: text.slice(0, Math.max(equals, 0)), folder: text.slice(equals + 1), equals }
  })
  if (Option.isSome(flags.folder)) named.unshift({ name: "share", folder: flags.folder.value, equals: 0 })
  for (const { equals, folder, name } of named) {
    if (equals < 0 || folder === "") return yield* usage("--share is written name=folder")
    if (given.has(fold(name))) return yield* usage(`the share ${name} is named twice`)
    given.add(fold(name))
    add({ ...shares.get(fold(name)), name, folder })
  }
  const configured = configuration.namespace
  const namespaceFile = Option.getOrUndefined(flags.namespace) ??
    (typeof configured === "string" ? resolvePath(base, configured) : undefined)
  const inline = typeof configured === "string" ? undefined : configured
  const namespace = namespaceFile === undefined ? inline : yield* readNamespace(namespaceFile)
  if (shares.size === 0 && namespace === undefined) add({ name: "share", folder: undefined })
  for (const { name } of shares.values()) {
    if (!isShareName(name) || fold(name) === "IPC$") {
      return yield* usage(`${JSON.stringify(name)} cannot be a share's name`)
    }
  }
  const user = Option.getOrUndefined(shared.user)
  const usersFile = Option.getOrUndefined(flags.users)
  if (user !== undefined && usersFile !== undefined) return yield* usage("either --user or --users, not both")
  const keytab = Option.getOrUndefined(shared.keytab)
  if (keytab === undefined && shared.kerberos) return yield* usage("serve needs --keytab for logons by Kerberos")
  const offered: ReadonlyArray<Dialect> = shared.dialect
  const dialects = offered.filter((dialect): dialect is Smb2Dialect => dialect !== "NT1")
  if (dialects.length < offered.length) return yield* usage("serve speaks no SMB 1: leave nt1 out of --dialect")
  const readOnly = flags.readOnly || configuration.readOnly === true
  const handOver = configuration.handOver ?? "persistent"
  const outlives = handOver === "durable" ||
    [...shares.values()].some(({ continuousAvailability }) => continuousAvailability === true)
  const signing = Option.getOrUndefined(shared.signing) ?? configuration.signing ?? "required"
  const encryption = Option.getOrUndefined(shared.encryption) ?? configuration.encryption ?? "if-offered"
  return {
    host: Option.getOrUndefined(flags.host) ?? configuration.host ?? "127.0.0.1",
    port: Option.getOrUndefined(flags.port) ?? configuration.port ?? 4455,
    name: configuration.name,
    shares: [...shares.values()],
    readOnly,
    mapNames: Option.getOrUndefined(flags.mapNames) ?? configuration.mapNames ?? true,
    shortNames: Option.getOrUndefined(flags.shortNames) ?? configuration.shortNames ?? true,
    usersFile: user === undefined ? usersFile ?? below(configuration.users) ?? (yield* usual) : undefined,
    user,
    administrators: [...configuration.administrators ?? [], ...flags.administrator],
    keytab: keytab ?? below(configuration.keytab),
    namespace,
    namespaceFile,
    signing: signing === "required" ? "required" : "enabled",
    encryption: encryptions[encryption],
    dialects,
    guest: shared.guest || configuration.guest === true,
    openStore: below(configuration.openStore) ?? (outlives ? PlatformPaths.opensFile() : undefined),
    handOver,
    limits: configuration.limits ?? {}
  }
})
