/**
 * The flags that every subcommand takes, and the arguments that several share.
 */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import { isIPv6 } from "node:net"
import * as SrvQuery from "../Dfs/SrvQuery.ts"
import type { Address } from "../Layers/TcpTransport.ts"
import { allDialects, type Dialect } from "../Smb2/Settings.ts"
import { UsageError } from "./Failure.ts"
import * as Remote from "./Remote.ts"
import * as CurrentDirectory from "./Shell/CurrentDirectory.ts"

const wrong = (message: string) => new CliError.UserError({ cause: message, userMessage: message })

/** A list of dialects, such as `2.1,3.0`. Fails with the message for the user. */
export const dialectsOf = (text: string): Result.Result<ReadonlyArray<Dialect>, string> => {
  const dialects: Array<Dialect> = []
  for (const name of text.split(",").map((name) => name.trim().toLowerCase())) {
    const dialect = name === "nt1" ? "NT1" : allDialects.find((known) => known === name)
    if (dialect === undefined) {
      return Result.fail(`${JSON.stringify(name)} is none of ${allDialects.join(", ")} and nt1`)
    }
    dialects.push(dialect)
  }
  return Result.succeed(dialects)
}

const parseDialects = (text: string): Effect.Effect<ReadonlyArray<Dialect>, CliError.UserError> =>
  Effect.mapError(Effect.fromResult(dialectsOf(text)), (message) => wrong(`--dialect: ${message}`))

/** `NAME=ADDRESS[:PORT]`, or only the address for every server. */
export const parseAddress = (
  text: string
): Effect.Effect<readonly [name: string, place: Address], CliError.UserError> => {
  const at = text.indexOf("=")
  const place = text.slice(at + 1)
  // An IPv6 address without brackets has no port.
  const bare = isIPv6(place.split("%", 1)[0]!)
  const read = Remote.parse(bare ? `//[${place}]` : `//${place}`, { share: false })
  const name = at < 0 ? "*" : text.slice(0, at)
  if (Result.isFailure(read) || name === "" || read.success.share !== "" || read.success.user !== undefined) {
    return Effect.fail(wrong(`--address: ${JSON.stringify(text)} is no NAME=ADDRESS or NAME=ADDRESS:PORT`))
  }
  const { port, server } = read.success
  const names = Result.match(Remote.parse(`//${name}`, { share: false }), {
    onFailure: () => name,
    onSuccess: (host) => host.server
  })
  return Effect.succeed([names, { host: server, ...(!bare && /:\d+$/.test(place) ? { port } : {}) }])
}

/** The answer to `name%password` in a place for a name. It does not show the value. */
export const withPassword = (place: string): string =>
  `${place} takes a name, and no % with a password after it: other users of this machine can see a password on the ` +
  "command line, and a server would get it as a part of the name. Use --password-file, SMB_PASSWORD, -A with a file " +
  "of smbclient, or effect-smb login"

/** How long to try again after a lost connection, in seconds, or `never`; `undefined` for another text. */
export const reconnectOf = (text: string): number | "never" | undefined => {
  if (text === "never") return text
  const seconds = text.trim() === "" ? Number.NaN : Number(text)
  return seconds >= 0 && seconds <= 86_400 ? seconds : undefined
}

/** The flags that are allowed before and after the subcommand. */
export const shared = {
  user: Flag.String("user").pipe(
    Flag.withAlias("U"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("Log on as 'DOMAIN\\name', name@domain or name; goes before a user in the path and SMB_USER"),
    // smbclient takes name%password: the password would be shown as a part of the name, and sent in it.
    // A filter would show the value in its message.
    Flag.mapEffect((name) => name.includes("%") ? Effect.fail(wrong(withPassword("--user"))) : Effect.succeed(name)),
    Flag.optional
  ),
  passwordFile: Flag.String("password-file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Read the password from the first line of FILE; goes before SMB_PASSWORD and the prompt"),
    Flag.optional
  ),
  authenticationFile: Flag.String("authentication-file").pipe(
    Flag.withAlias("A"),
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Read the user from FILE, which has lines username = , password = and domain = as for smbclient"
    ),
    Flag.optional
  ),
  guest: Flag.Boolean("guest").pipe(
    Flag.withDescription("Log on as Guest without a password; such a session can be neither signed nor encrypted"),
    Flag.withDefault(false)
  ),
  kerberos: Flag.Boolean("kerberos").pipe(
    Flag.withDescription(
      "Log on by Kerberos and never by NTLM: with the ticket of kinit, or by --password-file; needs the package koffi"
    ),
    Flag.withDefault(false)
  ),
  keytab: Flag.String("keytab").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Log on by Kerberos with the keys in FILE, as --user or as the first principal in it; serve takes its own keys from it"
    ),
    Flag.optional
  ),
  dfs: Flag.Literals("dfs", ["off", "fallback", "strict"]).pipe(
    Flag.withDescription(
      "Follow DFS links: off; fallback (the default), and go on without where a server has no DFS; strict"
    ),
    Flag.optional
  ),
  site: Flag.String("site").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "This machine's Active Directory site, for near targets of a domain's namespace: a name; auto (the default), and " +
        "ask a controller of the domain; none"
    ),
    Flag.optional
  ),
  dns: Flag.String("dns").pipe(
    Flag.withMetavar("SERVER"),
    Flag.withDescription(
      "Where to look for the controllers of a domain: an address of a name server, which is then asked for names of " +
        "servers too; system (the default); none"
    ),
    Flag.filter(
      (text) => text === "system" || text === "none" || SrvQuery.isNameServer(text),
      (text) => `the address of a name server, such as 10.0.0.1 or [fe80::1]:53, system or none, not ${text}`
    ),
    Flag.optional
  ),
  address: Flag.String("address").pipe(
    Flag.withAlias("I"),
    Flag.withMetavar("[NAME=]ADDRESS[:PORT]"),
    Flag.withDescription(
      "Connect to ADDRESS for the server NAME, or for every server, which keeps its name in all else; may be repeated"
    ),
    Flag.atLeast(0),
    Flag.mapEffect((texts) => Effect.map(Effect.forEach(texts, parseAddress), (all) => Object.fromEntries(all)))
  ),
  dfsPort: Flag.Int("dfs-port").pipe(
    Flag.filter((port) => port > 0 && port <= 65_535, (port) => `a port from 1 to 65535, not ${port}`),
    Flag.withMetavar("PORT"),
    Flag.withDescription("The port of the servers that DFS referrals name. Default: the port of the path"),
    Flag.optional
  ),
  dialect: Flag.String("dialect").pipe(
    Flag.withMetavar("LIST"),
    Flag.withDescription(
      `Offer only these dialects, such as 3.1.1 or 2.1,3.0. Default: ${allDialects.join(", ")}. ` +
        "nt1 is SMB 1, which is insecure and never offered by default"
    ),
    Flag.mapEffect(parseDialects),
    Flag.optional
  ),
  signing: Flag.Literals("signing", ["required", "if-required"]).pipe(
    Flag.withDescription("Sign every message (required, the default), or only if the server requires it"),
    Flag.optional
  ),
  encryption: Flag.Literals("encryption", ["off", "if-offered", "required"]).pipe(
    Flag.withDescription("Encrypt if the server requires it (off, the default), if the server can, or always"),
    Flag.optional
  ),
  names: Flag.Literals("names", ["unchanged", "mapped"]).pipe(
    Flag.withDescription(
      "Names as SMB carries them (unchanged, the default), or as a server with Unix files has them: with : ? * \" < > | " +
        "and others in place of characters of Unicode's private use area (mapped)"
    ),
    Flag.optional
  ),
  timeout: Flag.Finite("timeout").pipe(
    Flag.filter(
      (seconds) => seconds > 0 && seconds <= 86_400,
      (seconds) => `a number of seconds above 0, not ${seconds}`
    ),
    Flag.withMetavar("SECONDS"),
    Flag.withDescription("The timeout of a connection or a request. Default: 10 and 30 seconds"),
    Flag.optional
  ),
  reconnect: Flag.String("reconnect").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(
      "How long to try again after a lost connection, so that transfers go on: a number of seconds, or never. " +
        "Default: 60"
    ),
    Flag.filter(
      (text) => reconnectOf(text) !== undefined,
      (text) => `a number of seconds from 0 to 86400, or never, not ${text}`
    ),
    Flag.optional
  ),
  pendingTimeout: Flag.Finite("pending-timeout").pipe(
    Flag.filter(
      (seconds) => seconds > 0 && seconds <= 86_400,
      (seconds) => `a number of seconds above 0, not ${seconds}`
    ),
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(
      "The timeout of a request that the server still works on (STATUS_PENDING). Default: ten times --timeout, " +
        "or 300 seconds"
    ),
    Flag.optional
  ),
  verbose: Flag.Boolean("verbose").pipe(
    Flag.withAlias("v"),
    Flag.withDescription(
      "Show each response of a server and each step through DFS on standard error; -vv also each request"
    ),
    Flag.atLeast(0)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object a line; failures as an object on standard error"),
    Flag.withDefault(false)
  )
} as const

/** The shared flags as the user has given them. */
export type Given = Command.Command.Config.Infer<typeof shared>

type WithDefaults = "dfs" | "site" | "dns" | "dialect" | "names"

/** The values of the shared flags, with the options that are known of the server, and with the defaults. */
export type Shared =
  & Omit<Given, WithDefaults>
  & { readonly [Name in WithDefaults]: Option.Option.Value<Given[Name]> }

const parse = (share: boolean) => (text: string): Effect.Effect<Remote.Remote, CliError.UserError> =>
  Effect.flatMap(CurrentDirectory.CurrentDirectory, (here) =>
    Result.match(
      here === undefined ? Remote.parse(text, { share }) : CurrentDirectory.resolve(here, text, { share }),
      {
        onSuccess: (remote) => Effect.succeed(remote),
        onFailure: (message) => Effect.fail(wrong(message))
      }
    ))

/** A path on a share, of a word that only the subcommand knows to be a path. */
export const parseRemote = (text: string): Effect.Effect<Remote.Remote, UsageError> =>
  Effect.mapError(parse(true)(text), ({ userMessage }) => new UsageError({ detail: userMessage ?? text }))

/** Refuses words of the command line. */
export const refuse = (detail: string): Effect.Effect<never, UsageError> => Effect.fail(new UsageError({ detail }))

const path = (name: string, share: boolean) => Argument.String(name).pipe(Argument.mapEffect(parse(share)))

/** A path on a share. */
export const remote = (
  name = "remote",
  description = "//host[:port]/share/path, \\\\host\\share\\path or smb://user@host/share/path"
) => path(name, true).pipe(Argument.withDescription(description))

/** A server, with or without a share. */
export const server = path("server", false).pipe(
  Argument.withDescription("//host[:port], \\\\host or smb://user@host:port")
)

/** A path on this machine. */
export const local = Argument.String("local")
