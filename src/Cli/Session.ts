/** Makes a client from the flags: the user to log on as, and how to connect. */
import * as Prompt from "effect/cli/Prompt"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Terminal from "effect/Terminal"
import * as Authenticator from "../Auth/Authenticator.ts"
import * as Credentials from "../Auth/Credentials.ts"
import * as Kerberos from "../Auth/Kerberos.ts"
import * as SmbClient from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as DfsAdapter from "../Dfs/DfsAdapter.ts"
import type { DfsResolver } from "../Dfs/DfsResolver.ts"
import * as SiteFinder from "../Dfs/SiteFinder.ts"
import * as TcpTransport from "../Layers/TcpTransport.ts"
import type { Transport } from "../Protocol/Transport.ts"
import * as AuthenticationFile from "./AuthenticationFile.ts"
import { UsageError } from "./Failure.ts"
import { reconnectOf, type Shared, withPassword } from "./Flags.ts"
import { Keyring, type KeyringError } from "./Keyring.ts"
import type { Found } from "./KnownServers.ts"
import * as NameServer from "./NameServer.ts"
import { writeError } from "./Output.ts"
import * as PasswordCommand from "./PasswordCommand.ts"
import * as Reconnecting from "./Reconnecting.ts"
import type { Remote } from "./Remote.ts"
import * as Verbose from "./Verbose.ts"

/**
 * Whether a user is at the terminal to answer questions. The question goes to standard error, because the output often
 * goes to a pipe.
 */
const isAttended = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true

/** Config treats an empty variable as set; a user that empties it means that it is not set. */
const variable = (name: string): Effect.Effect<string | undefined> =>
  Config.String(name).pipe(
    Config.option,
    Effect.map((found) => Option.getOrUndefined(Option.filter(found, (text) => text !== ""))),
    Effect.orElseSucceed(() => undefined)
  )

/** Asks the user. After a cancelled question the cursor goes to the start of a new line. */
const ask = <A>(prompt: Prompt.Prompt<A>) => Effect.tapError(prompt, () => writeError("\n"))

const single = (remotes: ReadonlyArray<Remote>): Effect.Effect<string | undefined, UsageError> => {
  const users = new Set(remotes.flatMap(({ user }) => user === undefined ? [] : [user]))
  return users.size > 1
    ? Effect.fail(new UsageError({ detail: `one user at a time, and these paths name ${[...users].join(" and ")}` }))
    : Effect.succeed([...users][0])
}

/** Reads the file of a flag. A person can give the flag the password itself, so a file that does not exist has no name. */
const readFileOf = Effect.fnUntraced(function*(flag: string, path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.catchReason(
    fs.readFileString(path),
    "PlatformError",
    "NotFound",
    () =>
      Effect.fail(
        new UsageError({
          detail: `${flag} takes the name of a file, and there is no file with the given name. The name is not shown ` +
            "because it may be a password"
        })
      )
  )
})

/** Fails for `name%password`: the name would be shown in messages, and sent to the server. */
const nameAlone = (name: string | undefined, place: string): Effect.Effect<string | undefined, UsageError> =>
  name?.includes("%") === true ? Effect.fail(new UsageError({ detail: withPassword(place) })) : Effect.succeed(name)

const readPasswordFile = Effect.fnUntraced(function*(path: string) {
  const text = yield* readFileOf("--password-file", path)
  return Redacted.make(text.replace(/^\uFEFF/, "").split(/\r?\n/, 1)[0]!)
})

/** The user of `-A`; empty without that flag. */
const readAuthenticationFile = Effect.fnUntraced(function*(options: Shared) {
  if (Option.isNone(options.authenticationFile)) return {}
  const path = options.authenticationFile.value
  const parsed = AuthenticationFile.parse(yield* readFileOf("--authentication-file", path))
  if (Result.isFailure(parsed)) return yield* new UsageError({ detail: `${path}: ${parsed.failure}` })
  return parsed.success
})

/** Whether two texts name the same user. */
const isSameUser = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** The password that `servers.json` leads to, if it has one for this user. */
const knownPassword = Effect.fnUntraced(function*(user: string, known: Found | undefined) {
  if (known === undefined) return undefined
  const { entry, key } = known
  if (entry.user !== undefined && !isSameUser(entry.user, user)) return undefined
  if (entry.passwordCommand !== undefined) return yield* PasswordCommand.run(entry.passwordCommand)
  if (entry.password === undefined) return undefined
  return yield* (yield* Keyring).get(key, entry.user ?? user)
})

const password = Effect.fnUntraced(function*(
  user: string,
  server: string,
  file: string | undefined,
  given: Redacted.Redacted<string> | undefined,
  known: Found | undefined
) {
  if (file !== undefined) return yield* readPasswordFile(file)
  if (given !== undefined) return given
  // An empty password is a password.
  const found = yield* Config.Redacted("SMB_PASSWORD").pipe(Config.option, Effect.orElseSucceed(Option.none))
  if (Option.isSome(found)) return found.value
  const kept = yield* knownPassword(user, known)
  if (kept !== undefined) return kept
  if (isAttended()) return yield* ask(Prompt.Hidden({ message: `Password of ${user} on ${server}` }))
  return yield* new UsageError({
    detail:
      `no password for ${user}: set SMB_PASSWORD, give --password-file, run "effect-smb login //${server}" once, ` +
      "or run it on a terminal to be asked"
  })
})

/** The ticket to use: that of the given user, as a principal, or the default one of the cache or the keytab. */
const ticket = (named: string | undefined, keytab: string | undefined): Credentials.Credential => {
  const { domain, user } = Credentials.parseName(named ?? "")
  const principal = domain.includes(".") ? `${user}@${domain.toUpperCase()}` : user
  return Credentials.kerberos({
    ...(user === "" ? {} : { principal }),
    ...(keytab === undefined ? {} : { keytab })
  })
}

/** Whether to log on only by Kerberos. */
export const byKerberos = (options: Shared): boolean => options.kerberos || Option.isSome(options.keytab)

/** The user to log on as, from `--guest`, `--user`, the path, SMB_USER, or the terminal, in this order. */
export const credential = Effect.fnUntraced(function*(
  options: Shared,
  remotes: ReadonlyArray<Remote>,
  known?: Found
): Effect.fn.Return<
  Credentials.Credential,
  | UsageError
  | PlatformError
  | Terminal.QuitError
  | KeyringError
  | PasswordCommand.PasswordCommandError,
  FileSystem.FileSystem | Prompt.Environment | ChildProcessSpawner | Keyring
> {
  for (const { user } of remotes) yield* nameAlone(user, "the user of a path")
  const ofFlagOrPath = Option.getOrUndefined(options.user) ?? (yield* single(remotes))
  if (options.guest && Option.isSome(options.authenticationFile)) {
    return yield* new UsageError({ detail: "either --guest or --authentication-file, not both" })
  }
  const fromFile: AuthenticationFile.AuthenticationFile = yield* readAuthenticationFile(options)
  yield* nameAlone(fromFile.username, "username in the file of --authentication-file")
  if (ofFlagOrPath !== undefined && fromFile.username !== undefined && ofFlagOrPath !== fromFile.username) {
    return yield* new UsageError({
      detail: `either the user of --authentication-file (${fromFile.username}) or ${ofFlagOrPath}, not both`
    })
  }
  const named = ofFlagOrPath ?? fromFile.username
  const file = Option.getOrUndefined(options.passwordFile)
  if (options.guest) {
    if (byKerberos(options)) return yield* new UsageError({ detail: "--guest has no ticket: leave --kerberos out" })
    if (named !== undefined) return yield* new UsageError({ detail: `either --guest or a user (${named}), not both` })
    if (file !== undefined) {
      return yield* new UsageError({ detail: "--guest has no password: leave --password-file out" })
    }
    return Credentials.guest
  }
  if (byKerberos(options) && file === undefined && fromFile.password === undefined) {
    return ticket(
      named ?? (known?.entry.kerberos === true ? known.entry.user : undefined),
      Option.getOrUndefined(options.keytab)
    )
  }
  if (Option.isSome(options.keytab)) {
    return yield* new UsageError({ detail: "either --keytab or a password from a file, not both" })
  }
  const server = remotes[0]?.server ?? ""
  const ofVariable = yield* nameAlone(yield* variable("SMB_USER"), "SMB_USER")
  yield* nameAlone(known?.entry.user, "user in servers.json")
  const user = named ?? ofVariable ?? known?.entry.user ??
    (isAttended() ? yield* ask(Prompt.String({ message: `User on ${server}` })) : undefined)
  yield* nameAlone(user, `User on ${server}`)
  if (user === undefined || user === "") {
    return yield* new UsageError({
      detail: "no user to log on as: give --user, write smb://user@host/share, set SMB_USER, run " +
        `"effect-smb login //${server}" once, or use --guest`
    })
  }
  // The variable belongs to SMB_USER, or to a user without a domain that is named for this run.
  const isKnown = named === undefined && ofVariable === undefined && known?.entry.user !== undefined
  const domain = fromFile.domain ?? (isKnown ? undefined : yield* variable("SMB_DOMAIN"))
  return Credentials.password(
    user,
    yield* password(user, server, file, fromFile.password, known),
    domain === undefined ? {} : { domain }
  )
})

/**
 * The client for the flags. DFS targets use `port` unless a flag gives another. Without DFS the client has no resolver.
 */
export const layer = (
  options: Shared,
  who: Credentials.Credential,
  port: number = UncPath.defaultPort
): Layer.Layer<SmbClient.SmbClient> =>
  Layer.unwrap(Effect.map(NameServer.make(options.dns), (names) => layers(options, who, port, names).client))

/** The client, and the resolver that it uses for DFS; `port` is the servers' port. */
export const layerWithResolver = (
  options: Shared,
  who: Credentials.Credential,
  port: number
): Layer.Layer<SmbClient.SmbClient | DfsResolver> =>
  Layer.unwrap(Effect.map(NameServer.make(options.dns), (names) => layers(options, who, port, names).resolver))

/** The connections below a client, for steps that a client does not show one by one. */
export const network = (options: Shared): Effect.Effect<{
  readonly transport: Layer.Layer<Transport>
  /** The addresses of a server. `given`: the user has named them. */
  readonly addressesOf: (server: string) => ReturnType<typeof TcpTransport.addressesOf>
}> =>
  Effect.map(NameServer.make(options.dns), (names) => {
    const settings = tcpOptions(options, names)
    return {
      transport: TcpTransport.layer(settings),
      addressesOf: (server) => TcpTransport.addressesOf({ host: server, port: UncPath.defaultPort }, settings)
    }
  })

const tcpOptions = (options: Shared, { lookup }: NameServer.Names): TcpTransport.Options => ({
  ...Option.match(options.timeout, {
    onNone: () => ({}),
    onSome: (seconds) => ({ connectTimeout: Duration.seconds(seconds) })
  }),
  addresses: options.address,
  ...(lookup === undefined ? {} : { lookup })
})

const layers = (
  options: Shared,
  who: Credentials.Credential,
  port: number,
  found: NameServer.Names
) => {
  const { controllers, lookup } = found
  const timeout = Option.map(options.timeout, Duration.seconds)
  const names = lookup === undefined ? {} : { lookup }
  const plain = SmbClient.layerWithAuthenticator({
    dialects: options.dialect,
    signing: Option.getOrElse(options.signing, () => "required" as const),
    encryption: Option.getOrElse(options.encryption, () => "off" as const),
    names: options.names,
    ...Option.match(options.reconnect, {
      onNone: () => ({}),
      onSome: (text) => {
        const given = reconnectOf(text) ?? "never"
        return { reconnect: given === "never" ? given : Duration.seconds(given) }
      }
    }),
    onReconnect: Reconnecting.tell(options.json),
    ...(Option.isSome(timeout) ? { requestTimeout: timeout.value } : {}),
    ...(Option.isSome(options.pendingTimeout) ? { pendingTimeout: Duration.seconds(options.pendingTimeout.value) } : {})
  }).pipe(
    Layer.provide([
      byKerberos(options) ? Kerberos.layer() : Authenticator.layerNtlm,
      TcpTransport.layer(tcpOptions(options, found)),
      Credentials.layer(who)
    ])
  )
  const listened = Verbose.layer(options.verbose.filter((set) => set).length, options.json)
  const adapted = DfsAdapter.layer({
    mode: options.dfs === "strict" ? "strict" : "fallback",
    port: Option.getOrElse(options.dfsPort, () => port),
    ...(options.site === "auto" || options.site === "none" ? {} : { siteName: options.site })
  }).pipe(
    Layer.provide([
      plain,
      controllers,
      options.site === "auto" ? SiteFinder.layerLdap(names) : SiteFinder.layerNone
    ])
  )
  return {
    client: Layer.provideMerge(options.dfs === "off" ? plain : adapted, listened),
    resolver: Layer.provideMerge(adapted, listened)
  }
}
