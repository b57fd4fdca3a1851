/**
 * Open descriptors, as few as needed: a file that a client holds open gets one when its bytes are first asked for, shared by
 * all its handles, and loses it again when others need theirs. So ten thousand open files cost a few hundred descriptors.
 *
 * A file that is removed while it is open keeps its descriptor to the end, for nobody could open it again.
 */
import * as Local from "./Local.ts"

/** The bytes of one file or stream. */
export class Descriptor {
  fd: number | undefined = undefined
  opening: Promise<number> | undefined = undefined
  /** Calls that use `fd` now. */
  busy = 0
  pinned = false
  closed = false
  /** Changes by others wait while this is set. */
  exclusive: Promise<unknown> | undefined = undefined
  /** Changes under way; made with the first of them. */
  writes: Set<Promise<unknown>> | undefined
  /** Bytes were changed through `fd`. */
  changed = false
  /** Opens the same file as ever, or refuses with `Stale`. */
  readonly open: () => Promise<number>
  /** Its file system does what needs no disk at once (`Local.isPrompt`). */
  readonly prompt: boolean
  constructor(open: () => Promise<number>, prompt: boolean) {
    this.open = open
    this.prompt = prompt
  }
}

/** @category models */
export class Descriptors {
  readonly #limit: number
  /** Those that have an `fd`, the longest unused first. */
  readonly #open = new Set<Descriptor>()

  constructor(limit: number) {
    this.#limit = limit
  }

  async use<A>(descriptor: Descriptor, body: (fd: number) => Promise<A>): Promise<A> {
    descriptor.busy++
    try {
      const fd = descriptor.fd ?? await this.#reopen(descriptor)
      this.#open.delete(descriptor)
      this.#open.add(descriptor)
      return await body(fd)
    } finally {
      descriptor.busy--
      if (descriptor.closed && descriptor.busy === 0) this.#release(descriptor)
      else this.#trim()
    }
  }

  /** Opens it already, for its bytes will be asked for. What fails, fails again then, and is heard of. */
  prepare(descriptor: Descriptor): void {
    if (descriptor.fd === undefined) this.use(descriptor, () => Promise.resolve()).catch(ignore)
  }

  /** For changes to bytes: waits for `alone`. */
  async change<A>(descriptor: Descriptor, body: (fd: number) => Promise<A>): Promise<A> {
    // oxlint-disable-next-line no-await-in-loop -- until nobody is alone any more
    while (descriptor.exclusive !== undefined) await descriptor.exclusive
    descriptor.changed = true
    const done = this.use(descriptor, body)
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
    const done = Promise.all(descriptor.writes ?? []).then(() => this.use(descriptor, body))
    const settled = done.then(ignore, ignore)
    descriptor.exclusive = settled
    try {
      return await done
    } finally {
      descriptor.exclusive = undefined
    }
  }

  /** Gives a descriptor what was opened for it, if it has nothing yet. */
  adopt(descriptor: Descriptor, fd: number): void {
    if (descriptor.fd === undefined && descriptor.opening === undefined) {
      descriptor.fd = fd
      this.#open.add(descriptor)
      this.#trim()
    } else Local.close(fd).catch(ignore)
  }

  /** Before the file's name goes. */
  async pin(descriptor: Descriptor): Promise<void> {
    descriptor.pinned = true
    await this.use(descriptor, () => Promise.resolve())
  }

  /** The last handle is gone. */
  close(descriptor: Descriptor): void {
    descriptor.closed = true
    if (descriptor.busy === 0) this.#release(descriptor)
  }

  #reopen(descriptor: Descriptor): Promise<number> {
    descriptor.opening ??= descriptor.open().then(
      (fd) => {
        descriptor.fd = fd
        return fd
      }
    ).finally(() => {
      descriptor.opening = undefined
    })
    return descriptor.opening
  }

  #release(descriptor: Descriptor): void {
    this.#open.delete(descriptor)
    const { fd } = descriptor
    descriptor.fd = undefined
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

const ignore = () => undefined
