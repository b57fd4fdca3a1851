/**
 * A store with a timeout for its calls: a call that takes longer fails with `TimedOut`, and is interrupted as far as
 * possible. A call that can make a file is not interrupted. The client was told that nothing was made, so the file is
 * removed again when the call ends.
 *
 * Memory that was lent to a call is not waited for: it is left to the store that still reads or fills it, and then to
 * the garbage collector. Calls that complete at once cost no timer.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import {
  type ShareStore,
  type StoreError,
  storeError,
  type StoreFile,
  type StoreOpened,
  type StorePath
} from "../../ShareStore.ts"
import type { Meter } from "./Meter.ts"

/** A call with a timeout. */
interface Waiting {
  /** Timer ticks until the timeout. */
  left: number
  readonly giveUp: () => void
}

/** Timer ticks in the time that a call may take. A timeout can be late by one tick. */
const looks = 8

/** The most calls that are waited for after their timeout. Further ones are interrupted. */
const mostLate = 256

/** The longest time of a Node timer, in milliseconds. Node calls a longer timer at once. */
export const longestTimer = 2 ** 31 - 1

/**
 * How a call ended. A store can interrupt itself, for example when it waits for a fiber that was interrupted. That is a
 * failure of the store: otherwise the interruption would also end the client's request, without a response.
 */
const answered = <A, E>(exit: Exit.Exit<A, E>): Exit.Exit<A, E | StoreError> =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    ? Exit.fail(storeError("Failed", new Error("the store interrupted its own work")))
    : exit

/**
 * Waits for at most `millis`, and up to an eighth of it longer. One timer serves all calls.
 *
 * @category models
 */
export class StoreTimeout {
  private readonly millis: number
  private readonly meter: Meter | undefined
  private readonly waiting = new Set<Waiting>()
  private readonly late = new Set<Fiber.Fiber<unknown, unknown>>()
  private timer: NodeJS.Timeout | undefined

  /** `meter` counts the calls. */
  constructor(millis: number, meter?: Meter) {
    this.millis = millis
    this.meter = meter
  }

  private look(): void {
    for (const one of this.waiting) if (one.left-- === 0) one.giveUp()
    if (this.waiting.size > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }

  private wait(giveUp: () => void): Waiting {
    const one: Waiting = { left: looks, giveUp }
    this.waiting.add(one)
    this.timer ??= setInterval(() => this.look(), Math.min(this.millis / looks, longestTimer)).unref()
    return one
  }

  /** Interrupts the calls that are waited for after their timeout. */
  close(): void {
    for (const fiber of this.late) fiber.interruptUnsafe()
  }

  /** Waits for a call after its timeout; false if too many others are waited for. */
  private awaitLate<A, E>(fiber: Fiber.Fiber<A, E>, undo: (value: A) => Effect.Effect<void>): boolean {
    if (this.late.size >= mostLate) return false
    this.late.add(fiber)
    fiber.addObserver((exit) => {
      this.late.delete(fiber)
      if (Exit.isSuccess(exit)) Effect.runFork(undo(exit.value))
    })
    return true
  }

  /**
   * Runs an effect, which counts as the call of that name. After the timeout its result is ignored, or given to `undo`.
   */
  run<A, E, R>(
    effect: Effect.Effect<A, E, R>,
    call: string,
    undo?: (value: A) => Effect.Effect<void>
  ): Effect.Effect<A, E | StoreError, R> {
    const { meter } = this
    if (this.millis === Number.POSITIVE_INFINITY) return meter === undefined ? effect : counted(meter, call, effect)
    return Effect.contextWith((context: Context.Context<R>) => {
      const began = meter?.beginStore() ?? 0
      const fiber = Effect.runForkWith(context)(effect)
      const done = fiber.pollUnsafe()
      if (done !== undefined) {
        const exit = answered(done)
        meter?.endStore(call, began, exit)
        return exit
      }
      return Effect.callback<A, E | StoreError>((resume) => {
        let isOver = false
        const end = (exit: Exit.Exit<A, E | StoreError>) => {
          if (isOver) return
          isOver = true
          this.waiting.delete(one)
          meter?.endStore(call, began, exit)
          resume(exit)
        }
        const one = this.wait(() => {
          end(Exit.fail(storeError("TimedOut")))
          if (undo === undefined || !this.awaitLate(fiber, undo)) fiber.interruptUnsafe()
        })
        fiber.addObserver((exit) => end(answered(exit)))
        return Effect.sync(() => {
          end(Exit.interrupt())
          fiber.interruptUnsafe()
        })
      })
    })
  }
}

/** A call without a timeout. */
const counted = <A, E, R>(meter: Meter, call: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const began = meter.beginStore()
    return Effect.onExit(effect, (exit) => {
      meter.endStore(call, began, exit)
      return Effect.void
    })
  })

/** Effects are made only when they are used: a server holds thousands of open files that no client uses. */
class FileWithTimeout implements StoreFile {
  readonly readInto?: NonNullable<StoreFile["readInto"]>
  readonly renameStream?: StoreFile["renameStream"]
  readonly copyFrom?: StoreFile["copyFrom"]
  private readonly timeout: StoreTimeout
  private readonly file: StoreFile

  constructor(timeout: StoreTimeout, file: StoreFile) {
    this.timeout = timeout
    this.file = file
    if (file.readInto !== undefined) {
      this.readInto = (offset, target) => timeout.run(file.readInto!(offset, target), "read")
    }
    if (file.copyFrom !== undefined) {
      this.copyFrom = (source, range, offset) => {
        // A store knows its own files only.
        const known = source instanceof FileWithTimeout ? source.file : source
        return timeout.run(file.copyFrom!(known, range, offset), "copyFrom")
      }
    }
    if (file.renameStream !== undefined) {
      this.renameStream = (name, options) => timeout.run(file.renameStream!(name, options), "renameStream")
    }
  }

  get id() {
    return this.file.id
  }
  get stat() {
    return this.timeout.run(this.file.stat, "stat")
  }
  get parent() {
    const { parent } = this.file
    return parent === undefined ? undefined : this.timeout.run(parent, "parent")
  }
  get volume() {
    const { volume } = this.file
    return volume === undefined ? undefined : this.timeout.run(volume, "volume")
  }
  get flush() {
    return this.timeout.run(this.file.flush, "flush")
  }
  get complete() {
    const { complete } = this.file
    return complete === undefined ? undefined : this.timeout.run(complete, "complete")
  }
  get streams() {
    return this.timeout.run(this.file.streams, "streams")
  }
  read(...of: Parameters<StoreFile["read"]>) {
    return this.timeout.run(this.file.read(...of), "read")
  }
  write(...of: Parameters<StoreFile["write"]>) {
    return this.timeout.run(this.file.write(...of), "write")
  }
  truncate(...of: Parameters<StoreFile["truncate"]>) {
    return this.timeout.run(this.file.truncate(...of), "truncate")
  }
  set(...of: Parameters<StoreFile["set"]>) {
    return this.timeout.run(this.file.set(...of), "set")
  }
  getBlob(...of: Parameters<StoreFile["getBlob"]>) {
    return this.timeout.run(this.file.getBlob(...of), "getBlob")
  }
  setBlob(...of: Parameters<StoreFile["setBlob"]>) {
    return this.timeout.run(this.file.setBlob(...of), "setBlob")
  }
  zero(...of: Parameters<StoreFile["zero"]>) {
    return this.timeout.run(this.file.zero(...of), "zero")
  }
  allocated(...of: Parameters<StoreFile["allocated"]>) {
    return this.timeout.run(this.file.allocated(...of), "allocated")
  }
}

/** What a store with a timeout needs to know of its share. */
interface OfShare {
  /** Whether a client has the file open. */
  readonly isOpen: (identity: string) => boolean
  /** A file that was made too late could not be removed. */
  readonly onNotRemoved: (path: StorePath, error: StoreError) => Effect.Effect<void>
}

/**
 * Removes what an open has made after its timeout, unless a client has opened it since. Another program may have put
 * another file in its place, which stays.
 */
const removeLate = (store: ShareStore, { isOpen, onNotRemoved }: OfShare, path: StorePath, stream?: string) =>
(
  { created, node }: StoreOpened
): Effect.Effect<void> =>
  Effect.suspend(() =>
    !created || isOpen(node.identity)
      ? Effect.void
      : Effect.catch(
        store.remove(path, { expected: node.identity, ...stream === undefined ? {} : { stream } }),
        (error) => onNotRemoved(path, error)
      )
  )

/**
 * A store with that timeout for every call.
 *
 * @category constructors
 */
export const withTimeout = (store: ShareStore, timeout: StoreTimeout, share: OfShare): ShareStore => {
  const { link, mayRemove, names } = store
  return {
    ...store,
    volume: timeout.run(store.volume, "volume"),
    stat: (path) => timeout.run(store.stat(path), "stat"),
    // A file that is opened too late is closed at once, because its scope is closed already.
    open: (path, options) =>
      Effect.map(
        timeout.run(
          store.open(path, options),
          "open",
          options.mode === "existing" ? undefined : removeLate(store, share, path, options.stream)
        ),
        (opened) => ({ ...opened, file: new FileWithTimeout(timeout, opened.file) })
      ),
    list: (path, options) =>
      Stream.transformPull(store.list(path, options), (pull) => Effect.succeed(timeout.run(pull, "list"))),
    ...(names === undefined
      ? {}
      : { names: (path) => Stream.transformPull(names(path), (pull) => Effect.succeed(timeout.run(pull, "names"))) }),
    remove: (path, options) => timeout.run(store.remove(path, options), "remove"),
    rename: (from, to, options) => timeout.run(store.rename(from, to, options), "rename"),
    ...(mayRemove === undefined
      ? {}
      : { mayRemove: (path, options) => timeout.run(mayRemove(path, options), "mayRemove") }),
    ...(link === undefined
      ? {}
      : { link: (existing, name, options) => timeout.run(link(existing, name, options), "link") })
  }
}
