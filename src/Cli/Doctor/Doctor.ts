/**
 * `doctor`: goes the way to a path step by step (name, port, dialect, clock, logon, signing, share, DFS, path, rights),
 * and says of each whether it works and what to do if not. A step that needs a failed one is left out.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Credential } from "../../Auth/Credentials.ts"
import * as Locator from "../../Client/Locator.ts"
import type { ServerSession } from "../../Client/ServerSession.ts"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import * as DfsResolver from "../../Dfs/DfsResolver.ts"
import * as DfsTrace from "../../Dfs/DfsTrace.ts"
import { isMissing, SmbError, type TransportError } from "../../Protocol/Errors.ts"
import type { ServerInformation } from "../../Protocol/ServerInformation.ts"
import * as Transport from "../../Protocol/Transport.ts"
import * as UncName from "../../Protocol/UncName.ts"
import * as AccessWords from "../AccessWords.ts"
import { question } from "../Actions.ts"
import { inFlags, oneLine, report } from "../Failure.ts"
import { encryptionOf, signingOf, skewOf, whoOf } from "../Info.ts"
import * as Output from "../Output.ts"
import type { Remote } from "../Remote.ts"
import * as Advice from "./Advice.ts"
import { type Outcome, StepsFailed, text } from "./Outcome.ts"

/** The settings of a run that come from the flags. */
export interface Options {
  readonly json: boolean
  readonly credential: Credential
  /** Whether the user logs on only by Kerberos, which needs clocks that agree. */
  readonly kerberos: boolean
  /** Whether links are followed. */
  readonly dfs: boolean
  /** The port of servers that referrals name. */
  readonly dfsPort: number
  /** The addresses of a server. `given`: the user has named them. */
  readonly addressesOf: (
    server: string
  ) => Effect.Effect<{ readonly addresses: ReadonlyArray<string>; readonly given: boolean }, TransportError>
}

const messageOf = (error: unknown): string => report(error).message ?? ""

/** Kerberos refuses a greater difference (RFC 4120 1.2), in milliseconds. */
const mostSkew = 5 * 60_000

/** How many names of shares an advice has. */
const mostNames = 20

/** Prints each outcome as it comes, and remembers the failed steps. */
const reporter = (json: boolean) => {
  const failed: Array<string> = []
  const tell = (outcome: Outcome) => {
    if (outcome.state === "failed") failed.push(outcome.step)
    return Output.write(json ? Output.jsonLine({ ...outcome }) : text(outcome))
  }
  const fail = (at: Advice.Step, error: unknown, more: Partial<Outcome> = {}) => {
    const step = Advice.stepOf(at, error)
    return tell({ step, state: "failed", message: messageOf(error), advice: Advice.of(step, error), ...more })
  }
  const skip = (steps: ReadonlyArray<Advice.Step>, message: string) =>
    Effect.forEach(steps, (step) => tell({ step, state: "left out", message }), { discard: true })
  return { failed, tell, fail, skip }
}

type Reporter = ReturnType<typeof reporter>

/** The steps after a step. */
const after = (step: Advice.Step): ReadonlyArray<Advice.Step> => Advice.steps.slice(Advice.steps.indexOf(step) + 1)

/** The controllers of a domain, if the name is one. */
const controllersOf = Effect.fnUntraced(function*(path: Remote) {
  const resolver = yield* DfsResolver.DfsResolver
  const { notes } = yield* resolver.trace(question(path))
  return notes.flatMap((note) => note._tag === "Controllers" ? note.controllers : [])
})

/** The server that the steps up to the logon are about, or `undefined` if no machine has the name. */
const name = Effect.fnUntraced(function*(path: Remote, options: Options, { fail, skip, tell }: Reporter) {
  const found = yield* Effect.result(options.addressesOf(path.server))
  if (Result.isSuccess(found)) {
    const { addresses, given } = found.success
    const message = `${path.server} is ${addresses.join(", ")}${given ? ", as --address says" : ""}`
    yield* tell({ step: "name", state: "ok", message })
    return path.server
  }
  const controllers = options.dfs ? yield* controllersOf(path) : []
  if (controllers.length > 0) {
    const message = `${path.server} is a domain; its controllers are ${controllers.join(", ")}`
    yield* tell({ step: "name", state: "ok", message })
    return controllers[0]!
  }
  yield* fail("name", found.failure)
  yield* skip(after("name"), "the name has no address")
  return undefined
})

/** Whether a connection can be made. */
const port = Effect.fnUntraced(function*(at: Transport.Endpoint, { fail, skip, tell }: Reporter) {
  const transport = yield* Transport.Transport
  const before = yield* Clock.currentTimeMillis
  const opened = yield* Effect.result(Effect.scoped(transport.connect(at, { onData: () => {}, onClose: () => {} })))
  if (Result.isFailure(opened)) {
    yield* fail(opened.failure.reason._tag === "HostNotFound" ? "name" : "port", opened.failure)
    yield* skip(after("port"), "no connection")
    return false
  }
  const took = (yield* Clock.currentTimeMillis) - before
  yield* tell({
    step: "port",
    state: "ok",
    message: `${
      UncName.format({ server: at.host, port: UncName.defaultPort }).slice(2)
    } accepts connections at port ${at.port}, in ${took} ms`
  })
  return true
})

const dialect = Effect.fnUntraced(function*(target: Locator.Target, { fail, skip, tell }: Reporter) {
  const smb = yield* SmbClient
  const negotiated = yield* Effect.result(smb.negotiate(target))
  if (Result.isSuccess(negotiated)) {
    const { dialect } = negotiated.success
    yield* tell({
      step: "dialect",
      state: "ok",
      message: dialect === "NT1" ? "SMB 1" : `SMB ${dialect}`,
      ...(dialect === "NT1" ? { advice: "SMB 1 is insecure. Turn SMB 2 or 3 on at the server." } : {})
    })
    return negotiated.success
  }
  const failed = Advice.stepOf("dialect", negotiated.failure)
  if (failed === "signing") yield* skip(["dialect", "clock", "logon"], "the connection ended before")
  yield* fail("dialect", negotiated.failure)
  yield* skip(after(failed), "client and server have not agreed")
  return undefined
})

const clock = ({ clockSkew }: ServerInformation, kerberos: boolean, { tell }: Reporter) => {
  if (clockSkew === undefined) {
    return tell({ step: "clock", state: "left out", message: "the server does not say its time" })
  }
  const off = Math.abs(clockSkew) > mostSkew
  const message = `the server's clock is ${skewOf(clockSkew)}`
  return tell({
    step: "clock",
    state: off && kerberos ? "failed" : "ok",
    message,
    ...(off
      ? {
        advice:
          "Kerberos refuses clocks that are more than 5 minutes apart. Set the clock that is wrong (chronyc, w32tm)."
      }
      : {})
  })
}

const logon = Effect.fnUntraced(function*(target: Locator.Target, options: Options, { fail, skip, tell }: Reporter) {
  const smb = yield* SmbClient
  const loggedOn = yield* Effect.result(smb.logOn(target))
  if (Result.isFailure(loggedOn)) {
    const failed = Advice.stepOf("logon", loggedOn.failure)
    if (failed === "signing") yield* tell({ step: "logon", state: "ok", message: "the server accepts the logon" })
    yield* fail("logon", loggedOn.failure)
    yield* skip(after(failed), "no session")
    return undefined
  }
  const session = loggedOn.success
  yield* tell({ step: "logon", state: "ok", message: whoOf(options.credential, session) })
  return session
})

const signing = (session: ServerSession, { tell }: Reporter) =>
  tell({
    step: "signing",
    state: "ok",
    message: `signatures: ${signingOf(session)}. Encryption: ${encryptionOf(session)}`,
    ...(session.signed || session.encrypted
      ? {}
      : {
        advice:
          "A device on the way could read and change everything. A user with a password, and --signing required, prevent that."
      })
  })

type Trace = Effect.Success<ReturnType<DfsResolver.DfsResolver["Service"]["trace"]>>

/** The shares that a user may have meant, for an advice. */
const namesOfShares = Effect.fnUntraced(function*(path: Remote) {
  const smb = yield* SmbClient
  const all = yield* Effect.orElseSucceed(smb.shares(path), () => [])
  const names = all.filter(({ special, type }) => type === "disk" && !special).map(({ name }) => name)
  return names.length === 0 ? "" : ` The server has: ${names.slice(0, mostNames).join(", ")}.`
})

/** Whether the path can be reached as far as its share. A share that only DFS knows is no failure. */
const share = Effect.fnUntraced(function*(
  path: Remote,
  target: Locator.Target,
  trace: Trace | undefined,
  { fail, tell }: Reporter
) {
  const smb = yield* SmbClient
  const connected = yield* Effect.result(Effect.scoped(smb.connect(target)))
  if (Result.isSuccess(connected)) {
    const { isDfs, name, type } = connected.success
    const message = `${name} is a ${type} share${isDfs ? " in DFS" : ""}`
    yield* tell({ step: "share", state: "ok", message })
    return true
  }
  const error = connected.failure
  if (trace !== undefined && Result.isSuccess(trace.result) && trace.result.success.status !== "plain") {
    yield* tell({
      step: "share",
      state: "left out",
      message: `${target.server} itself does not offer ${target.share}: the namespace is on other servers`
    })
    return true
  }
  const isUnknown = error instanceof SmbError && error.reason._tag !== "AccessDenied"
  const advice = Advice.of("share", error) ?? (isUnknown ? "Check the name of the share." : undefined)
  yield* fail("share", error, isUnknown ? { advice: `${advice}${yield* namesOfShares(path)}` } : {})
  return false
})

/** The steps of the resolution, and whether each target that it ends with answers. */
const dfs = Effect.fnUntraced(function*({ notes, result }: Trace, options: Options, { fail, tell }: Reporter) {
  const details = notes.map((note) => oneLine(inFlags(DfsTrace.explain(note))))
  if (Result.isFailure(result)) {
    yield* fail("DFS", result.failure, { details })
    return false
  }
  const { status, targets } = result.success
  if (status === "plain") {
    yield* tell({ step: "DFS", state: "ok", message: "the path is in no namespace" })
    return true
  }
  const smb = yield* SmbClient
  const states = yield* Effect.forEach(
    targets,
    (target) =>
      Effect.map(Effect.result(Effect.scoped(smb.connect({ ...target, port: options.dfsPort }))), (connected) => ({
        name: `\\\\${target.server}\\${target.share}`,
        error: Result.isFailure(connected) ? connected.failure : undefined
      })),
    { concurrency: 4 }
  )
  const dead = states.filter(({ error }) => error !== undefined)
  const all = [
    ...details,
    ...states.map(({ error, name }) =>
      `${name} ${error === undefined ? "answers" : `does not work: ${messageOf(error)}`}`
    )
  ]
  const count = `${states.length} ${states.length === 1 ? "target" : "targets"}`
  if (dead.length === states.length) {
    yield* tell({
      step: "DFS",
      state: "failed",
      message: `the ${status} has ${count}, and none of them works`,
      details: all,
      advice: "Start one of the servers that the link names, or change the link's targets."
    })
    return false
  }
  yield* tell({
    step: "DFS",
    state: "ok",
    message: `the path is behind a ${status} with ${count}`,
    details: all,
    ...(dead.length === 0
      ? {}
      : { advice: `Clients skip ${dead.length} of them, each after a wait. Repair or remove them.` })
  })
  return true
})

/** The part of a path that exists, and the first name that does not. */
const missingPart = Effect.fnUntraced(function*(path: Remote) {
  const smb = yield* SmbClient
  const names = path.path.split("\\")
  let existing = { ...path, path: "" }
  for (const [index, name] of names.entries()) {
    const next = { ...path, path: names.slice(0, index + 1).join("\\") }
    const found = yield* Effect.result(smb.stat(next))
    if (Result.isFailure(found)) return { existing, name }
    existing = next
  }
  return undefined
})

/** Whether the entry exists, and what the user may do with it. */
const entry = Effect.fnUntraced(function*(path: Remote, { fail, skip, tell }: Reporter) {
  const smb = yield* SmbClient
  const found = yield* Effect.result(smb.stat(path))
  if (Result.isFailure(found)) {
    const error = found.failure
    const denied = error._tag === "SmbError" && error.reason._tag === "AccessDenied"
    if (denied) {
      yield* tell({ step: "path", state: "left out", message: "the server does not say whether it exists" })
      return yield* fail("rights", error)
    }
    const part = error._tag === "SmbError" && isMissing(error) ? yield* missingPart(path) : undefined
    yield* fail(
      "path",
      error,
      part === undefined ? {} : {
        advice: `${UncPath.format(part.existing)} exists, and has no ${JSON.stringify(part.name)}. Check this name.`
      }
    )
    return yield* skip(["rights"], "no such entry")
  }
  const { type } = found.success
  yield* tell({ step: "path", state: "ok", message: `${UncPath.format(path)} is a ${type}` })
  const rights = yield* Effect.result(AccessWords.maximal(path))
  if (Result.isFailure(rights)) return yield* fail("rights", rights.failure)
  const mask = rights.success
  if (mask === undefined) return yield* skip(["rights"], "the server does not say")
  const given = AccessWords.of(mask, type === "directory")
  const mayRead = (mask & 1) !== 0
  yield* tell({
    step: "rights",
    state: mayRead ? "ok" : "failed",
    message: given.length === 0 ? "this user has no right here" : `this user can ${given.join(", ")}`,
    ...(mayRead
      ? {}
      : {
        advice: `Ask the owner, or an administrator of the server, for the right to ${
          type === "directory" ? "list" : "read"
        }.`
      })
  })
})

const run = Effect.fnUntraced(function*(path: Remote, options: Options, out: Reporter) {
  const server = yield* name(path, options, out)
  if (server === undefined) return
  const target: Locator.Target = { ...Locator.toTarget(path), server }
  if (!(yield* port({ host: server, port: path.port }, out))) return
  const negotiated = yield* dialect(target, out)
  if (negotiated === undefined) return
  yield* clock(negotiated, options.kerberos, out)
  const session = yield* logon(target, options, out)
  if (session === undefined) return
  yield* signing(session, out)
  if (path.share === "") return yield* out.skip(after("signing"), "the path names no share")
  const resolver = yield* DfsResolver.DfsResolver
  const trace = options.dfs ? yield* resolver.trace(question(path)) : undefined
  const isShared = yield* share(path, target, trace, out)
  const hasTarget = trace === undefined
    ? yield* Effect.as(out.skip(["DFS"], "--dfs off"), true)
    : !isShared && Result.isSuccess(trace.result)
    ? yield* Effect.as(out.skip(["DFS"], "no share"), false)
    : yield* dfs(trace, options, out)
  if (!isShared || !hasTarget) return yield* out.skip(after("DFS"), isShared ? "no target" : "no share")
  yield* entry(path, out)
})

/** Goes the way to a path, prints each step, and fails with `StepsFailed` if one of them has failed. */
export const doctor = Effect.fnUntraced(function*(path: Remote, options: Options) {
  const out = reporter(options.json)
  yield* run(path, options, out)
  if (out.failed.length > 0) return yield* new StepsFailed({ steps: out.failed })
}, Effect.scoped)
