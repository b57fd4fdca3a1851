/**
 * The last step of what changes names: looks once more at the names, and calls the platform at once.
 *
 * The platform has no call that removes or replaces a name only if it stands for a given file. So what another program does
 * between the look and the call is not noticed. Everything that takes time is done before. Then, where the file system is
 * prompt (`Volume.prompt`), look and call are made in one go, without the thread pool and without a turn of the event loop
 * between them. Elsewhere a call could hold up every client: both go through the pool, one directly after the other.
 */
import * as Fs from "node:fs"
import type { StoreError } from "../../ShareStore.ts"
import * as Local from "./Local.ts"

/** A name, and what it has to stand for. */
export interface Look {
  readonly place: string
  readonly is: (stats: Fs.BigIntStats) => boolean
  /** Whether the name may be free. */
  readonly mayBeFree: boolean
  /** The refusal where it stands for another file. */
  readonly otherwise: StoreError["reason"]
}

/** One call of the platform. */
export type Call =
  | readonly [name: "unlink" | "rmdir", place: string]
  | readonly [name: "rename" | "link", from: string, to: string]

const callNow = (call: Call): void => {
  switch (call[0]) {
    case "unlink":
      return Fs.unlinkSync(call[1])
    case "rmdir":
      return Fs.rmdirSync(call[1])
    case "rename":
      return Fs.renameSync(call[1], call[2])
    case "link":
      return Fs.linkSync(call[1], call[2])
  }
}

const callLater = (call: Call): Promise<void> => {
  switch (call[0]) {
    case "unlink":
      return Fs.promises.unlink(call[1])
    case "rmdir":
      return Fs.promises.rmdir(call[1])
    case "rename":
      return Fs.promises.rename(call[1], call[2])
    case "link":
      return Fs.promises.link(call[1], call[2])
  }
}

/**
 * Waits for a change of a name that another program's call has begun. A look does not wait for it, and would see the name as it
 * was; the call after it does, and would meet what has come. A rename of a name onto itself changes nothing, and nobody is told
 * of it, but it takes its turn at the directory.
 */
const queue = (place: string): void => {
  try {
    Fs.renameSync(place, place)
  } catch {
    // What is wrong with the name, the look or the call says.
  }
}

/** Refuses where a look finds something else, and makes the calls otherwise. */
export const run = async (
  prompt: boolean,
  looks: ReadonlyArray<Look>,
  calls: ReadonlyArray<Call>
): Promise<void> => {
  const check = ({ is, mayBeFree, otherwise }: Look, stats: Fs.BigIntStats | undefined): void => {
    if (stats === undefined) {
      if (!mayBeFree) Local.refuse("NotFound")
    } else if (!is(stats)) Local.refuse(otherwise)
  }
  if (prompt) {
    for (const { place } of looks) queue(place)
    for (const look of looks) check(look, Local.lstatNowOrMissing(look.place))
    for (const call of calls) callNow(call)
    return
  }
  const found = await Promise.all(looks.map(({ place }) => Local.orMissing(Local.lstat(place))))
  looks.forEach((look, i) => check(look, found[i]))
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const call of calls) await callLater(call)
}
