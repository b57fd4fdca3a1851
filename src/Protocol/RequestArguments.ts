/**
 * What the parts of a request have to be: options of CREATE, ranges, security descriptors and operations. A share with
 * `guard` sends no request with a number that its field cannot hold.
 */
import * as Effect from "effect/Effect"
import { type Acl, isSid, type SecurityDescriptor } from "../Codec/SecurityDescriptor.ts"
import {
  bytes,
  flags,
  type Given,
  integer,
  isBytes,
  objection,
  required,
  type Rule,
  size,
  text,
  whole
} from "./Arguments.ts"
import type { ArgumentError, RequestError } from "./Errors.ts"
import type * as Operation from "./Operation.ts"
import type * as Share from "./Share.ts"

const u8: Rule = integer(0, 0xff)
const u32: Rule = integer(0, 0xffff_ffff)
const u64: Rule = whole(0n, (1n << 64n) - 1n)

const bytesOf = (length: number): Rule => ({
  holds: (value) => isBytes(value) && value.length === length,
  expected: `${length} bytes in a Uint8Array`
})

const sid: Rule = { holds: isSid, expected: "the text of a SID, such as S-1-5-32-544" }

const aclOf = (name: string, acl: Acl | undefined): Given => {
  const given: Record<string, readonly [Rule, unknown]> = { [`${name}.aclRevision`]: [u8, acl?.aclRevision] }
  for (const [i, ace] of (acl?.aces ?? []).entries()) {
    const at = `${name}.aces[${i}]`
    given[`${at}.aceType`] = [u8, ace.aceType]
    given[`${at}.aceFlags`] = [u8, ace.aceFlags]
    if (ace._tag === "Raw") {
      given[`${at}.data`] = [required(bytes), ace.data]
      continue
    }
    given[`${at}.mask`] = [flags, ace.mask]
    given[`${at}.sid`] = [sid, ace.sid]
    if (ace._tag === "Basic") continue
    given[`${at}.objectType`] = [bytesOf(16), ace.objectType]
    given[`${at}.inheritedObjectType`] = [bytesOf(16), ace.inheritedObjectType]
  }
  return given
}

/**
 * The parts of a security descriptor to set (MS-DTYP 2.4.6).
 *
 * @since 0.2.0
 */
export const descriptorOf = (descriptor: SecurityDescriptor): Given => ({
  sbz1: [u8, descriptor.sbz1],
  control: [integer(0, 0xffff), descriptor.control],
  owner: [sid, descriptor.owner],
  group: [sid, descriptor.group],
  ...aclOf("sacl", descriptor.sacl),
  ...aclOf("dacl", descriptor.dacl)
})

/**
 * The options of CREATE (MS-SMB2 2.2.13).
 *
 * @since 0.2.0
 */
export const openOptions = (options: Share.OpenOptions): Given => ({
  desiredAccess: [flags, options.desiredAccess],
  shareAccess: [flags, options.shareAccess],
  createDisposition: [u32, options.createDisposition],
  createOptions: [flags, options.createOptions],
  fileAttributes: [flags, options.fileAttributes],
  impersonationLevel: [u32, options.impersonationLevel],
  oplockLevel: [u8, options.oplockLevel],
  "lease.leaseState": [flags, options.lease?.leaseState],
  "lease.leaseKey": [bytesOf(16), options.lease?.leaseKey],
  "durable.timeout": [u32, options.durable?.timeout],
  "appInstance.id": [bytesOf(16), options.appInstance?.id],
  "appInstance.version.high": [u64, options.appInstance?.version?.high],
  "appInstance.version.low": [u64, options.appInstance?.version?.low],
  timewarp: [size, options.timewarp],
  allocationSize: [size, options.allocationSize],
  securityDescriptor: [bytes, options.securityDescriptor],
  extendedAttributes: [bytes, options.extendedAttributes]
})

/** How many ranges one request can have: their count is a number of 16 bits (MS-SMB2 2.2.26). */
const ranges: Rule = {
  holds: (value) =>
    Array.isArray(value) && value.length <= 0xffff && value.every((one) => typeof one === "object" && one !== null),
  expected: "a list of at most 65535 ranges, each with offset and length"
}

/**
 * Ranges of bytes to lock or unlock (MS-SMB2 2.2.26.1).
 *
 * @since 0.2.0
 */
export const rangesOf = (
  list: ReadonlyArray<{ readonly offset: bigint | number; readonly length: bigint | number }>
): Given =>
  ranges.holds(list)
    ? Object.fromEntries(list.flatMap(({ length, offset }, i) => [
      [`ranges[${i}].offset`, [needed.u64, offset]],
      [`ranges[${i}].length`, [needed.u64, length]]
    ]))
    : { ranges: [required(ranges), list] }

const information = (about: Operation.Information): Given => {
  switch (about._tag) {
    case "File":
      return { fileInformationClass: [u8, about.fileInformationClass] }
    case "FileSystem":
      return { fileSystemInformationClass: [u8, about.fileSystemInformationClass] }
    case "Security":
      return { securityInformation: [flags, about.securityInformation] }
  }
}

/** The rules of what each operation has, made once: every request is checked. */
const needed = { bytes: required(bytes), u32: required(u32), u64: required(u64) }

const operationOf = (operation: Operation.Any): Given => {
  switch (operation._tag) {
    case "Read": {
      const { destination, length, offset } = operation
      return {
        offset: [needed.u64, offset],
        length: [needed.u32, length],
        destination: [
          {
            holds: (value) => isBytes(value) && value.length >= length,
            expected: `a Uint8Array of ${length} bytes`,
            isContent: !isBytes(destination)
          },
          destination
        ]
      }
    }
    case "Write":
      return { offset: [needed.u64, operation.offset], data: [needed.bytes, operation.data] }
    case "Flush":
      return {}
    case "QueryInfo":
      return {
        ...information(operation.information),
        maximum: [u32, operation.maximum],
        input: [bytes, operation.input]
      }
    case "SetInfo":
      return { ...information(operation.information), data: [needed.bytes, operation.data] }
    case "QueryDirectory":
      return {
        fileInformationClass: [u8, operation.fileInformationClass],
        pattern: [text, operation.pattern],
        maximum: [u32, operation.maximum]
      }
    case "ChangeNotify":
      return { completionFilter: [flags, operation.completionFilter], maximum: [u32, operation.maximum] }
    case "Lock":
    case "Unlock":
      return rangesOf(operation.ranges)
    case "Ioctl":
      return {
        ctlCode: [flags, operation.ctlCode],
        maximum: [u32, operation.maximum],
        input: [needed.bytes, operation.input]
      }
  }
}

/** The error of the first operation that cannot go on the wire as it is. */
const objectionTo = (operations: ReadonlyArray<Operation.Any>, path: string): ArgumentError | undefined => {
  for (const operation of operations) {
    const error = objection(operationOf(operation), path)
    if (error !== undefined) return error
  }
  return undefined
}

const guarded = <A, E, R>(
  error: () => ArgumentError | undefined,
  effect: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ArgumentError, R> =>
  Effect.suspend((): Effect.Effect<A, E | ArgumentError, R> => {
    const found = error()
    return found === undefined ? effect() : Effect.fail(found)
  })

/**
 * A share that sends no request with a number that its field cannot hold: such an operation fails with `ArgumentError`.
 * `full` is the UNC path of a path below the share, and `wire` its name in a request.
 *
 * @category combinators
 * @since 0.2.0
 */
export const guard = (
  share: Pick<Share.Share, "open" | "batch" | "control">,
  full: (path: string) => string,
  wire: (path: string) => string = (path) => path
): Pick<Share.Share, "open" | "batch" | "control"> => ({
  open: (path, options) =>
    guarded(
      () => objection({ path: [text, wire(path)], ...openOptions(options) }, full(path)),
      () =>
        Effect.map(share.open(path, options), (file): Share.OpenFile => ({
          ...file,
          run: <O extends Operation.Any>(operation: O): Effect.Effect<Operation.Output<O>, RequestError> =>
            guarded(() => objectionTo([operation], full(path)), () => file.run(operation))
        }))
    ),
  batch: (path, options, operations) =>
    guarded(
      () =>
        objection({ path: [text, wire(path)], ...openOptions(options) }, full(path)) ??
          objectionTo(operations, full(path)),
      () => share.batch(path, options, operations)
    ),
  control: (operation) => guarded(() => objectionTo([operation], full("")), () => share.control(operation))
})
