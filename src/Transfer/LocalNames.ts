/** Names that this machine and a server can both have. */
import * as Effect from "effect/Effect"
import { basename } from "node:path"
import * as LocalName from "./internal/LocalName.ts"
import { LocalError } from "./LocalError.ts"

/**
 * A name from a server, if a local file can have it: one component, and on Windows no device, stream or final dot.
 *
 * @since 0.2.0
 */
export const checked = (name: string): Effect.Effect<string, LocalError> => {
  const objection = LocalName.objection(name, process.platform)
  return objection === undefined
    ? Effect.succeed(name)
    : Effect.fail(
      new LocalError({ path: JSON.stringify(name), detail: `no local file can have this name: ${objection}` })
    )
}

/**
 * Fails unless the last name of a local path can be a name on a server (MS-FSCC 2.1.5.2). `mapped`: the client has
 * `names: "mapped"`.
 *
 * @since 0.2.0
 */
export const checkedThere = (path: string, mapped: boolean): Effect.Effect<void, LocalError> => {
  const objection = LocalName.objectionThere(basename(path), mapped)
  return objection === undefined ? Effect.void : Effect.fail(new LocalError({ path, detail: objection }))
}
