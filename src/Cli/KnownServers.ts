/**
 * Servers that the command remembers: `servers.json` says which user and which options belong to a server. The file has
 * no password. It says where the password is: in the system's keyring, or in the output of a command.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as PrivateFile from "../Server/PrivateFile.ts"
import { LocalError } from "../Transfer/LocalError.ts"
import { oneLine, UsageError } from "./Failure.ts"
import * as Options from "./OptionsByServer.ts"
import * as PlatformPaths from "./PlatformPaths.ts"
import * as TrustedFile from "./TrustedFile.ts"

/** What is known of a server. */
export const KnownServer = Schema.Struct({
  user: Schema.optionalKey(Schema.NonEmptyString),
  /** `keyring`: the password of this user is in the system's keyring. */
  password: Schema.optionalKey(Schema.Literal("keyring")),
  /** A program and its arguments, no shell: the first line of its output is the password of this user. */
  passwordCommand: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  ...Options.fields
}).check(
  Schema.makeFilter(({ password, passwordCommand }) =>
    password !== undefined && passwordCommand !== undefined ? "either password or passwordCommand, not both" : undefined
  )
)

export type KnownServer = typeof KnownServer.Type

/** The content of the file. A key is a server, `*.corp.test` for all servers below a domain, or `*` for all servers. */
export const KnownServers = Schema.Struct({ servers: Schema.Record(Schema.String, KnownServer) })

export type KnownServers = typeof KnownServers.Type

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(KnownServers), { onExcessProperty: "error" })

const none: KnownServers = { servers: {} }

/**
 * Reads a file. A file that does not exist knows no server. A file with commands that this user runs must not come from
 * other users.
 */
export const read = Effect.fnUntraced(function*(path: string): Effect.fn.Return<KnownServers, LocalError> {
  const text = yield* TrustedFile.read(path, { isOwn: true, group: false })
  if (text === undefined) return none
  const decoded = decode(text.replace(/^\uFEFF/, ""))
  return Result.isSuccess(decoded)
    ? decoded.success
    : yield* new LocalError({ path, detail: oneLine(decoded.failure.message) })
})

/** The default file. */
export const usual = Effect.suspend(() => read(PlatformPaths.serversFile()))

/** An entry with its key. */
export interface Found {
  readonly key: string
  readonly entry: KnownServer
}

/** Names of servers are compared without regard to case, and without a dot at the end. */
export const normal = (name: string): string => name.toLowerCase().replace(/\.$/, "")

/**
 * The entry of a server: the one with its name, or else the one with the longest `*.domain`, or else `*`. Only this
 * entry counts.
 */
export const find = ({ servers }: KnownServers, server: string): Found | undefined => {
  const name = normal(server)
  const keys = Object.keys(servers)
  const key = keys.find((key) => normal(key) === name) ??
    keys.filter((key) => key.startsWith("*.") && name.endsWith(normal(key.slice(1))))
      .toSorted((a, b) => b.length - a.length)[0] ??
    keys.find((key) => key === "*")
  return key === undefined ? undefined : { key, entry: servers[key]! }
}

/** What a run takes from an entry. The keyring has a password for each key, so the key counts too. */
const content = (found: Found | undefined): string | undefined =>
  found === undefined
    ? undefined
    : JSON.stringify([found.entry, found.entry.password === "keyring" ? normal(found.key) : ""])

/** Fails if the entry of one of these servers differs from `first`. `advice`: what the user can do then. */
const refuseOthers = (
  known: KnownServers,
  first: { readonly server: string; readonly found: Found | undefined },
  servers: ReadonlyArray<string>,
  advice: string
): Result.Result<Found | undefined, UsageError> => {
  const name = normal(first.server)
  const other = servers.map(normal).find((server) =>
    server !== name && content(find(known, server)) !== content(first.found)
  )
  return other === undefined ? Result.succeed(first.found) : Result.fail(
    new UsageError({ detail: `servers.json has different entries for ${name} and ${other}, and ${advice}` })
  )
}

/**
 * What is known of the servers of one run of the command, which has one user and one set of options. Fails if two
 * servers have different entries, or different passwords in the keyring: no server gets the password of another.
 */
export const findAll = (
  known: KnownServers,
  servers: ReadonlyArray<string>
): Result.Result<Found | undefined, UsageError> => {
  const [server, ...rest] = servers
  return server === undefined ? Result.succeed(undefined) : refuseOthers(
    known,
    { server, found: find(known, server) },
    rest,
    "a run has one user and one password: copy in two steps, or let one entry in servers.json (such as *.domain) be " +
      "for both servers"
  )
}

/** Fails if a line of a shell names a server whose entry differs from what the shell was started with. */
export const checkShell = (
  known: KnownServers,
  start: { readonly server: string; readonly found: Found | undefined },
  servers: ReadonlyArray<string>
): Result.Result<Found | undefined, UsageError> =>
  refuseOthers(known, start, servers, "a shell has one user, one password and one set of options: start another shell")

/** Changes the default file, while no other process does. */
export const change = (update: (servers: KnownServers["servers"]) => KnownServers["servers"]) =>
  Effect.suspend(() => {
    const path = PlatformPaths.serversFile()
    return PrivateFile.alone(
      path,
      Effect.flatMap(read(path), ({ servers }) =>
        PrivateFile.replace(path, `${JSON.stringify({ servers: update(servers) }, undefined, 2)}\n`))
    ).pipe(
      Effect.mapError((error) =>
        error instanceof LocalError ? error : new LocalError({ path, detail: oneLine(error.message) })
      ),
      Effect.as(path)
    )
  })
