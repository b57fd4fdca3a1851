/**
 * An open as an `OpenStore` keeps it, in parts. Pure.
 *
 * - `open`: everything that changes with few requests, as JSON.
 * - `locks/<offset>-<end>`: the locks of one range, one letter for each in the order of their requests: `X` for an
 *   exclusive lock, `S` for a shared one.
 * - `sequences`: the completed lock requests by index (MS-SMB2 3.3.5.14), as JSON.
 * - `renaming`: the path that a rename under way gives the file, as JSON.
 * - `creating`: a CREATE that makes a file, as JSON; it is the only part under its number, and goes when the open comes.
 *
 * No part has a key of a session: a client that returns logs on again.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Entry } from "../../OpenStore.ts"
import type { StorePath } from "../../ShareStore.ts"
import type * as InterruptedCreates from "./InterruptedCreates.ts"
import type { FileOpen, Lease } from "./Model.ts"

/** The version of this format. A record of another version is not read. */
const version = 1

const hex = (bytes: number) => Schema.String.check(Schema.isPattern(new RegExp(`^([0-9a-f]{${2 * bytes}})$`)))
const u32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const whole = Schema.String.check(Schema.isPattern(/^\d{1,20}$/))

const Kept = Schema.Struct({
  version: Schema.Literal(version),
  share: Schema.String,
  path: Schema.Array(Schema.String),
  stream: Schema.String,
  identity: Schema.String,
  /** The SID of the user. */
  owner: Schema.String,
  persistent: Schema.Boolean,
  resilient: Schema.Boolean,
  durable: Schema.Literals([1, 2]),
  /** Milliseconds. */
  timeout: u32,
  clientGuid: Schema.String,
  createGuid: Schema.optionalKey(hex(16)),
  grantedAccess: u32,
  shareAccess: u32,
  createOptions: u32,
  createAction: u32,
  mode: u32,
  /** Whether the CREATE may be sent again, and finds this open. */
  mayBeReplayed: Schema.Boolean,
  deleteOnClose: Schema.Boolean,
  deletePending: Schema.Boolean,
  streamDeletePending: Schema.Boolean,
  parentLeaseKey: Schema.optionalKey(hex(16)),
  appInstance: Schema.optionalKey(Schema.Struct({
    id: hex(16),
    version: Schema.optionalKey(Schema.Struct({ high: whole, low: whole })),
    clientGuid: Schema.String
  })),
  lease: Schema.optionalKey(Schema.Struct({
    kind: Schema.Literals(["oplock", "lease"]),
    state: u32,
    clientGuid: Schema.String,
    key: hex(16),
    version: Schema.Literals([1, 2]),
    parentKey: Schema.optionalKey(hex(16)),
    epoch: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
  })),
  /** When this was written, in ticks of 100 ns since 1601. */
  written: whole
})

/** The part `open` of a record. */
export type Kept = typeof Kept.Type

const decodeKept = Schema.decodeUnknownResult(Schema.fromJsonString(Kept))
const decodeVersion = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Struct({ version: Schema.Int })))
const decodeSequences = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Array(Schema.Tuple([
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 })),
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 15 }))
  ])))
)
const decodePath = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Array(Schema.String)))

/** A CREATE that makes a file. */
const Creating = Schema.Struct({
  version: Schema.Literal(version),
  share: Schema.String,
  path: Schema.Array(Schema.String),
  /** The SID of the user. */
  owner: Schema.String,
  clientGuid: Schema.String,
  createGuid: hex(16),
  /** When it began, in ticks of 100 ns since 1601. */
  began: whole
})

const decodeCreating = Schema.decodeUnknownResult(Schema.fromJsonString(Creating))

export const encodeCreating = (creating: InterruptedCreates.Creating): string =>
  JSON.stringify({ version, ...creating } satisfies typeof Creating.Type)

export const openPart = "open"
export const creatingPart = "creating"
export const sequencesPart = "sequences"
export const renamingPart = "renaming"
const locksPrefix = "locks/"

/** The part of the locks of a range, by the range's name in `FileOpen.locks`. */
export const locksPart = (range: string): string => `${locksPrefix}${range}`

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const leaseOf = ({ clientGuid, epoch, key, kind, parentKey, state, version }: Lease): NonNullable<Kept["lease"]> => ({
  kind,
  state,
  clientGuid,
  key: toHex(key),
  version,
  ...parentKey === undefined ? {} : { parentKey: toHex(parentKey) },
  epoch
})

/** The part `open` of a durable open at a time in ticks since 1601. */
export const encode = (open: FileOpen, now: bigint): string => {
  const { appInstance, lease, parentLeaseKey } = open
  const durable = open.durable!
  const kept: Kept = {
    version,
    share: open.share.name,
    path: open.path,
    stream: open.stream.name,
    identity: open.stream.file.identity,
    owner: durable.owner,
    persistent: durable.persistent,
    resilient: durable.resilient,
    durable: durable.version,
    timeout: durable.timeout,
    clientGuid: durable.clientGuid,
    ...durable.createGuid === undefined ? {} : { createGuid: durable.createGuid },
    grantedAccess: open.grantedAccess >>> 0,
    shareAccess: open.shareAccess >>> 0,
    createOptions: open.createOptions >>> 0,
    createAction: open.createAction,
    mode: open.mode,
    mayBeReplayed: open.mayBeReplayed,
    deleteOnClose: open.deleteOnClose,
    deletePending: open.link.deletePending,
    streamDeletePending: open.stream.deletePending,
    ...parentLeaseKey === undefined ? {} : { parentLeaseKey },
    ...appInstance === undefined ? {} : {
      appInstance: {
        id: appInstance.id,
        ...appInstance.version === undefined
          ? {}
          : { version: { high: String(appInstance.version.high), low: String(appInstance.version.low) } },
        clientGuid: appInstance.clientGuid
      }
    },
    ...lease === undefined ? {} : { lease: leaseOf(lease) },
    written: String(now)
  }
  return JSON.stringify(kept)
}

/** The locks of a range; `undefined` if the open has none there. */
export const encodeLocks = ({ locks }: FileOpen, range: string): string | undefined =>
  locks?.get(range)?.map(({ exclusive }) => exclusive ? "X" : "S").join("")

/** The completed lock requests; `undefined` if there are none. */
export const encodeSequences = ({ lockSequences }: FileOpen): string | undefined =>
  lockSequences === undefined || lockSequences.size === 0 ? undefined : JSON.stringify([...lockSequences])

export const encodePath = (path: StorePath): string => JSON.stringify(path)

/** All locks of one range. */
export interface KeptLocks {
  readonly offset: bigint
  readonly end: bigint
  readonly exclusive: ReadonlyArray<boolean>
}

/** Everything that is kept of one open. */
export interface OpenRecord {
  readonly id: bigint
  readonly kept: Kept
  readonly locks: ReadonlyArray<KeptLocks>
  readonly sequences: ReadonlyArray<readonly [number, number]>
  readonly renaming: StorePath | undefined
}

/** A CREATE that had not been answered when the server ended. */
export interface Interrupted {
  readonly id: bigint
  readonly creating: InterruptedCreates.Creating
}

/** Everything that a store has. */
export interface Records {
  readonly opens: ReadonlyArray<OpenRecord>
  readonly interrupted: ReadonlyArray<Interrupted>
}

/** Why records cannot be read: one has another version, or is not valid. */
export type Unreadable = { readonly _tag: "OtherVersion" } | { readonly _tag: "Damaged"; readonly detail: string }

const damaged = (detail: string): Result.Result<never, Unreadable> => Result.fail({ _tag: "Damaged", detail })

const decodeLocks = (part: string, value: string): KeptLocks | undefined => {
  const match = /^(\d{1,20})-(\d{1,20})$/.exec(part.slice(locksPrefix.length))
  if (match === null || !/^[XS]+$/.test(value)) return undefined
  const [offset, end] = [BigInt(match[1]!), BigInt(match[2]!)]
  if (end < offset || end > 1n << 64n) return undefined
  return { offset, end, exclusive: [...value].map((letter) => letter === "X") }
}

/** What is wrong with a text that is not valid: another version of this package may have written it. */
const unreadable = (text: string, detail: string): Result.Result<never, Unreadable> => {
  const other = decodeVersion(text)
  return Result.isSuccess(other) && other.success.version !== version
    ? Result.fail({ _tag: "OtherVersion" })
    : damaged(detail)
}

const decodeOne = (id: bigint, parts: ReadonlyMap<string, string>): Result.Result<OpenRecord, Unreadable> => {
  const text = parts.get(openPart)
  if (text === undefined) return damaged(`open ${id} has no record`)
  const kept = decodeKept(text)
  if (Result.isFailure(kept)) return unreadable(text, `the record of open ${id} is not valid`)
  const locks: Array<KeptLocks> = []
  let sequences: OpenRecord["sequences"] = []
  let renaming: StorePath | undefined
  for (const [part, value] of parts) {
    if (part === openPart) continue
    if (part.startsWith(locksPrefix)) {
      const decoded = decodeLocks(part, value)
      if (decoded === undefined) return damaged(`a lock of open ${id} is not valid`)
      locks.push(decoded)
    } else if (part === sequencesPart) {
      const decoded = decodeSequences(value)
      if (Result.isFailure(decoded)) return damaged(`the lock sequences of open ${id} are not valid`)
      sequences = decoded.success
    } else if (part === renamingPart) {
      const decoded = decodePath(value)
      if (Result.isFailure(decoded)) return damaged(`the new name of open ${id} is not valid`)
      renaming = decoded.success
    } else return damaged(`open ${id} has a part without meaning`)
  }
  return Result.succeed({ id, kept: kept.success, locks, sequences, renaming })
}

/** The opens of a store, in the order of their numbers. */
export const decode = (entries: ReadonlyArray<Entry>): Result.Result<Records, Unreadable> => {
  const opens = new Map<bigint, Map<string, string>>()
  for (const { open, part, value } of entries) {
    if (open < 0n || open > 0x7fff_ffff_ffff_ffffn) return damaged("the number of an open is not valid")
    const known = opens.get(open)
    if (known === undefined) opens.set(open, new Map([[part, value]]))
    else known.set(part, value)
  }
  const records: Array<OpenRecord> = []
  const interrupted: Array<Interrupted> = []
  for (const [id, parts] of [...opens].sort(([a], [b]) => a < b ? -1 : 1)) {
    const creating = parts.get(creatingPart)
    if (creating !== undefined && parts.size === 1) {
      const decoded = decodeCreating(creating)
      if (Result.isFailure(decoded)) return unreadable(creating, `the CREATE ${id} is not valid`)
      interrupted.push({ id, creating: decoded.success })
      continue
    }
    const decoded = decodeOne(id, parts)
    if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
    records.push(decoded.success)
  }
  return Result.succeed({ opens: records, interrupted })
}
