/**
 * The last step of a change of names: looks at the names again, and then calls the platform at once.
 *
 * The platform has no call that removes or replaces a name only if it stands for a given file. So a change by another
 * program between the look and the call is not noticed. Everything that takes time is done before. If the file system
 * is prompt (`Volume.prompt`), the look and the call are synchronous, without the thread pool and without a turn of the
 * event loop between them. On other file systems a synchronous call could delay every client: both go through the pool,
 * one directly after the other.
 */
import * as Fs from "node:fs"
import type { StoreReason } from "../../ShareStore.ts"
import * as Local from "./Local.ts"

/** A name, and the file that it must stand for. */
export interface Look {
  readonly place: string
  readonly is: (stats: Fs.BigIntStats) => boolean
  /** Whether the name may be free. */
  readonly mayBeFree: boolean
  /** The reason of the refusal if it stands for another file. */
  readonly otherwise: StoreReason["_tag"]
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
 * Waits for a change of a name that another program's call has begun. A look does not wait for that call, and would see
 * the old name; the call after the look does wait, and would act on the new one. A rename of a name onto itself changes
 * nothing, and no watcher gets an event, but it waits for its turn at the directory.
 */
const queue = (place: string): void => {
  try {
    Fs.renameSync(place, place)
  } catch {
    // If the name has a fault, the look or the call reports it.
  }
}

/** Refuses if a look finds another file; otherwise makes the calls. */
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
