/**
 * An open file that outlives its connection. If the connection, the session or the share is lost, one operation at a
 * time reaches the share again and reclaims the open, or opens the file again by its name and proves that it is the
 * same (`SameFile`). Every operation that waited then repeats itself, or fails if it must not be repeated (`Repeat`).
 *
 * Where nothing is lost, an operation costs a few comparisons. A loss that is followed by no successful operation counts
 * against the policy, so that a server that always breaks off comes to an end.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Changes from "../../Protocol/Changes.ts"
import { type RequestError, SmbError, TransportError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import { ReconnectError } from "../../Protocol/ReconnectError.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { CreateOptions } from "../../Smb2/Message/Constants.ts"
import { isTransient } from "../ClientError.ts"
import type { Target } from "../Locator.ts"
import * as DurableOpen from "./DurableOpen.ts"
import * as DurableOptions from "./DurableOptions.ts"
import * as Pauses from "./Pauses.ts"
import type { Reconnection } from "./Reconnection.ts"
import * as Repeat from "./Repeat.ts"
import * as SameFile from "./SameFile.ts"

/** How the share of an open is reached again. */
export interface Environment {
  readonly reconnection: Reconnection
  readonly target: Target
}

/** One open on one connection. */
export interface Generation {
  readonly number: number
  readonly share: Share.Share
  readonly file: Share.OpenFile
  readonly scope: Scope.Closeable
}

/** FileDispositionInformation, FileDispositionInformationEx (MS-FSCC 2.4.11, 2.4.12). */
const dispositions: ReadonlySet<number> = new Set([13, 64])

/** The server no longer has the open, or does not know how to give it back. The file is opened by its name then. */
const notKept: ReadonlySet<string> = new Set([
  "ObjectNameNotFound",
  "FileClosed",
  "InvalidParameter",
  "NotSupported",
  "AccessDenied",
  "ObjectNameInvalid",
  "InvalidDeviceRequest"
])

/** Another open is in the way, which can be the lost one: the server may not know yet that its client has gone. */
export const inTheWay: ReadonlySet<string> = new Set(["SharingViolation", "FileNotAvailable", "DeletePending"])

/**
 * smbd can refuse to give an open back and still hold it, in the name of the connection that asked for it (seen with
 * 4.17, if a WRITE was carried out while the old connection ended). It then refuses every other open until that
 * connection ends too. So the client breaks this connection off, once in a recovery, if the file is in the way for the
 * second time: the first pause is for an opener who is gone soon. It does not ask for the open again, since smbd would
 * then hold it in the name of the next connection.
 */
const breakOffAt = 2
const keptBehind = "this client has ended the connection, because the server holds a lost open in its name"

const sentOf = (error: RequestError): RequestError => Changes.afterChange(error)

const isSameRange = (a: Operation.Range, b: Operation.Range): boolean => a.offset === b.offset && a.length === b.length

/** An operation that fits the limits of a new connection, which has fewer credits at first. */
const fitting = (operation: Operation.Any, { limits }: Share.Share): Operation.Any => {
  switch (operation._tag) {
    case "Read":
      return operation.length <= limits.read ? operation : {
        ...operation,
        length: limits.read,
        ...(operation.destination === undefined
          ? {}
          : { destination: operation.destination.subarray(0, limits.read) })
      }
    case "Write":
      return operation.data.length <= limits.write
        ? operation
        : { ...operation, data: operation.data.subarray(0, limits.write) }
    default:
      return operation
  }
}

export class ReclaimedOpen {
  private readonly environment: Environment
  private readonly path: string
  private readonly options: Share.OpenOptions
  private readonly scope: Scope.Scope
  private readonly first: Share.Opened
  private readonly size: SameFile.Size
  private readonly uncPath: string
  private readonly turn = Semaphore.makeUnsafe(1)
  private current: Generation
  /** The number of the last generation that was opened by name. */
  private reopened = 0
  /** Why the file cannot go on. */
  private ended: RequestError | undefined
  private closed = false
  /** Whether this open may have changed something. */
  private changed: boolean
  private deletes: boolean
  /** The pauses since the last operation that succeeded. */
  private pauses: Pauses.Pauses | undefined
  private held: ReadonlyArray<Operation.Range> = []
  private lostLocks: ReadonlyArray<Operation.Range> = []
  /** The names that a listing has returned, to leave them out if it has to begin again. */
  private listed: Set<string> | undefined
  /** A watch on a reopened directory that waits for its caller. */
  private watching: Fiber.Fiber<ReadonlyArray<Operation.Change>, RequestError> | undefined
  private readonly index: bigint | undefined
  /** The CREATE by the file's name that has no response yet. */
  private reopening: Share.CreateIdentity | undefined
  /** Whether the last recovery did not reach the share. */
  private unreached = false
  /** The share on which the server has refused to give the open back. It is not asked again. */
  private refusing: Share.Share | undefined

  constructor(
    environment: Environment,
    path: string,
    options: Share.OpenOptions,
    scope: Scope.Scope,
    first: Generation,
    index: bigint | undefined
  ) {
    this.environment = environment
    this.path = path
    this.options = options
    this.scope = scope
    this.current = first
    this.first = first.file.opened
    this.size = new SameFile.Size(this.first.endOfFile)
    this.uncPath = UncName.format(first.share, first.share.name, path)
    this.changed = Changes.opens(options)
    this.deletes = (options.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) !== 0
    this.index = index
  }

  readonly caching: Share.OpenFile["caching"] = () => this.current.file.caching()

  readonly run = <O extends Operation.Any>(operation: O): Effect.Effect<Operation.Output<O>, RequestError> =>
    Effect.suspend(() => this.running(operation)) as Effect.Effect<Operation.Output<O>, RequestError>

  private running(operation: Operation.Any): Effect.Effect<unknown, RequestError> {
    if (this.ended !== undefined) return Effect.fail(this.marked(operation, this.ended))
    if (this.lostLocks.length > 0) {
      if (operation._tag === "Unlock") return this.unlockLost(operation)
      return Effect.fail(this.marked(operation, this.locksLost()))
    }
    if (operation._tag === "ChangeNotify" && this.watching !== undefined) return this.watched()
    return this.attempt(operation)
  }

  private attempt(operation: Operation.Any): Effect.Effect<unknown, RequestError> {
    const generation = this.current
    const doubt = generation.share.doubt?.()
    if (doubt !== undefined) return Effect.flatMap(doubt, () => this.send(operation, generation))
    return this.send(operation, generation)
  }

  private send(operation: Operation.Any, generation: Generation): Effect.Effect<unknown, RequestError> {
    const { file, number, share } = generation
    const sent = number === 0 ? operation : fitting(operation, share)
    this.size.sending(sent)
    return Effect.matchEffect((file.attempt ?? file.run)(sent) as Effect.Effect<unknown, RequestError>, {
      onSuccess: (value) => {
        this.done(sent, value)
        return Effect.succeed(value)
      },
      onFailure: (error) =>
        Repeat.isLoss(error, share)
          ? this.afterLoss(operation, generation, error)
          : Effect.fail(this.marked(operation, error))
    })
  }

  private done(operation: Operation.Any, value: unknown): void {
    this.pauses = undefined
    switch (operation._tag) {
      case "Read":
        return
      case "Write":
      case "SetInfo":
        this.changed = true
        this.size.done(operation, value)
        if (operation._tag === "SetInfo" && operation.information._tag === "File") {
          this.deletes ||= dispositions.has(operation.information.fileInformationClass) && operation.data[0] !== 0
        }
        return
      case "Ioctl":
        this.changed ||= Changes.operation(operation)
        return
      case "Lock":
        this.held = [...this.held, ...operation.ranges]
        return
      case "Unlock":
        this.held = this.held.filter((range) => !operation.ranges.some((other) => isSameRange(range, other)))
        return
      case "QueryDirectory":
        if (operation.restart || this.listed === undefined) this.listed = new Set()
        for (const { fileName } of value as ReadonlyArray<{ readonly fileName: string }>) this.listed.add(fileName)
    }
  }

  /** A failure of an operation on an open that has changed something says so, as with every open. */
  private marked(operation: Operation.Any, error: RequestError): RequestError {
    return this.changed && (Changes.operation(operation) || operation._tag === "Flush") ? sentOf(error) : error
  }

  private locksLost(): ReconnectError {
    return new ReconnectError({
      path: this.uncPath,
      reason: { _tag: "LocksLost", ranges: this.lostLocks.length }
    })
  }

  private unlockLost({ ranges }: Operation.Unlock): Effect.Effect<void> {
    this.lostLocks = this.lostLocks.filter((range) => !ranges.some((other) => isSameRange(range, other)))
    return Effect.void
  }

  // ---------------------------------------------------------------------------
  // after a loss
  // ---------------------------------------------------------------------------

  private afterLoss(
    operation: Operation.Any,
    generation: Generation,
    error: RequestError
  ): Effect.Effect<unknown, RequestError> {
    if (this.closed) return Effect.fail(this.marked(operation, error))
    const recognized = generation.file.reclaim?.()?.locks !== undefined
    const unknown = (): Effect.Effect<never, RequestError> => Effect.fail(sentOf(error))
    if (!Repeat.hadNoEffect(operation, error)) this.changed ||= Changes.operation(operation)
    if (!Repeat.mayRepeat(operation, error, "reclaimed", recognized)) return unknown()
    return Effect.flatMap(this.recovered(generation, error, operation), (recovery) => {
      if (!Repeat.mayRepeat(operation, error, recovery, recognized)) return unknown()
      if (recovery === "reopened") {
        if (operation._tag === "QueryDirectory") return this.listAgain(operation)
        if (operation._tag === "ChangeNotify") return this.watchAgain(operation)
      }
      return this.running(operation)
    })
  }

  /** What has become of the open since a generation of it was lost. One operation finds out, and all others wait. */
  private recovered(
    lost: Generation,
    error: RequestError,
    operation: Operation.Any | undefined
  ): Effect.Effect<Repeat.Recovery, RequestError> {
    const since = (): Repeat.Recovery => this.reopened > lost.number ? "reopened" : "reclaimed"
    return this.turn.withPermits(1)(Effect.suspend((): Effect.Effect<Repeat.Recovery, RequestError> => {
      if (this.ended !== undefined) return Effect.fail(this.ended)
      if (this.current !== lost) return Effect.succeed(since())
      return Effect.map(this.recover(error), since)
    })).pipe(
      Effect.mapError((failure) => {
        if (operation === undefined) return failure
        return Repeat.hadNoEffect(operation, error)
          ? this.marked(operation, failure)
          : DurableOpen.inDoubt(error, failure)
      })
    )
  }

  private recover(cause: RequestError): Effect.Effect<void, RequestError> {
    const { reconnection, target } = this.environment
    const { port, server, share } = target
    const place = { server, port, share }
    return Effect.gen({ self: this }, function*() {
      let error = cause
      let obstructed = 0
      let brokenOff = false
      for (;;) {
        // The first recovery after a success comes at once.
        if (this.pauses === undefined) {
          this.pauses = yield* Pauses.make(reconnection.policy)
        } else if (!(yield* this.pauses(error))) break
        const lost = this.current
        const renewed = yield* Effect.result(this.renewed(lost, error))
        if (Result.isSuccess(renewed)) {
          const { generation, recovery } = renewed.success
          this.current = generation
          this.refusing = undefined
          if (recovery === "reopened") {
            this.reopened = generation.number
            this.lostLocks = [...this.lostLocks, ...this.held]
            this.held = []
          }
          // The old connection, or the server's answer, has ended this open.
          yield* Scope.close(lost.scope, Exit.fail(cause))
          yield* reconnection.tell({
            _tag: recovery === "reclaimed" ? "Reclaimed" : "Reopened",
            ...place,
            path: this.uncPath
          })
          return
        }
        error = renewed.failure
        if (!this.isWorthwhile(error)) break
        if (this.isObstructed(error) && ++obstructed >= breakOffAt && !brokenOff) {
          brokenOff = this.refusing!.breakOff?.(keptBehind) === true
        }
      }
      this.ended = error
      yield* reconnection.tell({ _tag: "GivenUp", ...place, cause: error, path: this.uncPath })
      return yield* Effect.fail(error)
    })
  }

  private isWorthwhile(error: RequestError): boolean {
    if (error instanceof SmbError) return inTheWay.has(error.reason._tag) || isTransient(error)
    // The attempts to reach the server had their own pauses.
    return error instanceof TransportError && !this.unreached
  }

  /** Whether the server refused to give the open back, and something is in the way of another one. */
  private isObstructed(error: RequestError): boolean {
    return this.refusing !== undefined && error instanceof SmbError && inTheWay.has(error.reason._tag)
  }

  /** The open on a new connection. Its scope is a part of the file's, and closes at once if this fails. */
  private renewed(
    lost: Generation,
    cause: RequestError
  ): Effect.Effect<{ readonly generation: Generation; readonly recovery: Repeat.Recovery }, RequestError> {
    const { reconnection, target } = this.environment
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.fork(this.scope), (scope) => {
        const work = Effect.gen({ self: this }, function*() {
          this.unreached = true
          const share = yield* reconnection.again(target, lost.share, cause, this.uncPath)
          this.unreached = false
          const { file, recovery } = yield* this.openAgain(share, lost)
          return { generation: { number: lost.number + 1, share, file, scope }, recovery }
        })
        return Effect.onExit(restore(Scope.provide(work, scope)), (exit) =>
          exit._tag === "Success" ? Effect.void : Scope.close(scope, exit))
      })
    )
  }

  private known(): SameFile.Known {
    return {
      path: this.uncPath,
      opened: this.first,
      size: this.size,
      index: this.index,
      isDirectory: (this.first.fileAttributes & 0x10) !== 0,
      changes: DurableOptions.changes(this.options)
    }
  }

  private openAgain(
    share: Share.Share,
    lost: Generation
  ): Effect.Effect<
    { readonly file: Share.OpenFile; readonly recovery: Repeat.Recovery },
    RequestError,
    Scope.Scope
  > {
    const options = DurableOptions.again(this.options)
    const reopen = Effect.gen({ self: this }, function*() {
      this.reopening ??= { leaseKey: lost.file.opened.lease?.leaseKey }
      const file = yield* DurableOpen.open(share, this.path, options, this.reopening)
      this.reopening = undefined
      yield* SameFile.checkReopened(this.known(), file)
      return { file, recovery: "reopened" as const }
    })
    const reclaim = this.refusing === undefined ? lost.file.reclaim?.() : undefined
    if (reclaim === undefined) return reopen
    return Effect.gen({ self: this }, function*() {
      const file = yield* share.open(this.path, { ...options, reclaim })
      yield* SameFile.checkReclaimed(this.known(), file, reclaim)
      return { file, recovery: "reclaimed" as const }
    }).pipe(
      Effect.catchIf(
        (error) => error instanceof SmbError && error.command === "CREATE" && notKept.has(error.reason._tag),
        () => {
          this.refusing = share
          return reopen
        }
      )
    )
  }

  // ---------------------------------------------------------------------------
  // directories
  // ---------------------------------------------------------------------------

  /** Lists a reopened directory from its start, and leaves out the names that were returned before. */
  private listAgain(operation: Operation.QueryDirectory<any>): Effect.Effect<unknown, RequestError> {
    if (operation.restart || this.listed === undefined) return this.running({ ...operation, restart: true })
    const given = this.listed
    const next = (restart: boolean): Effect.Effect<ReadonlyArray<unknown>, RequestError> =>
      Effect.flatMap(
        Effect.suspend(() => this.running({ ...operation, restart })) as Effect.Effect<
          ReadonlyArray<{ readonly fileName: string }>,
          RequestError
        >,
        (entries) => {
          const fresh = entries.filter(({ fileName }) => !given.has(fileName))
          if (fresh.length === 0 && entries.length > 0) return next(false)
          for (const name of this.listed!) given.add(name)
          this.listed = given
          return Effect.succeed(fresh)
        }
      )
    return next(true)
  }

  /**
   * Watches a reopened directory. The server told no changes for a while, so the caller is told at once to list the directory: an
   * empty list stands for STATUS_NOTIFY_ENUM_DIR. The new watch has begun before that, so that no change is missed.
   */
  private watchAgain(operation: Operation.ChangeNotify): Effect.Effect<ReadonlyArray<Operation.Change>> {
    return Effect.map(
      Effect.forkIn(
        this.attempt(operation) as Effect.Effect<ReadonlyArray<Operation.Change>, RequestError>,
        this.scope,
        {
          startImmediately: true
        }
      ),
      (fiber) => {
        this.watching = fiber
        return []
      }
    )
  }

  private watched(): Effect.Effect<ReadonlyArray<Operation.Change>, RequestError> {
    const fiber = this.watching!
    this.watching = undefined
    return Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
  }

  // ---------------------------------------------------------------------------
  // the end
  // ---------------------------------------------------------------------------

  readonly close: Effect.Effect<void, RequestError> = Effect.suspend(() => {
    if (this.closed) return Effect.void
    return Effect.onExit(this.closing(), () =>
      Effect.sync(() => {
        this.closed = true
      }))
  })

  /** A CLOSE that got no response is repeated: the server can still say that it could not keep the data. */
  private closing(): Effect.Effect<void, RequestError> {
    return Effect.suspend(() => {
      if (this.ended !== undefined) return Effect.fail(this.changed ? sentOf(this.ended) : this.ended)
      const generation = this.current
      return Effect.catch(generation.file.close, (error) => {
        if (!Repeat.isLoss(error, generation.share)) return Effect.fail(error)
        // Nothing can be lost: the server ends the open by itself.
        if (!this.changed) return Effect.void
        if (this.deletes) return Effect.fail(sentOf(error))
        return Effect.flatMap(
          Effect.mapError(
            this.recovered(generation, error, undefined),
            (failure) => DurableOpen.inDoubt(error, failure)
          ),
          () => this.lostLocks.length > 0 ? Effect.fail(sentOf(this.locksLost())) : this.closing()
        )
      })
    })
  }
}
