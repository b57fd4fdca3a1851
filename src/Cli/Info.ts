/** `info`: what a server is, what this client and it have agreed on, and how far away it is. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Credential } from "../Auth/Credentials.ts"
import * as Locator from "../Client/Locator.ts"
import type { ShareEntry } from "../Client/Operations.ts"
import type { ServerSession } from "../Client/ServerSession.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as FileTime from "../Codec/FileTime.ts"
import * as Guid from "../Codec/Guid.ts"
import * as UncName from "../Protocol/UncName.ts"
import { printable, report } from "./Failure.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as Table from "./Table.ts"

/** How many round trips are measured. */
const echoes = 9

/** How many shares are asked whether they are in DFS. A server can have thousands. */
const mostShares = 200

/** The user of a credential, as a person writes it. */
export const userOf = (credential: Credential): string => {
  switch (credential._tag) {
    case "Anonymous":
      return "no user"
    case "Kerberos":
      return credential.principal ?? "the default principal"
    default:
      return credential.domain === "" ? credential.user : `${credential.domain}\\${credential.user}`
  }
}

/** The median time of some round trips, in milliseconds. */
const latency = Effect.fnUntraced(function*({ echo }: ServerSession) {
  const times: Array<number> = []
  for (let i = 0; i < echoes; i++) {
    const before = yield* Clock.currentTimeNanos
    yield* echo
    times.push(Number((yield* Clock.currentTimeNanos) - before) / 1e6)
  }
  return times.toSorted((a, b) => a - b)[(echoes - 1) / 2]!
})

interface Listed extends ShareEntry {
  /** Absent if the user cannot connect to the share, or if the share was not asked. */
  readonly dfs?: boolean | undefined
}

/** The shares, each with whether it is in DFS. */
const shares = Effect.fnUntraced(function*(server: Remote) {
  const smb = yield* SmbClient
  const all = yield* smb.shares(server)
  return yield* Effect.forEach(
    all,
    (share, index): Effect.Effect<Listed> =>
      share.type !== "disk" || index >= mostShares
        ? Effect.succeed(share)
        : Effect.scoped(smb.connect({ ...Locator.toTarget(server), share: share.name, path: "" })).pipe(
          Effect.map(({ isDfs }) => ({ ...share, dfs: isDfs })),
          Effect.orElseSucceed(() => share)
        ),
    { concurrency: 4 }
  )
})

/** `3.2 s ahead`, `the same as here` */
export const skewOf = (milliseconds: number): string => {
  const seconds = Math.abs(milliseconds) / 1000
  const amount = seconds < 120
    ? `${seconds.toFixed(1)} s`
    : seconds < 7200
    ? `${Math.round(seconds / 60)} minutes`
    : `${Math.round(seconds / 3600)} hours`
  // Samba rounds to a second, and a round trip lies between.
  return seconds < 2 ? "the same as here" : `${amount} ${milliseconds > 0 ? "ahead of" : "behind"} this machine`
}

export const signingOf = ({ encrypted, requiresSigning, signed, signingAlgorithm }: ServerSession): string => {
  const own = signed
    ? `every message, by ${signingAlgorithm}`
    : encrypted
    ? "not needed: every message is encrypted"
    : "no message"
  return `${own}; the server ${requiresSigning ? "demands it" : "does not demand it"}`
}

export const encryptionOf = ({ cipher, encrypted }: ServerSession): string =>
  encrypted ? `every message, by ${cipher}` : cipher === undefined ? "not possible" : `off; possible by ${cipher}`

/** `user by NTLM`, and whether the server made a guest of the user. */
export const whoOf = (credential: Credential, { isGuest, mechanism }: ServerSession): string =>
  `${userOf(credential)}${mechanism === undefined ? "" : ` by ${mechanism}`}` +
  (isGuest && credential._tag !== "Anonymous" ? "; the server let this user in as a guest" : "")

const size = (bytes: number): string => Output.bytes(bytes).replace(".0 ", " ")

const facts = (
  server: Remote,
  credential: Credential,
  session: ServerSession,
  median: number
): ReadonlyArray<Table.Fact> => {
  const { announced, capabilities, clockSkew, limits, nativeLanMan, serverGuid, systemTime } = session
  const names = [
    announced?.computer,
    announced?.dnsComputer,
    announced?.domain === undefined ? undefined : `domain ${announced.domain}`,
    announced?.dnsDomain,
    announced?.dnsTree === undefined ? undefined : `forest ${announced.dnsTree}`
  ].filter((name) => name !== undefined && name !== "")
  return [
    ["server", UncName.format(server)],
    ["says it is", names.join(", ")],
    ["system", nativeLanMan ?? announced?.version],
    ["dialect", session.dialect],
    ["signing", signingOf(session)],
    ["encryption", encryptionOf(session)],
    ["capabilities", capabilities.join(", ")],
    ["transfers", `READ ${size(limits.read)}, WRITE ${size(limits.write)}, other messages ${size(limits.transact)}`],
    [
      "time",
      systemTime === undefined ? undefined : `${FileTime.toISO(systemTime)}, ${skewOf(clockSkew!)}`
    ],
    ["user", whoOf(credential, session)],
    ["latency", `${median.toFixed(median < 10 ? 2 : 0)} ms (median of ${echoes} round trips)`],
    ["identifier", serverGuid === undefined ? undefined : Guid.fromBytes(serverGuid)]
  ]
}

const shareLine = (width: number) => ({ comment, dfs, name, type }: Listed): string =>
  `  ${printable(name).padEnd(width)}  ${type.padEnd(7)}  ${(dfs === true ? "DFS" : "").padEnd(3)}  ${
    printable(comment)
  }`
    .trimEnd() + "\n"

/** Prints what is known of a server. Fails if the user cannot log on; a list of shares that is refused is no failure. */
export const info = Effect.fnUntraced(function*(
  server: Remote,
  credential: Credential,
  options: { readonly json: boolean }
) {
  const smb = yield* SmbClient
  const session = yield* smb.logOn({ ...Locator.toTarget(server), share: "", path: "" })
  const median = yield* latency(session)
  const found = yield* Effect.result(shares(server))
  const list = found._tag === "Success" ? found.success : undefined
  const refused = found._tag === "Failure" ? report(found.failure).message ?? "" : undefined
  if (options.json) {
    const { clockSkew, echo: _, serverGuid, systemTime, ...rest } = session
    return yield* Output.write(Output.jsonLine({
      ...rest,
      serverGuid: serverGuid === undefined ? null : Guid.fromBytes(serverGuid),
      systemTime: systemTime === undefined ? null : FileTime.toISO(systemTime),
      clockSkew: clockSkew ?? null,
      user: userOf(credential),
      latency: median,
      ...(list === undefined ? { shares: null, sharesError: refused } : { shares: list })
    }))
  }
  const width = Math.max(0, ...(list ?? []).map(({ name }) => name.length))
  yield* Output.write(
    Table.lines([
      ...facts(server, credential, session, median),
      ["shares", list === undefined ? `not listed: ${refused}` : String(list.length)]
    ]) + (list ?? []).map(shareLine(width)).join("")
  )
}, Effect.scoped)
