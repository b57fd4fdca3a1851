/**
 * A folder of a share as Effect's own `FileSystem`: a program that reads and writes files by that service runs on the
 * share without a change.
 *
 * The folder is the root of all paths, as after `chroot`. Paths are those of POSIX: `/` separates names, and every other
 * character can be part of a name. Names that SMB cannot carry, such as `11:05` or `what?`, are on the server as other
 * clients for Unix write them (`names: "mapped"` of `SmbClient`). Names with other case are the same name.
 *
 * Errors are `PlatformError`s with the tags that a local disk has for the same cause. Their `cause` is the client's
 * error.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as SmbClient from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import type { Root } from "./internal/Access.ts"
import * as Attributes from "./internal/Attributes.ts"
import * as Content from "./internal/Content.ts"
import * as Links from "./internal/Links.ts"
import * as MethodArguments from "./internal/MethodArguments.ts"
import * as MethodSpans from "./internal/MethodSpans.ts"
import * as Temporary from "./internal/Temporary.ts"
import * as Trees from "./internal/Trees.ts"
import * as Watching from "./internal/Watching.ts"

/**
 * Options of a file system.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * The folder for temporary files, as a path of the file system. It is made when it is needed, and stays. Default: the
   * root.
   */
  readonly temporaryDirectory?: string | undefined
}

/**
 * The file system of the folder `base`, such as `//server/share/folder`. Nothing is sent before the first operation, so
 * the folder can be missing until then. Fails with `PathError` if `base` names no share.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  base: UncPath.PathInput,
  options: Options = {}
): Effect.fn.Return<FileSystem.FileSystem, UncPath.PathError, SmbClient.SmbClient> {
  const smb = yield* SmbClient.SmbClient
  const folder = yield* Effect.fromResult(UncPath.parseInShare(base))
  const root: Root = {
    smb: smb.withNames("mapped").confinedTo(folder),
    base: folder,
    temporaryDirectory: options.temporaryDirectory ?? "/"
  }
  const { sink, stream, ...content } = MethodArguments.each(Content.methods(root))
  const trees = Trees.methods(root)
  const fs: FileSystem.FileSystem = {
    ...FileSystem.make(MethodArguments.each({
      ...Attributes.methods(root),
      ...content,
      ...trees,
      ...Links.methods(root),
      ...Temporary.methods(root, { ...content, ...trees }),
      watch: Watching.make(root)
    })),
    stream,
    sink
  }
  return MethodSpans.each(fs, root.base)
})

/**
 * The file system of the folder `base` as a layer.
 *
 * @example
 * ```ts
 * const Live = SmbFileSystem.layer("//corp.test/public/site").pipe( // the program only knows FileSystem
 *   Layer.provide(Smb.layer({ user: "joe", password: Redacted.make("secret"), dfs: "fallback" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  base: UncPath.PathInput,
  options?: Options
): Layer.Layer<FileSystem.FileSystem, UncPath.PathError, SmbClient.SmbClient> =>
  Layer.effect(FileSystem.FileSystem, make(base, options))

/**
 * The paths of the file system: those of POSIX, where a relative path begins at the root. Effect's own `Path.layer`
 * and `NodePath.layer` begin it at the folder in which the process was started, which means nothing on a share.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerPath: Layer.Layer<Path.Path> = Layer.effect(
  Path.Path,
  Effect.map(Path.Path, (posix) => {
    const resolve: Path.Path["resolve"] = (...segments) => posix.resolve("/", ...segments)
    return Path.make({
      ...posix,
      resolve,
      relative: (from, to) => posix.relative(resolve(from), resolve(to)),
      toFileUrl: (path) => posix.toFileUrl(resolve(path))
    })
  })
).pipe(Layer.provide(Path.layer))
