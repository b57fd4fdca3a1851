/**
 * Open descriptors, as few as needed: a file that a client holds open gets one when its bytes are first asked for, shared by
 * all its handles, and loses it again when others need theirs. So ten thousand open files cost a few hundred descriptors.
 *
 * Reading opens for reading alone: opening for writing tells programs that watch the folder of a change, and copies a file
 * of an overlay's lower layer. The first change opens the file again for writing; reads under way keep what they have.
 *
 * A file that is removed while it is open keeps its descriptor to the end, for its name leads to it no more.
 */
import * as Local from "./Local.ts"

/** The bytes of one file or stream. */
export class Descriptor {
  fd: number | undefined = undefined
  /** Whether `fd` is open for writing too. */
  writable = false
  /** What `fd` was before it was opened for writing, while calls may use it. */
  former: number | undefined = undefined
  opening: Promise<number> | undefined = undefined
  /** Calls that use `fd` now. */
  busy = 0
  pinned = false
  /** Its name is gone, or will be at once: the name leads to it no more. */
  nameless = false
  closed = false
  /** Changes by others wait while this is set. */
  exclusive: Promise<unknown> | undefined = undefined
  /** Changes under way; made with the first of them. */
  writes: Set<Promise<unknown>> | undefined
  /** Bytes were changed through `fd`. */
  changed = false
  /**
   * Opens the same file as ever, or refuses with `Stale`; for reading alone, or for writing too. `fd` is what it has for
   * reading already.
   */
  readonly open: (writing: boolean, fd: number | undefined) => Promise<number>
  /** Its file system does what needs no disk at once (`Local.isPrompt`). */
  readonly prompt: boolean
  constructor(open: Descriptor["open"], prompt: boolean) {
    this.open = open
    this.prompt = prompt
  }
}

/** @category models */
export class Descriptors {
  readonly #limit: number
  /** An open file can be opened for writing when its name is gone. */
  readonly opensAgain: boolean
  /** Those that have an `fd`, the longest unused first. */
  readonly #open = new Set<Descriptor>()

  constructor(limit: number, opensAgain: boolean) {
    this.#limit = limit
    this.opensAgain = opensAgain
  }

  /** For reading; with `writing` for changes, which go through `change` or `alone`. */
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

  /** Opens it already, for its bytes will be asked for. What fails, fails again then, and is heard of. */
  prepare(descriptor: Descriptor): void {
    if (descriptor.fd === undefined) this.use(descriptor, nothing).catch(ignore)
  }

  /** For changes to bytes: waits for `alone`. */
  async change<A>(descriptor: Descriptor, body: (fd: number) => Promise<A>): Promise<A> {
    // oxlint-disable-next-line no-await-in-loop -- until nobody is alone any more
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

  /** While nobody else changes bytes. */
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

  /** Gives a descriptor what was opened for it, for writing too, if it has nothing yet. */
  adopt(descriptor: Descriptor, fd: number): void {
    if (descriptor.fd === undefined && descriptor.opening === undefined) {
      descriptor.fd = fd
      descriptor.writable = true
      this.#open.add(descriptor)
      this.#trim()
    } else Local.close(fd).catch(ignore)
  }

  /**
   * Before the file's name goes: opens it for all that is still to come. What is open can be opened again for writing
   * where descriptors are paths; elsewhere it is opened for writing while it has a name, if it may be.
   */
  async pin(descriptor: Descriptor): Promise<void> {
    descriptor.pinned = true
    const writing = !this.opensAgain || descriptor.changed
    await this.use(descriptor, nothing, writing).catch((error) =>
      writing && Local.isRefusal(error) ? this.use(descriptor, nothing) : Promise.reject(error)
    )
    descriptor.nameless = true
  }

  /** The last handle is gone. */
  close(descriptor: Descriptor): void {
    descriptor.closed = true
    if (descriptor.busy === 0) this.#release(descriptor)
  }

  async #reopen(descriptor: Descriptor, writing: boolean): Promise<number> {
    // What is being opened for reading does not do for writing.
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
    // A failing close is nobody's any more; what had to last was flushed.
    if (descriptor.prompt && !descriptor.changed) Local.closeUnchanged(fd)
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
