/**
 * Files and directories that this process is making. A name exists before the security descriptor of its file. A call
 * that finds the file during that time waits until the file is complete, or is removed because the descriptor failed.
 *
 * Files are known by identity, not by name: the file can be found by a symbolic link, or in a directory that is renamed
 * at the same time. After the file is made and before its identity is known, it could be any file of its file system.
 */
import type { Volume } from "./LocalVolume.ts"

interface Made {
  readonly volume: Volume
  identity: string | undefined
  /** Done when its identity is known, or when it could not be made. */
  readonly known: Promise<void>
  /** Done when it is complete, or removed. */
  readonly done: Promise<unknown>
}

/** @category models */
export class FilesBeingMade {
  readonly #all = new Set<Made>()

  /** Makes a file. `body` calls `is` with the file's identity as soon as it is known. */
  async run<A>(volume: Volume, body: (is: (identity: string) => void) => Promise<A>): Promise<A> {
    const known = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    const made: Made = { volume, identity: undefined, known: known.promise, done: done.promise }
    this.#all.add(made)
    try {
      return await body((identity) => {
        made.identity = identity
        known.resolve()
      })
    } finally {
      this.#all.delete(made)
      known.resolve()
      done.resolve()
    }
  }

  /** Waits while a file that was just found is being made. `true`: it was, and must be looked up again. */
  async settled(volume: Volume, identity: string): Promise<boolean> {
    for (const made of [...this.#all]) {
      if (made.volume !== volume) continue
      // oxlint-disable-next-line no-await-in-loop -- the first that is it ends the search
      if (made.identity === undefined) await made.known
      if (made.identity !== identity) continue
      // oxlint-disable-next-line no-await-in-loop -- as above
      await made.done
      return true
    }
    return false
  }

  get isIdle(): boolean {
    return this.#all.size === 0
  }
}
