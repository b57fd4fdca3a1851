/**
 * Which requests change something at a server, and whether an operation has changed something: the one place that
 * knows.
 *
 * A caller's single operation can be several requests. If the connection breaks at the third, the caller must know that
 * the first had its effect, although the third was not even sent. So each request that changes something and succeeds
 * is noted in the record of its operation (`CurrentChanges`), and a `TransportError` or `DfsError` that ends such an
 * operation says `sent` (`whole`). Records are nested. An attempt at one DFS target has its own record, so that an earlier change by another
 * operation does not keep the attempt from the next target.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { DfsError } from "./DfsError.ts"
import { afterSending, TransportError } from "./Errors.ts"
import type * as Operation from "./Operation.ts"
import { ReconnectError } from "./ReconnectError.ts"
import type * as Share from "./Share.ts"

/** Numbers of CREATE (MS-SMB2 2.2.13), the same in SMB 1. */
const FILE_OPEN = 1
const FILE_DELETE_ON_CLOSE = 0x0000_1000

/** Controls that change nothing (MS-FSCC 2.3, MS-SMB2 2.2.31). Any other control may change something. */
const harmless: ReadonlySet<number> = new Set([
  0x0006_0194, // FSCTL_DFS_GET_REFERRALS
  0x0006_01b0, // FSCTL_DFS_GET_REFERRALS_EX
  0x0011_400c, // FSCTL_PIPE_PEEK
  0x0011_0018, // FSCTL_PIPE_WAIT
  0x0014_4064, // FSCTL_SRV_ENUMERATE_SNAPSHOTS
  0x0014_0078, // FSCTL_SRV_REQUEST_RESUME_KEY
  0x0014_01fc, // FSCTL_QUERY_NETWORK_INTERFACE_INFO
  0x0014_0204, // FSCTL_VALIDATE_NEGOTIATE_INFO
  0x0009_00a8 // FSCTL_GET_REPARSE_POINT
])

/**
 * Whether an open may change something: create, empty or delete the file.
 *
 * @since 0.1.0
 */
export const opens = (options: Share.OpenOptions): boolean =>
  options.createDisposition !== FILE_OPEN || (options.createOptions & FILE_DELETE_ON_CLOSE) !== 0

/**
 * Whether an operation on an open may change something.
 *
 * @since 0.1.0
 */
export const operation = (operation: Operation.Any): boolean => {
  if (operation._tag === "Ioctl") return !harmless.has(operation.ctlCode)
  return operation._tag === "Write" || operation._tag === "SetInfo"
}

/**
 * Whether an open with these options and operations may change something.
 *
 * @since 0.1.0
 */
export const batch = (options: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>): boolean =>
  opens(options) || operations.some(operation)

/**
 * The failure of an operation that has changed something: a `TransportError`, `ReconnectError` or `DfsError` says `sent`.
 *
 * @since 0.2.0
 */
export const afterChange = <E>(error: E): E => {
  if (error instanceof TransportError) return afterSending<TransportError>(error) as E
  if (error instanceof ReconnectError && error.sent !== true) {
    return new ReconnectError({ reason: error.reason, path: error.path, sent: true }) as E
  }
  return error instanceof DfsError && error.sent !== true
    ? new DfsError({ reason: error.reason, sent: true }) as E
    : error
}

/**
 * Whether an operation has changed something so far.
 *
 * @category models
 * @since 0.1.0
 */
export class Record {
  private noted = false
  private readonly within: Record | undefined

  constructor(within?: Record) {
    this.within = within
  }

  get changed(): boolean {
    return this.noted
  }

  /** Notes a change, by this operation and by the operation that it is part of. */
  note(): void {
    this.noted = true
    this.within?.note()
  }

  /** A failure of this operation, with `sent` if something was changed. */
  readonly mark = <E>(error: E): E => this.noted ? afterChange(error) : error
}

/**
 * The record of the current operation.
 *
 * @category services
 * @since 0.2.0
 */
export const CurrentChanges = Context.Reference<Record | undefined>("effect-smb/Protocol/CurrentChanges", {
  defaultValue: () => undefined
})

/**
 * Runs an operation with its own record.
 *
 * @since 0.1.0
 */
export const recorded = <A, E, R>(use: (record: Record) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const record = new Record(fiber.getRef(CurrentChanges))
    return Effect.provideService(use(record), CurrentChanges, record)
  })

/**
 * One operation for its caller: if it fails with a `TransportError` or a `DfsError` after a change, the error says
 * `sent`.
 *
 * @since 0.1.0
 */
export const whole = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  recorded((record) => Effect.mapError(effect, record.mark))
