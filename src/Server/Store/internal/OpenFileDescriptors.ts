/**
 * Open descriptors, as few as needed. A file that a client holds open gets a descriptor at the first access to its
 * bytes. All its handles share the descriptor, and it is closed when other files need one. So ten thousand open files
 * cost a few hundred descriptors.
 *
 * A read opens the file for reading only: opening for writing reports a change to programs that watch the folder, and
 * copies a file of an overlay's lower layer. The first change opens the file again for writing; reads under way keep
 * the old descriptor.
 *
 * A file that is removed while it is open keeps its descriptor until it is closed, because its name no longer leads to
 * it.
 */
import * as Local from "./Local.ts"
import type { PromptCalls } from "./PromptCalls.ts"

/** The bytes of one file or stream. */
export class Descriptor {
  fd: number | undefined = undefined
  /** Whether `fd` is open for writing too. */
  writable = false
  /** The previous `fd`, from before the file was opened for writing, while calls may still use it. */
  former: number | undefined = undefined
  opening: Promise<number> | undefined = undefined
  /** Calls that use `fd` now. */
  busy = 0
  pinned = false
  /** Its name is removed, or is about to be: the name no longer leads to the file. */
  nameless = false
  closed = false
  /** While this is set, other changes wait. */
  exclusive: Promise<unknown> | undefined = undefined
  /** Changes under way; the set is made with the first of them. */
  writes: Set<Promise<unknown>> | undefined
  /** Bytes were changed through `fd`. */
  changed = false
  /**
   * Opens the same file as before, or refuses with `Stale`; for reading only, or for writing too. `fd` is the
   * descriptor for reading that is already open.
   */
  readonly open: (writing: boolean, fd: number | undefined) => Promise<number>
  /** The calls of its file system. */
  readonly calls: PromptCalls
  constructor(open: Descriptor["open"], calls: PromptCalls) {
    this.open = open
    this.calls = calls
  }
}

/** @category models */
export class OpenFileDescriptors {
  readonly #limit: number
  /** Whether an open file can be opened again for writing after its name was removed. */
  readonly opensAgain: boolean
  /** The descriptors that have an `fd`, the longest unused first. */
  readonly #open = new Set<Descriptor>()

  constructor(limit: number, opensAgain: boolean) {
    this.#limit = limit
    this.opensAgain = opensAgain
  }

  /** Runs `body` with the descriptor for reading; with `writing` for changes, which call it by `change` or `alone`. */
  async use<A>(descriptor: Descriptor, body: (fd: number) => Promise<A>, writing = false): Promise<A> {
    descriptor.busy++
    try {
      const known = descriptor.fd
      const fd = known !== undefined && (descriptor.writable || !writing)
        ? known
        : await this.#reopen(descriptor, writing)
      this.#open.delete(descriptor)
      this.#open.add(descriptor)
      return await body(fd)
    } finally {
      descriptor.busy--
      if (descriptor.busy === 0) {
        if (descriptor.closed) this.#release(descriptor)
        else if (descriptor.former !== undefined) closeFormer(descriptor)
      }
      this.#trim()
    }
  }

  /** Opens the file early, before its bytes are needed. A failure is ignored: the later call reports it. */
  prepare(descriptor: Descriptor): void {
    if (descriptor.fd === undefined) this.use(descriptor, nothing).catch(ignore)
  }

  /** Changes bytes; waits while an `alone` is under way. */
  async change<A>(descriptor: Descriptor, body: (fd: number) => Promise<A>): Promise<A> {
    // oxlint-disable-next-line no-await-in-loop -- until no other call is in `alone`
    while (descriptor.exclusive !== undefined) await descriptor.exclusive
    descriptor.changed = true
    const done = this.use(descriptor, body, true)
    const settled = done.then(ignore, ignore)
    const writes = descriptor.writes ??= new Set()
    writes.add(settled)
    try {
      return await done
    } finally {
      writes.delete(settled)
    }
  }

  /** Changes bytes while no other call does. */
  async alone<A>(descriptor: Descriptor, body: (fd: number) => Promise<A>): Promise<A> {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    while (descriptor.exclusive !== undefined) await descriptor.exclusive
    descriptor.changed = true
    const done = Promise.all(descriptor.writes ?? []).then(() => this.use(descriptor, body, true))
    const settled = done.then(ignore, ignore)
    descriptor.exclusive = settled
    try {
      return await done
    } finally {
      descriptor.exclusive = undefined
    }
  }

  /** Gives a descriptor an `fd` that is open for writing too. If it has one already, closes the new one. */
  adopt(descriptor: Descriptor, fd: number): void {
    if (descriptor.fd === undefined && descriptor.opening === undefined) {
      descriptor.fd = fd
      descriptor.writable = true
      this.#open.add(descriptor)
      this.#trim()
    } else Local.close(fd).catch(ignore)
  }

  /**
   * Before the file's name is removed: opens the file for all later calls. If descriptors can be used as paths, the
   * file can be opened again for writing later. Otherwise it is opened for writing now, if that is allowed.
   */
  async pin(descriptor: Descriptor): Promise<void> {
    descriptor.pinned = true
    const writing = !this.opensAgain || descriptor.changed
    await this.use(descriptor, nothing, writing).catch((error) =>
      writing && Local.isRefusal(error) ? this.use(descriptor, nothing) : Promise.reject(error)
    )
    descriptor.nameless = true
  }

  /** Call it when the last handle is closed. */
  close(descriptor: Descriptor): void {
    descriptor.closed = true
    if (descriptor.busy === 0) this.#release(descriptor)
  }

  async #reopen(descriptor: Descriptor, writing: boolean): Promise<number> {
    // An open under way may be for reading only, which is not enough for writing.
    while (descriptor.opening !== undefined) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await descriptor.opening.catch(ignore)
      if (descriptor.fd !== undefined && (descriptor.writable || !writing)) return descriptor.fd
    }
    if (descriptor.nameless && (descriptor.fd === undefined || !this.opensAgain)) Local.refuse("AccessDenied")
    descriptor.opening = descriptor.open(writing, descriptor.fd).then((fd) => {
      descriptor.former = descriptor.fd
      descriptor.fd = fd
      descriptor.writable = writing
      return fd
    }).finally(() => {
      descriptor.opening = undefined
    })
    return descriptor.opening
  }

  #release(descriptor: Descriptor): void {
    this.#open.delete(descriptor)
    closeFormer(descriptor)
    const { fd } = descriptor
    descriptor.fd = undefined
    descriptor.writable = false
    if (fd === undefined) return
    // A failing close is not reported to any client: bytes that must survive a crash were flushed before.
    if (descriptor.calls.areShort) descriptor.calls.run(() => Local.closeNow(fd))
    else Local.close(fd).catch(ignore)
  }

  #trim(): void {
    if (this.#open.size <= this.#limit) return
    for (const descriptor of this.#open) {
      if (descriptor.busy > 0 || descriptor.pinned) continue
      this.#release(descriptor)
      if (this.#open.size <= this.#limit) return
    }
  }
}

const closeFormer = (descriptor: Descriptor): void => {
  const { former } = descriptor
  descriptor.former = undefined
  if (former !== undefined) Local.close(former).catch(ignore)
}

const ignore = () => undefined
const nothing = () => Promise.resolve()
