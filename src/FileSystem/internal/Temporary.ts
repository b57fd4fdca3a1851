/** Methods for temporary files and directories. The file system's own operations make and remove them. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Random from "effect/Random"
import { at, type Root } from "./Access.ts"
import { absolute, namesOf } from "./Paths.ts"

interface Options {
  readonly directory?: string | undefined
  readonly prefix?: string | undefined
  readonly suffix?: string | undefined
}

/** Names on a share do not differ by case alone. */
const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

const randomName = Effect.map(
  Effect.all(Array.from({ length: 12 }, () => Random.nextIntBetween(0, letters.length, { halfOpen: true }))),
  (picked) => picked.map((i) => letters[i]).join("")
)

/** How often another name is tried, if an entry with the name exists. */
const attempts = 10

/** The methods for temporary files and directories. */
export const methods = (
  root: Root,
  fs: Pick<FileSystem.FileSystem, "makeDirectory" | "writeFile" | "remove">
): Pick<
  FileSystem.FileSystem,
  "makeTempDirectory" | "makeTempDirectoryScoped" | "makeTempFile" | "makeTempFileScoped"
> => {
  const remove = (directory: string) => fs.remove(directory, { recursive: true, force: true })
  /** A caller that has interrupted a method does not wait for a silent server. */
  const quietly = (removal: Effect.Effect<void, PlatformError>) =>
    removal.pipe(Effect.interruptible, Effect.timeoutOption("5 seconds"), Effect.ignore)
  const makeDirectory = (options: Options | undefined): Effect.Effect<string, PlatformError> => {
    const inDefault = options?.directory === undefined
    const directory = options?.directory ?? root.temporaryDirectory
    const attempt = Effect.flatMap(randomName, (name) => {
      const path = absolute([...namesOf(directory), ...namesOf(`${options?.prefix ?? ""}${name}`)])
      // The caller does not know the name, so an interruption removes what may be made, if it is empty.
      const remove = at(root, { method: "remove", path }, ({ unc }) => root.smb.remove(unc))
      return Effect.as(Effect.onInterrupt(fs.makeDirectory(path), () => quietly(remove)), path)
    })
    const retried = Effect.retry(attempt, { times: attempts, while: ({ reason }) => reason._tag === "AlreadyExists" })
    // The folder for temporary files is made when it is needed.
    return Effect.catchIf(
      retried,
      ({ reason }) => inDefault && reason._tag === "NotFound",
      () => Effect.andThen(fs.makeDirectory(directory, { recursive: true }), retried)
    )
  }
  const makeFile = (options: Options | undefined) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const directory = yield* restore(makeDirectory(options))
        const path = `${directory}/${yield* randomName}${options?.suffix ?? ""}`
        yield* Effect.onExit(
          restore(fs.writeFile(path, new Uint8Array(0), { flag: "wx" })),
          // The caller does not know the name of the directory.
          (exit) => Exit.isSuccess(exit) ? Effect.void : quietly(remove(directory))
        )
        return { directory, path }
      })
    )
  const removeDirectory = (directory: string) => Effect.orDie(remove(directory))
  return {
    makeTempDirectory: makeDirectory,
    makeTempDirectoryScoped: (options) => Effect.acquireRelease(makeDirectory(options), removeDirectory),
    makeTempFile: (options) => Effect.map(makeFile(options), ({ path }) => path),
    makeTempFileScoped: (options) =>
      Effect.map(
        Effect.acquireRelease(makeFile(options), ({ directory }) => removeDirectory(directory)),
        ({ path }) => path
      )
  }
}
