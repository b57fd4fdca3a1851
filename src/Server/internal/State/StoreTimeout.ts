/**
 * A store with a timeout for its calls: a call that takes longer fails with `TimedOut`, and is interrupted as far as
 * possible.
 *
 * Memory that was lent to a call is not waited for: it is left to the store that still reads or fills it, and then to
 * the garbage collector. Calls that complete at once cost no timer.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { type ShareStore, type StoreError, storeError, type StoreFile } from "../../ShareStore.ts"

/** A call with a timeout. */
interface Waiting {
  /** Timer ticks until the timeout. */
  left: number
  readonly giveUp: () => void
}

/** Timer ticks in the time that a call may take. A timeout can be late by one tick. */
const looks = 8

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
  private readonly waiting = new Set<Waiting>()
  private timer: NodeJS.Timeout | undefined

  constructor(millis: number) {
    this.millis = millis
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

  /** Runs an effect. After the timeout its result is ignored. */
  run<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> {
    if (this.millis === Number.POSITIVE_INFINITY) return effect
    return Effect.contextWith((context: Context.Context<R>) => {
      const fiber = Effect.runForkWith(context)(effect)
      const done = fiber.pollUnsafe()
      if (done !== undefined) return answered(done)
      return Effect.callback<A, E | StoreError>((resume) => {
        const one = this.wait(() => {
          this.waiting.delete(one)
          resume(Effect.fail(storeError("TimedOut")))
          fiber.interruptUnsafe()
        })
        fiber.addObserver((exit) => {
          this.waiting.delete(one)
          resume(answered(exit))
        })
        return Effect.sync(() => {
          this.waiting.delete(one)
          fiber.interruptUnsafe()
        })
      })
    })
  }
}

/** Effects are made only when they are used: a server holds thousands of open files that no client uses. */
class FileWithTimeout implements StoreFile {
  readonly readInto?: NonNullable<StoreFile["readInto"]>
  readonly renameStream?: StoreFile["renameStream"]
  private readonly timeout: StoreTimeout
  private readonly file: StoreFile

  constructor(timeout: StoreTimeout, file: StoreFile) {
    this.timeout = timeout
    this.file = file
    if (file.readInto !== undefined) {
      this.readInto = (offset, target) => timeout.run(file.readInto!(offset, target))
    }
    if (file.renameStream !== undefined) {
      this.renameStream = (name, options) => timeout.run(file.renameStream!(name, options))
    }
  }

  get id() {
    return this.file.id
  }
  get stat() {
    return this.timeout.run(this.file.stat)
  }
  get parent() {
    const { parent } = this.file
    return parent === undefined ? undefined : this.timeout.run(parent)
  }
  get volume() {
    const { volume } = this.file
    return volume === undefined ? undefined : this.timeout.run(volume)
  }
  get flush() {
    return this.timeout.run(this.file.flush)
  }
  get streams() {
    return this.timeout.run(this.file.streams)
  }
  read(...of: Parameters<StoreFile["read"]>) {
    return this.timeout.run(this.file.read(...of))
  }
  write(...of: Parameters<StoreFile["write"]>) {
    return this.timeout.run(this.file.write(...of))
  }
  truncate(...of: Parameters<StoreFile["truncate"]>) {
    return this.timeout.run(this.file.truncate(...of))
  }
  set(...of: Parameters<StoreFile["set"]>) {
    return this.timeout.run(this.file.set(...of))
  }
  getBlob(...of: Parameters<StoreFile["getBlob"]>) {
    return this.timeout.run(this.file.getBlob(...of))
  }
  setBlob(...of: Parameters<StoreFile["setBlob"]>) {
    return this.timeout.run(this.file.setBlob(...of))
  }
  zero(...of: Parameters<StoreFile["zero"]>) {
    return this.timeout.run(this.file.zero(...of))
  }
  allocated(...of: Parameters<StoreFile["allocated"]>) {
    return this.timeout.run(this.file.allocated(...of))
  }
}

/**
 * A store with that timeout for every call.
 *
 * @category constructors
 */
export const withTimeout = (store: ShareStore, timeout: StoreTimeout): ShareStore => {
  const { link, mayRemove, names } = store
  return {
    ...store,
    volume: timeout.run(store.volume),
    stat: (path) => timeout.run(store.stat(path)),
    // A file that is opened too late is closed at once, because its scope is closed already.
    open: (path, options) =>
      Effect.map(timeout.run(store.open(path, options)), (opened) => ({
        ...opened,
        file: new FileWithTimeout(timeout, opened.file)
      })),
    list: (path, options) =>
      Stream.transformPull(store.list(path, options), (pull) => Effect.succeed(timeout.run(pull))),
    ...(names === undefined
      ? {}
      : { names: (path) => Stream.transformPull(names(path), (pull) => Effect.succeed(timeout.run(pull))) }),
    remove: (path, options) => timeout.run(store.remove(path, options)),
    rename: (from, to, options) => timeout.run(store.rename(from, to, options)),
    ...(mayRemove === undefined
      ? {}
      : { mayRemove: (path, options) => timeout.run(mayRemove(path, options)) }),
    ...(link === undefined
      ? {}
      : { link: (existing, name, options) => timeout.run(link(existing, name, options)) })
  }
}
