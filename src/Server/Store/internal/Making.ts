/**
 * Files and directories that this process is making. A name is there before what its file is protected by: who finds it
 * meanwhile waits until the file is whole, or is gone again because it could not be.
 *
 * By identity, not by name: the file may be found by a symbolic link, or in a directory that is renamed meanwhile. Between
 * the call that makes the file and the one that says which it is, any file of its file system could be it.
 */
import type { Volume } from "./LocalVolume.ts"

interface Made {
  readonly volume: Volume
  identity: string | undefined
  /** Its identity is known, or it is none. */
  readonly known: Promise<void>
  /** It is whole, or gone. */
  readonly done: Promise<unknown>
}

/** @category models */
export class Making {
  readonly #all = new Set<Made>()

  /** Makes a file. `body` tells its identity as soon as it has it. */
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

  /** Waits while a file that was just found is being made. `true`: it was, and has to be looked up again. */
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
