/**
 * What the arguments of a client's operations have to be. Every operation of `Operations` has its line here: the modules
 * with the operations get values that they can use, and a wrong one is an `ArgumentError` before anything is sent.
 *
 * Paths are not here: `UncPath.parse` checks them.
 */
import * as Arguments from "../../Protocol/Arguments.ts"
import * as RequestArguments from "../../Protocol/RequestArguments.ts"
import type { Operations } from "../Operations.ts"
import type * as UncPath from "../UncPath.ts"
import { checked, range, writing } from "./FileArguments.ts"
import { text } from "./PathNames.ts"

type Given = Arguments.Given

/** What an operation is given besides its path; `undefined` if there is nothing to check. */
type Checks<Functions> = {
  readonly [K in keyof Functions]: Functions[K] extends (path: any, ...rest: infer Rest) => any
    ? ((...rest: Rest) => Given) | undefined
    : Checks<Functions[K]>
}

const checks: Checks<Operations> = {
  withShare: undefined,
  open: (options) => options === undefined ? {} : RequestArguments.openOptions(options),
  readFile: (options) => ({ maximum: [Arguments.count(0), options?.maximum] }),
  readFileString: undefined,
  writeFile: (data, options) => ({
    data: [Arguments.required(Arguments.bytesOrText), data],
    lastWriteTime: [Arguments.time, options?.lastWriteTime],
    shareAccess: [Arguments.flags, options?.shareAccess],
    ...(options?.atomic === true ? { append: [Arguments.without("atomic"), options.append] } : {})
  }),
  stream: range,
  sink: writing,
  readTo: (_, options) => range(options),
  // The opened file checks its ranges.
  openToRead: undefined,
  writeFrom: (_, options) => writing(options),
  stat: undefined,
  exists: undefined,
  list: (options) => ({ pattern: [Arguments.text, options?.pattern] }),
  walk: (options) => ({
    concurrency: [Arguments.count(1), options?.concurrency],
    maximumDepth: [Arguments.count(0), options?.maximumDepth]
  }),
  makeDirectory: undefined,
  remove: undefined,
  removable: undefined,
  rename: undefined,
  copy: undefined,
  watch: (options) => ({ completionFilter: [Arguments.flags, options?.completionFilter] }),
  setAttributes: (changes) => ({
    creationTime: [Arguments.time, changes.creationTime],
    lastAccessTime: [Arguments.time, changes.lastAccessTime],
    lastWriteTime: [Arguments.time, changes.lastWriteTime],
    changeTime: [Arguments.time, changes.changeTime],
    fileAttributes: [Arguments.flags, changes.fileAttributes]
  }),
  truncate: (size) => ({ size: [Arguments.required(Arguments.size), size] }),
  security: { get: undefined, permissions: undefined, set: RequestArguments.descriptorOf },
  namedStreams: undefined,
  readLink: undefined,
  // The target is checked when it is encoded.
  makeLink: undefined,
  makeHardLink: undefined,
  previousVersions: undefined,
  shares: undefined,
  lookupSids: undefined,
  lookupNames: undefined,
  lookupDomains: undefined,
  openFiles: undefined,
  sessions: undefined
}

const eachOf = (operations: object, checks: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => {
      const check = checks[name as keyof typeof checks] as
        | ((...rest: ReadonlyArray<unknown>) => Given)
        | object
        | undefined
      if (check === undefined) return [name, operation]
      if (typeof check !== "function") return [name, eachOf(operation as object, check)]
      const find = (path: UncPath.PathInput, ...rest: ReadonlyArray<unknown>) => {
        const given = (check as (...rest: ReadonlyArray<unknown>) => Given)(...rest)
        // The text of a path costs more than the checks.
        return Arguments.objection(given) && Arguments.objection(given, text(path))
      }
      return [name, checked(name, operation as () => unknown, find)]
    })
  )

/**
 * All operations, each with a check of its arguments.
 *
 * @category combinators
 */
export const each = (operations: Operations): Operations => eachOf(operations, checks) as unknown as Operations
