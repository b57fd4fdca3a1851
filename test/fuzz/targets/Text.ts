/** Texts of users and of files: paths, patterns, URLs, words of the shell, sizes, times, and all files that are read. */
import { Cause, type Config, ConfigProvider, Effect, Exit, Redacted, Result, Schema } from "effect"
import { inspect } from "node:util"
import * as AclChange from "../../../src/Cli/AclChange.ts"
import * as AuthenticationFile from "../../../src/Cli/AuthenticationFile.ts"
import * as UrlPath from "../../../src/Cli/Http/UrlPath.ts"
import * as KnownServers from "../../../src/Cli/KnownServers.ts"
import * as Quantity from "../../../src/Cli/Quantity.ts"
import * as Words from "../../../src/Cli/Shell/Words.ts"
import * as UncPath from "../../../src/Client/UncPath.ts"
import * as DosWildcard from "../../../src/Codec/DosWildcard.ts"
import * as FileTime from "../../../src/Codec/FileTime.ts"
import * as Guid from "../../../src/Codec/Guid.ts"
import * as ShortName from "../../../src/Codec/ShortName.ts"
import * as DfsPath from "../../../src/Dfs/DfsPath.ts"
import * as Namespace from "../../../src/Dfs/Namespace.ts"
import * as SmbServer from "../../../src/Server/SmbServer.ts"
import * as SidecarRecord from "../../../src/Server/Store/internal/SidecarRecord.ts"
import * as Smb from "../../../src/Smb/Smb.ts"
import * as RecordedTransport from "../../../src/Testing/RecordedTransport.ts"
import { family, holds, text, words } from "../Promises.ts"

const base: UncPath.UncPath = Result.getOrThrow(UncPath.parse("\\\\nas\\media\\films"))

const isText = (value: unknown, what: string): void => holds(typeof value === "string" && value !== "", what)

const unc = text("UncPath", (input) => {
  isText(UncPath.shown(input) + " ", "no path is shown")
  const parsed = UncPath.parse(input)
  if (Result.isFailure(parsed)) return isText(parsed.failure.message, "a refusal without a message")
  const path = parsed.success
  holds(!path.server.includes("\\") && !path.share.includes("\\"), "a separator is in a server's or a share's name")
  const written = UncPath.format(path)
  const again = UncPath.parse(written)
  holds(Result.isSuccess(again), `a parsed path is refused after it was written: ${JSON.stringify(written)}`)
  holds(
    UncPath.format(again.success) === written && again.success.path === path.path && again.success.share === path.share,
    `a path changes when it is written: ${JSON.stringify(written)} to ${JSON.stringify(UncPath.format(again.success))}`
  )
}, [
  "\\\\nas\\media\\films\\a.txt",
  "//nas:4455/media/films",
  "smb://CORP;joe@nas/media/a%20b?x#y",
  "\\\\?\\UNC\\nas\\media\\x",
  "//CORP;joe@[fe80::1%25eth0]:445/media/x",
  "\\\\[::1]\\a\\..\\b"
])

const below = text("UncPath.resolve", (input) => {
  const resolved = UncPath.resolve(base, input)
  if (Result.isFailure(resolved)) return isText(resolved.failure.message, "a refusal without a message")
  const { path, server, share } = resolved.success
  holds(
    server === base.server && share === base.share && (path === base.path || path.startsWith(`${base.path}\\`)),
    `a text leads above its folder: ${JSON.stringify(path)}`
  )
  holds(
    !path.split("\\").some((name) => name === ".." || name === "."),
    `a path has dots in it: ${JSON.stringify(path)}`
  )
}, ["a/b/../c.txt", "..\\..\\x", "./a/./b/", "a/.. /b", "@GMT-2026.11.30-00.00.00\\x"])

const wildcard = text("DosWildcard", (input) => {
  const cut = input.indexOf("|")
  const [expression, name] = cut < 0 ? [input, input] : [input.slice(0, cut), input.slice(cut + 1)]
  const matcher = new DosWildcard.Matcher(expression)
  matcher.matches(name)
  const most = (expression.length + 2) * (name.length + 2) * 2 + 8
  holds(matcher.steps <= most, `${matcher.steps} steps for ${expression.length} and ${name.length} characters`)
}, ["*.txt|a.txt", "<.\">|a.b.c", "*a*a*a*a*b|aaaaaaaaaaaaaaaaaaaa", "????>>>\"\"\"|a...", "<<<<<<*|........"])

const names = text("names", (input) => {
  const short = ShortName.generate(input)
  // A name without a usable character has a generated name of a hash alone, which is short as well.
  holds(short.length <= 12, `a short name is not short: ${JSON.stringify(short)}`)
  ShortName.isShort(input)
  ShortName.isGenerated(input)
  DfsPath.key(DfsPath.fromString(input))
  DfsPath.isSysvol(DfsPath.fromString(input))
  const guid = Guid.fromString(input)
  if (Result.isSuccess(guid)) holds(Guid.fromBytes(Guid.toBytes(guid.success)) === guid.success, "a GUID changes")
}, ["long name.document", "CON", "bf967a86-0de6-11d0-a285-00aa003049e2", "a.b.c", ".htaccess"])

const times = text("times and sizes", (input) => {
  const [exact, typed] = [FileTime.fromISO(input), Quantity.parseTime(input, 1_790_000_000_000)]
  if (Result.isSuccess(exact)) FileTime.toISO(exact.success)
  if (Result.isSuccess(typed)) FileTime.toISO(typed.success)
  const size = Quantity.parseSize(input)
  if (Result.isSuccess(size)) isText(Quantity.human(size.success), "a size is not shown")
}, ["2026-11-30T14:05:00.1234567Z", "2026-11-30", "90m", "1.5G", "512", "2026-02-31 23:59", "2GiB"])

const url = text("UrlPath", (input) => {
  const located = UrlPath.parse(input)
  UrlPath.parameter(input, "download")
  if (Result.isFailure(located)) return
  for (const name of located.success.names) {
    holds(
      name !== "" && name !== ".." && name !== "." && !/[\\/\0]/.test(name),
      `a URL leads elsewhere: ${JSON.stringify(name)}`
    )
    const again = UrlPath.parse(`/${UrlPath.encodeName(name)}`)
    holds(
      Result.isSuccess(again) && again.success.names[0] === name,
      `a name changes in its URL: ${JSON.stringify(name)}`
    )
  }
}, ["/films/a%20b.mp4?download", "/%ED%A0%80/x/", "/%2e%2e/", "//a", "/a%5Cb"])

const shell = text("words of the shell", (input) => {
  Words.unfinished(input)
  const parsed = Words.parse(input)
  if (Result.isFailure(parsed)) return isText(parsed.failure, "a refusal without a message")
  for (const word of parsed.success.flat()) {
    if (word === "" || word.includes("\n")) continue
    const again = Words.parse(Words.written(word))
    holds(
      Result.isSuccess(again) && again.success.length === 1 && again.success[0]!.length === 1 &&
        again.success[0]![0] === word,
      `a word changes when it is written: ${JSON.stringify(word)} as ${Words.written(word)}`
    )
  }
}, ["ls -l 'a b' \"c\\\"d\" e\\ f; cd ..", "get a\\", "# comment", "put a > b | c && d"])

const acl = text("entries of acl", (input) => {
  for (const denied of [true, false]) {
    const entry = AclChange.parseEntry(input, { denied })
    if (Result.isFailure(entry)) isText(entry.failure, "a refusal without a message")
  }
  const set = AclChange.checkSet(input)
  if (Result.isFailure(set)) isText(set.failure, "a refusal without a message")
}, ["ann:change", "CORP\\joe:(OI)(CI)RX", "ann:()0x1200a9", "D:(A;;FA;;;DA)"])

export const texts = family("texts", [unc, below, wildcard, names, times, url, shell, acl], {
  most: 1024,
  words: words(
    "\\\\",
    "//",
    "smb://",
    "..",
    "@GMT-",
    "%",
    "%2e",
    "[",
    "]",
    ":",
    "@",
    ";",
    "*",
    "?",
    "<",
    ">",
    "\"",
    "'",
    "\\",
    "|",
    " ",
    "\0",
    "(OI)",
    ":("
  )
})

// -----------------------------------------------------------------------------
// files
// -----------------------------------------------------------------------------

const servers = Schema.decodeUnknownResult(Schema.fromJsonString(KnownServers.KnownServers), {
  onExcessProperty: "error"
})

const secret = "pA55w0rd-of-joe"

const authentication = text("authentication file", (input) => {
  const parsed = AuthenticationFile.parse(input)
  if (Result.isFailure(parsed)) return holds(!parsed.failure.includes(secret), "the message shows the password")
  const { password } = parsed.success
  holds(password === undefined || Redacted.isRedacted(password), "the password is plain text")
  holds(!JSON.stringify({ password }).includes(secret), "the password is shown")
}, [`username = joe\npassword = ${secret}\ndomain = CORP\n`, `\ufeff# file\r\nPASSWORD=${secret}\r\n`])

const known = text("servers.json", (input) => {
  const parsed = servers(input.replace(/^\uFEFF/, ""))
  if (Result.isFailure(parsed)) return isText(parsed.failure.message, "a refusal without a message")
  for (const name of ["nas", "fs1.corp.test", "", "__proto__", "constructor"]) {
    const found = KnownServers.find(parsed.success, name)
    holds(found === undefined || typeof found.entry === "object", `${name} is found, and is no entry`)
  }
}, [
  JSON.stringify({ servers: { nas: { user: "joe", password: "keyring" }, "*.corp.test": { user: "CORP\\joe" } } }),
  JSON.stringify({ servers: { "*": { user: "a", passwordCommand: ["pass", "show", "nas"] } } }),
  "{\"servers\":{\"__proto__\":{\"user\":\"a\"}}}"
])

const namespace = text("namespace file", (input) => {
  const parsed = Namespace.fromJson(input)
  if (Result.isFailure(parsed)) return isText(parsed.failure.message, "a refusal without a message")
  for (const name of Object.keys(parsed.success.roots)) Namespace.linksOf(parsed.success, name)
  for (const path of ["\\srv\\public", "\\corp.test\\public\\docs", "\\corp.test", ""]) {
    const request = { maxReferralLevel: 4, requestFileName: path }
    const answer = Namespace.answer(parsed.success, request, { maximumOutput: 4096 })
    holds(answer._tag !== undefined, "no answer")
  }
}, [
  JSON.stringify({ roots: { public: { links: { docs: ["\\\\fs1\\docs", "\\\\fs2\\docs"] } } } }),
  JSON.stringify({
    roots: {
      public: { targets: ["\\\\a\\public"], links: { "a\\b": { targets: [{ path: "\\\\fs1\\x", offline: true }] } } }
    },
    domains: { "corp.test": { netbiosName: "CORP", controllers: ["dc1"] } }
  })
])

const record = text("record of the sidecar", (input) => {
  try {
    SidecarRecord.parse(input)
  } catch (error) {
    // The store takes this error for a damaged record.
    holds(error instanceof SyntaxError, `a damaged record gives ${String(error)}`)
  }
}, [
  JSON.stringify({ attributes: 32, creationTime: "134", blobs: { security: "AQAEgA==" } }),
  JSON.stringify({ streams: [{ name: "s", file: "1" }], lastWriteTime: { ticks: "1", whileNanos: "2" } })
])

const recording = text("recording", (input) => {
  const parsed = RecordedTransport.fromJson(input)
  if (Result.isFailure(parsed)) isText(parsed.failure.message, "a refusal without a message")
}, [
  JSON.stringify({
    version: 1,
    seed: "s",
    start: 1,
    workstation: "W",
    entries: [{ what: "connect", connection: 1, at: 0, host: "a", port: 445 }]
  })
])

/** Variables of the environment, a line each. A value is a setting or a ConfigError, and never shown if it is a secret. */
const configuration = text("configuration", (input) => {
  const env = Object.fromEntries(
    input.split("\n").filter((line) => line.includes("=")).map((line) => {
      const cut = line.indexOf("=")
      return [line.slice(0, cut), line.slice(cut + 1)]
    })
  )
  // In another variable it is no secret.
  const hides = Object.entries(env).every(([name, value]) =>
    name === "SMB_PASSWORD" || !`${name}${value}`.includes(secret)
  )
  const provider = ConfigProvider.fromEnv({ env })
  for (const config of [Smb.config("SMB"), SmbServer.config] as ReadonlyArray<Config.Config<unknown>>) {
    const exit = Effect.runSyncExit(config.parse(provider))
    if (Exit.isSuccess(exit)) {
      holds(!hides || !inspect(exit.value, { depth: 9 }).includes(secret), "a setting shows the password")
    } else {
      holds(!Cause.hasDies(exit.cause), `a defect: ${Cause.pretty(exit.cause)}`)
      const failed = Cause.findErrorOption(exit.cause)
      holds(failed._tag === "Some", "a refusal without an error of its type")
      holds(!hides || !failed.value.message.includes(secret), "a refusal shows the password")
    }
  }
}, [
  `SMB_USER=joe\nSMB_PASSWORD=${secret}\nSMB_DFS=true\nSMB_DIALECTS=3.1.1,2.1\nSMB_REQUEST_TIMEOUT=10 seconds`,
  "SMB_SERVER_PORT=4455\nSMB_SERVER_NAME=NAS\nSMB_SERVER_DIALECTS=3.0,3.1.1\nSMB_SERVER_LIMIT_CONNECTIONS=10\n" +
  "SMB_SERVER_LIMIT_IDLE_TIME=1 minute\nSMB_SERVER_SIGNING=required"
])

export const files = family("files", [authentication, known, namespace, record, recording, configuration], {
  words: words(
    "SMB_",
    "SMB_SERVER_LIMIT_",
    "=",
    "Infinity",
    "-0",
    "1 second",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "true",
    "-1",
    "1e999",
    "\"__proto__\"",
    "\"servers\"",
    "\"user\"",
    "\"roots\"",
    "\"links\"",
    "\"targets\"",
    "\\u0000",
    "\\ud800",
    secret,
    "password = ",
    "\n",
    "\r\n"
  )
})
