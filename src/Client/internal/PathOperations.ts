/** All operations on paths, from the modules that have them. Each is built on `TargetAttempt.withShare`. */
import * as Effect from "effect/Effect"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as ShareList from "../ShareList.ts"
import * as SmbFile from "../SmbFile.ts"
import * as UncPath from "../UncPath.ts"
import * as AccountLookups from "./AccountLookups.ts"
import * as AtomicWriting from "./AtomicWriting.ts"
import * as Attributes from "./Attributes.ts"
import * as Copying from "./Copying.ts"
import * as Directories from "./Directories.ts"
import * as Metadata from "./Metadata.ts"
import { openFile } from "./Opening.ts"
import { annotateSpan, spanOptions } from "./PathNames.ts"
import * as Reading from "./Reading.ts"
import * as Removing from "./Removing.ts"
import * as Renaming from "./Renaming.ts"
import * as SymlinkFiles from "./SymlinkFiles.ts"
import { type PathContext, withShare } from "./TargetAttempt.ts"
import * as Writing from "./Writing.ts"

/**
 * All operations on paths.
 *
 * @category constructors
 */
export const operations = (context: PathContext): Operations => {
  const attributes = Attributes.operations(context)
  const lookups = AccountLookups.operations(context)
  const all: Operations = {
    withShare: (path, use) => Effect.withSpan(withShare(context, path, use), "SmbClient.withShare", spanOptions(path)),
    open: Effect.fn("SmbClient.open")(function*(path, options) {
      yield* annotateSpan(path)
      const { file, share } = yield* openFile(context, path, options ?? OpenMode.read)
      return SmbFile.make(share, file)
    }),
    ...Reading.operations(context),
    ...Writing.operations(context),
    ...attributes,
    ...Directories.operations(context, attributes.stat),
    ...Removing.operations(context, attributes.setAttributes),
    rename: Renaming.make(context),
    makeHardLink: Renaming.makeHardLink(context),
    copy: Copying.make(context),
    ...Metadata.operations(context, lookups.lookupSids),
    ...SymlinkFiles.operations(context),
    ...lookups,
    shares: (server) =>
      Effect.flatMap(Effect.fromResult(UncPath.parse(server)), (unc) =>
        Effect.scoped(Effect.flatMap(
          context.connect({ server: unc.server, port: unc.port, share: "IPC$", path: "" }),
          ShareList.shares
        ))).pipe(Effect.withSpan("SmbClient.shares", spanOptions(server)))
  }
  return { ...all, writeFile: AtomicWriting.make(all) }
}
