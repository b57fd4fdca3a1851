/**
 * Work on several paths: a path that fails does not stop the others.
 *
 * Some failures concern a server as a whole, such as a refused logon or no connection. Such a failure is told once, and
 * the other paths of that server are not tried: each logon with a wrong password counts towards a lock of the account.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { RemovalError } from "../Client/RemovalError.ts"
import * as UncPath from "../Client/UncPath.ts"
import { fold } from "../Codec/UpCase.ts"
import { DfsError } from "../Protocol/DfsError.ts"
import { ProtocolError, refusesAccount, SmbError, TransportError } from "../Protocol/Errors.ts"
import { concernsOne, Incomplete } from "../Transfer/Incomplete.ts"
import { type Report, report } from "./Failure.ts"
import * as Output from "./Output.ts"

/** What the failures of this module have in common. */
interface Failing {
  readonly _tag: string
  readonly reason?: unknown
}

/** A server of a path. */
type Server = Pick<UncPath.UncPath, "port" | "server">

const keyOf = ({ port, server }: Server): string => `${fold(server)}:${port}`

/** The server that a failure names. `isAccount`: it refuses the account, as other servers of its domain would. */
interface FailedServer {
  readonly server?: string | undefined
  readonly port?: number | undefined
  readonly isAccount?: boolean
}

const ofPath = (path: string | undefined): FailedServer => {
  const parsed = path === undefined ? undefined : Result.getOrUndefined(UncPath.parse(path))
  return parsed === undefined ? {} : { server: parsed.server, port: parsed.port }
}

/** The server that has failed as a whole; `undefined` if the failure says nothing about other paths of its server. */
const failedServer = (error: Failing): FailedServer | undefined => {
  if (error instanceof TransportError) return { server: error.server, port: error.port }
  if (error instanceof ProtocolError) return { server: error.server }
  if (error instanceof SmbError) {
    const isOfServer = error.command === "NEGOTIATE" || error.command === "SESSION_SETUP"
    return isOfServer ? { ...ofPath(error.path), isAccount: refusesAccount(error) } : undefined
  }
  // The removal has ended early, because its last failure concerns all entries.
  if (error instanceof RemovalError) {
    return error.reason._tag === "RemovalIncomplete" && error.reason.ended ? {} : undefined
  }
  if (error instanceof DfsError) {
    const { reason } = error
    if (reason._tag === "NoDomainController") return { server: reason.domain }
    return reason._tag === "ReferralUnavailable" ? { server: reason.server } : undefined
  }
  if (Predicate.isTagged(error, "AuthenticationError") || Predicate.isTagged(error, "NotDfsCapable")) {
    return { server: (error as { readonly server?: string }).server }
  }
  return undefined
}

/** Whether a failure concerns a server as a whole, also one that only a DFS link of the path leads to. */
export const concernsServer = (error: Failing): boolean => failedServer(error) !== undefined

/** Those of a path's servers whose other paths would fail in the same way. */
const lostBy = (error: Failing, servers: ReadonlyArray<Server>): ReadonlyArray<Server> => {
  const failed = failedServer(error)
  if (failed === undefined) return []
  const { isAccount, port, server } = failed
  if (server === undefined) return servers
  const named = servers.filter((one) => fold(one.server) === fold(server) && (port === undefined || one.port === port))
  // The server of a DFS link is none of them: other paths do not lead to it, unless the account is refused everywhere.
  return named.length === 0 && isAccount === true ? servers : named
}

const isOfOneAlone = (error: Failing): boolean => concernsOne(error)

/** The report on a server that has failed, with the number of its other paths. */
const withOthers = (told: Report, count: number): Report =>
  count === 0 ? told : {
    ...told,
    message: `${told.message}; not tried: ${
      count === 1 ? "another path of this server" : `${count} other paths of this server`
    }`,
    json: { ...told.json, notTried: count }
  }

/** One run over several paths. Its steps share what is known of failed servers. */
export interface Run {
  /** Whether a server has failed as a whole. */
  readonly isLost: (server: Server) => boolean
  /**
   * Runs for each, one after the other, and returns what came of those that did not fail. A failure of a server as a whole
   * is told; any other failure ends the run.
   */
  readonly prepare: <A, B, E extends Failing, R>(
    all: ReadonlyArray<A>,
    serversOf: (one: A) => ReadonlyArray<Server>,
    run: (one: A) => Effect.Effect<B, E, R>
  ) => Effect.Effect<ReadonlyArray<B>, E, R>
  /**
   * The same, for the last step: a failure that concerns one path is told too, and the step fails at its end if anything
   * has failed. One path alone fails with its own error.
   */
  readonly each: <A, E extends Failing, R>(
    all: ReadonlyArray<A>,
    serversOf: (one: A) => ReadonlyArray<Server>,
    run: (one: A) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | Incomplete, R>
}

/** Begins a run. `isOfOne`: which failures concern one path; by default those that concern one entry of a tree. */
export const make = (options: {
  readonly json: boolean
  readonly what: Incomplete["what"]
  readonly isOfOne?: (error: Failing) => boolean
}): Run => {
  const { isOfOne = isOfOneAlone, json, what } = options
  const lost = new Set<string>()
  let failures = 0
  const isLost = (server: Server): boolean => lost.has(keyOf(server))
  const step = Effect.fnUntraced(function*<A, B, E extends Failing, R>(
    all: ReadonlyArray<A>,
    serversOf: (one: A) => ReadonlyArray<Server>,
    run: (one: A) => Effect.Effect<B, E, R>,
    isLast: boolean
  ): Effect.fn.Return<ReadonlyArray<B>, E, R> {
    if (all.length === 1 && failures === 0) return [yield* run(all[0]!)]
    const done: Array<B> = []
    for (const [index, one] of all.entries()) {
      const servers = serversOf(one)
      if (servers.some(isLost)) {
        failures++
        continue
      }
      const result = yield* Effect.result(run(one))
      if (Result.isSuccess(result)) {
        done.push(result.success)
        continue
      }
      const error = result.failure
      if (isLast && error instanceof Incomplete) {
        failures += error.failures
        continue
      }
      const now = lostBy(error, servers)
      if (now.length === 0 && !(isLast && (isOfOne(error) || concernsServer(error)))) {
        return yield* Effect.fail(error)
      }
      failures++
      for (const server of now) lost.add(keyOf(server))
      const others = now.length === 0 ? [] : all.slice(index + 1).filter((other) => serversOf(other).some(isLost))
      yield* Output.tell(withOthers(report(error), others.length), json)
    }
    return done
  })
  return {
    isLost,
    prepare: (all, serversOf, run) => step(all, serversOf, run, false),
    each: (all, serversOf, run) =>
      Effect.andThen(
        step(all, serversOf, run, true),
        Effect.suspend((): Effect.Effect<void, Incomplete> =>
          failures > 0 ? Effect.fail(new Incomplete({ failures, what })) : Effect.void
        )
      )
  }
}

/** The server of a path on a server. */
export const serverOf = (path: Server): ReadonlyArray<Server> => [path]

/** Runs for each path, with one step. */
export const each = <A extends Server, E extends Failing, R>(
  paths: ReadonlyArray<A>,
  options: Parameters<typeof make>[0],
  run: (path: A) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | Incomplete, R> => make(options).each(paths, serverOf, run)
