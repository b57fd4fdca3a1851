/**
 * `serve`: a server from the command line, until it is interrupted.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import { setFlagsFromString } from "node:v8"
import * as KerberosKeys from "../Auth/KerberosKeys.ts"
import { fold } from "../Codec/UpCase.ts"
import type * as Namespace from "../Dfs/Namespace.ts"
import * as IdentityStore from "../Server/IdentityStore.ts"
import type { OpenStoreError } from "../Server/OpenStore.ts"
import * as PrivateFile from "../Server/PrivateFile.ts"
import type { ShareStore, StoreReason } from "../Server/ShareStore.ts"
import * as SmbServer from "../Server/SmbServer.ts"
import * as SqliteOpenStore from "../Server/SqliteOpenStore.ts"
import * as LocalStore from "../Server/Store/LocalStore.ts"
import * as MemoryStore from "../Server/Store/MemoryStore.ts"
import * as UserStore from "../Server/UserStore.ts"
import { LocalError } from "../Transfer/LocalError.ts"
import * as ConnectInstructions from "./ConnectInstructions.ts"
import { type OutputClosed, UsageError } from "./Failure.ts"
import type { Shared } from "./Flags.ts"
import { stopping } from "./Interruption.ts"
import * as NamespaceFile from "./NamespaceFile.ts"
import { jsonLine, write, writeError } from "./Output.ts"
import * as PlatformPaths from "./PlatformPaths.ts"
import * as ServeLog from "./ServeLog.ts"
import * as ServeOptions from "./ServeOptions.ts"

/** The users that can log on, and what the command prints about them. */
interface Accounts {
  readonly users: UserStore.Users
  /** The only user, if the server has just one. */
  readonly user?: string
  /** A password that was generated for this run. */
  readonly password?: string
}

const fileReasons: Record<PrivateFile.Reason, string> = {
  FileNotFound: "there is no such file",
  FileNotReadable: "it cannot be read",
  FileOwnedByOthers: "it belongs to another user of this machine: look at its content, then `chown` it",
  FileReadableByOthers: "other users can read or change it; `chmod 600` it"
}

const largestPassword = 64 * 1024

const passwordOf = Effect.fnUntraced(function*(user: string, shared: Shared) {
  const path = Option.getOrUndefined(shared.passwordFile)
  if (path !== undefined) {
    const text = yield* Effect.mapError(
      PrivateFile.read(path, largestPassword),
      // A person can give the flag the password itself.
      (reason) =>
        reason === "FileNotFound"
          ? new UsageError({
            detail: "--password-file takes the name of a file, and there is no file with the given name. The name is " +
              "not shown because it may be a password"
          })
          : new LocalError({ path, detail: fileReasons[reason] })
    )
    return Redacted.make(text.replace(/^\uFEFF/, "").split(/\r?\n/, 1)[0]!)
  }
  const found = yield* Config.Redacted("SMB_PASSWORD").pipe(Config.option, Effect.orElseSucceed(Option.none))
  if (Option.isSome(found) && Redacted.value(found.value) !== "") return found.value
  return yield* new UsageError({ detail: `no password for ${user}: set SMB_PASSWORD, or give --password-file` })
})

/** All users with a ticket, except machines and services; no user by a password. */
const ofRealm: UserStore.Users = {
  find: (name) => Effect.succeed(/[$/]/.test(name) ? undefined : { name })
}

const accountsOf = Effect.fnUntraced(function*(options: ServeOptions.ServeOptions, shared: Shared) {
  const { guest, user, usersFile } = options
  if (Option.isSome(shared.authenticationFile)) {
    return yield* new UsageError({
      detail:
        "--authentication-file is for clients: give serve its users by --users, or one by --user and --password-file"
    })
  }
  if (usersFile !== undefined) {
    const users = yield* Effect.mapError(
      UserStore.fromFile(usersFile),
      (error) => error.reason._tag === "FileNotFound" ? ServeOptions.missing("--users", usersFile) : error
    )
    return { users } satisfies Accounts as Accounts
  }
  if (user !== undefined) {
    const users = UserStore.inMemory({ [user]: yield* passwordOf(user, shared) })
    return { users, user } satisfies Accounts as Accounts
  }
  if (options.keytab !== undefined) return { users: ofRealm } satisfies Accounts as Accounts
  if (guest) return { users: UserStore.inMemory({}) } satisfies Accounts as Accounts
  // No users were given: a user for this run is created, so that a share is never open to everyone by omission.
  const password = randomBytes(12).toString("base64url")
  return {
    users: UserStore.inMemory({ smb: Redacted.make(password) }),
    user: "smb",
    password
  } satisfies Accounts as Accounts
})

/** The same users. Those with one of the names are administrators. */
const withAdministrators = (users: UserStore.Users, names: ReadonlyArray<string>): UserStore.Users => {
  const administrators = new Set(names.map(fold))
  return {
    find: (name, domain) =>
      Effect.map(
        users.find(name, domain),
        (user) => user !== undefined && administrators.has(fold(user.name)) ? { ...user, administrator: true } : user
      )
  }
}

const largestKeytab = 16 * 1024 * 1024

/** Reads a keytab. A user that has its keys can log on as anyone, so the file must be private. */
const keysOf = (keytab: string): Effect.Effect<KerberosKeys.KerberosKeys, LocalError | UsageError> =>
  PrivateFile.read(keytab, largestKeytab).pipe(
    Effect.mapError((reason) =>
      reason === "FileNotFound"
        ? ServeOptions.missing("--keytab", keytab)
        : new LocalError({ path: keytab, detail: fileReasons[reason] })
    ),
    Effect.andThen(Effect.mapError(
      KerberosKeys.fromKeytab(keytab),
      (error) => new LocalError({ path: keytab, detail: error.detail })
    ))
  )

/**
 * If folders are served, the owners of their files must be known after a restart too. If the identities cannot be
 * stored, as in a read-only container, the server still runs, and the command warns.
 */
const identitiesOf = Effect.fnUntraced(function*(options: ServeOptions.ServeOptions) {
  const forNow = { identity: IdentityStore.inMemory(), warning: undefined }
  if (options.shares.every(({ folder }) => folder === undefined)) return forNow
  return yield* IdentityStore.fromFile(PlatformPaths.identityFile()).pipe(
    Effect.map((identity) => ({ ...forNow, identity })),
    Effect.catch((error) =>
      error.reason._tag === "FileNotWritable"
        ? Effect.succeed({
          ...forNow,
          warning: `${error.message}; whose a file is will not be known after a restart`
        })
        : Effect.fail(error)
    )
  )
})

const folderReasons: Partial<Record<StoreReason["_tag"], string>> = {
  NotFound: "there is no such folder",
  NotDirectory: "it is no folder",
  AccessDenied: "permission denied"
}

/** `readOnly`: the store creates nothing in the folder either. */
const storeOf = (
  folder: string | undefined,
  readOnly: boolean,
  mapNames: boolean
): Effect.Effect<ShareStore, LocalError, Scope.Scope> =>
  folder === undefined
    ? MemoryStore.make()
    : Effect.mapError(
      LocalStore.make(folder, { readOnly, mapNames }),
      (error) => {
        const why = error.cause instanceof Error ? error.cause.message : undefined
        return new LocalError({ path: folder, detail: why ?? folderReasons[error.reason._tag] ?? error.message })
      }
    )

const isLoopback = (host: string): boolean => host.startsWith("127.") || host === "::1"

const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::"

const announce = (
  { host, port }: { readonly host: string; readonly port: number },
  options: ServeOptions.ServeOptions,
  { password, user }: Accounts,
  json: boolean
): Effect.Effect<void, OutputClosed | LocalError> => {
  const shares = [
    ...new Set([...options.shares.map(({ name }) => name), ...Object.keys(options.namespace?.roots ?? {})])
  ]
  const secret = password === undefined ? {} : { password }
  const known = user === undefined ? {} : { user }
  if (json) return write(jsonLine({ event: "listening", host, port, shares, ...known, ...secret }))
  const places = options.shares.map(({ folder, name, readOnly }) =>
    `  ${name}: ${folder ?? "in memory, gone when this stops"}${
      readOnly === true || options.readOnly ? ", read only" : ""
    }`
  )
  const roots = Object.keys(options.namespace?.roots ?? {}).map((name) => `  ${name}: a DFS namespace`)
  const accounts = user === undefined
    ? options.guest ? "Guests may come in." : ""
    : `User ${user}${password === undefined ? "" : `, for this run with the password ${password}`}.`
  const reachable = isAny(host) ? hostname() : host
  return write(
    [
      `Listening on ${host}, port ${port}. Stop it with Ctrl-C.`,
      ...(isLoopback(host)
        ? [`Only this machine can connect; --host ${host === "::1" ? "::" : "0.0.0.0"} lets others.`]
        : []),
      ...places,
      ...roots,
      ...(accounts === "" ? [] : [accounts]),
      "",
      // With a file of users, each user can put their own name there; a guest can log on only if a flag allows it.
      ConnectInstructions.lines({
        host: reachable,
        port,
        share: shares[0]!,
        user: user ?? (options.guest ? "guest" : "NAME")
      }),
      ""
    ].join("\n")
  )
}

const hosted = (
  namespace: Namespace.Namespace,
  file: string | undefined
): Effect.Effect<Namespace.Namespace | SubscriptionRef.SubscriptionRef<Namespace.Namespace>, never, Scope.Scope> =>
  file === undefined ? Effect.succeed(namespace) : NamespaceFile.follow(file, namespace)

/**
 * V8 doubles the space for new objects each time that enough of them stay, up to 128 MiB, and most of that is then
 * empty: with thousands of open files that is more than the files take. The space at the start of the server is enough
 * for the same speed.
 */
const keepYoungSpace = Effect.sync(() => setFlagsFromString("--semi-space-growth-factor=1"))

const run = Effect.fnUntraced(function*(flags: ServeOptions.ServeFlags, shared: Shared) {
  const options = yield* ServeOptions.resolve(flags, shared, yield* ServeOptions.readConfiguration(flags.config))
  const accounts = yield* accountsOf(options, shared)
  const shares: Record<string, SmbServer.Share> = {}
  const readOnly = options.readOnly ? { readOnly: true } : {}
  const { shortNames } = options
  for (const { folder, mapNames = options.mapNames, name, ...how } of options.shares) {
    const store = yield* storeOf(folder, options.readOnly || how.readOnly === true, mapNames)
    shares[name] = { shortNames, ...how, ...readOnly, store }
  }
  // Roots without a share of the same name.
  for (const name of Object.keys(options.namespace?.roots ?? {})) {
    if (Object.keys(shares).some((share) => fold(share) === fold(name))) continue
    shares[name] = { ...readOnly, shortNames, store: MemoryStore.make() }
  }
  const { identity, warning } = yield* identitiesOf(options)
  const server = yield* SmbServer.make({
    host: options.host,
    port: options.port,
    users: withAdministrators(accounts.users, options.administrators),
    identity,
    shares,
    ...(options.keytab === undefined ? {} : { kerberos: yield* keysOf(options.keytab) }),
    signing: options.signing,
    encryption: options.encryption,
    limits: options.limits,
    dialects: options.dialects,
    guest: options.guest ? "unknown" : "never",
    openStore: options.openStore === undefined ? undefined : SqliteOpenStore.make(options.openStore),
    handOver: options.handOver,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.namespace === undefined ? {} : { namespaces: yield* hosted(options.namespace, options.namespaceFile) })
  })
  yield* keepYoungSpace
  stopping.isDone = true
  stopping.patience = 10_000
  yield* Effect.addFinalizer(() =>
    shared.json
      ? Effect.annotateLogs(Effect.logInfo("stopping"), { event: "stopping" })
      : writeError("Stopping.\n")
  )
  yield* announce(server, options, accounts, shared.json)
  if (warning !== undefined) yield* Effect.logWarning(warning)
  return yield* Effect.never
})

/** Serves until it is interrupted; then it closes connections and files, and ends. */
export const serve = (
  flags: ServeOptions.ServeFlags,
  shared: Shared
): Effect.Effect<
  never,
  | UsageError
  | LocalError
  | OutputClosed
  | UserStore.UserFileError
  | IdentityStore.IdentityError
  | SmbServer.ListenError
  | OpenStoreError
> =>
  Effect.scoped(run(flags, shared)).pipe(
    Effect.provide(ServeLog.layer(shared.json)),
    Effect.provideService(References.MinimumLogLevel, shared.json ? "Trace" : "Debug")
  )
