/** All operations on paths, from the modules that have them. Each is built on `TargetAttempt.withShare`. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as ServerUse from "../ServerUse.ts"
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
import * as OperationArguments from "./OperationArguments.ts"
import * as OperationSpans from "./OperationSpans.ts"
import * as Reading from "./Reading.ts"
import * as Removing from "./Removing.ts"
import * as Renaming from "./Renaming.ts"
import * as SymlinkFiles from "./SymlinkFiles.ts"
import { type PathContext, withShare } from "./TargetAttempt.ts"
import * as Writing from "./Writing.ts"

/** Runs on the IPC$ of a server. */
const onServer = <A>(
  context: PathContext,
  server: UncPath.PathInput,
  use: (ipc: Share.Share) => Effect.Effect<A, RequestError, Scope.Scope>
) =>
  Effect.flatMap(
    Effect.fromResult(UncPath.parse(server)),
    ({ port, server }) => Effect.scoped(Effect.flatMap(context.connect({ server, port, share: "IPC$", path: "" }), use))
  )

/**
 * All operations on paths, each with a check of its arguments, and in a span.
 *
 * @category constructors
 */
export const operations = (context: PathContext): Operations => {
  const attributes = Attributes.operations(context)
  const lookups = AccountLookups.operations(context)
  const all: Operations = {
    withShare: (path, use) => withShare(context, path, use),
    open: Effect.fnUntraced(function*(path, options) {
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
    shares: (server) => onServer(context, server, ShareList.shares),
    openFiles: (server) => onServer(context, server, ServerUse.openFiles),
    sessions: (server) => onServer(context, server, ServerUse.sessions)
  }
  return OperationSpans.each(OperationArguments.each({ ...all, writeFile: AtomicWriting.make(all) }))
}
