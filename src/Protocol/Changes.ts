/**
 * What changes something at a server, and whether an operation has: the one place that knows.
 *
 * An operation that a caller sees as one may be several requests. If the connection breaks at the third, the caller must
 * be told that the first had its effect, though the third had not even been sent. So each request that changes something
 * and succeeds is noted in the record of the operation that it belongs to (`Current`), and a `TransportError` that ends
 * such an operation says `sent` (`whole`). Records are nested: an attempt at one DFS target has its own, so that what
 * another operation changed before does not keep it from being tried at the next target.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { afterSending, TransportError } from "./Errors.ts"
import type * as Operation from "./Operation.ts"
import type * as Share from "./Share.ts"

/** Numbers of CREATE (MS-SMB2 2.2.13), the same in SMB 1. */
const FILE_OPEN = 1
const FILE_DELETE_ON_CLOSE = 0x0000_1000

/** Controls that leave everything as it was (MS-FSCC 2.3, MS-SMB2 2.2.31). Any other may not. */
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

/** Whether an open may change something: make, empty or delete what it opens. */
export const opens = (options: Share.OpenOptions): boolean =>
  options.createDisposition !== FILE_OPEN || (options.createOptions & FILE_DELETE_ON_CLOSE) !== 0

/** Whether an operation on an open may change something. */
export const operation = (operation: Operation.Any): boolean => {
  switch (operation._tag) {
    case "Write":
    case "SetInfo":
      return true
    case "Ioctl":
      return !harmless.has(operation.ctlCode)
    default:
      return false
  }
}

/** Whether opening so and running these operations may change something. */
export const batch = (options: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>): boolean =>
  opens(options) || operations.some(operation)

/**
 * Whether an operation has changed something so far.
 *
 * @category models
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

  /** Something has been changed: by this operation, and so by the one that it is part of. */
  note(): void {
    this.noted = true
    this.within?.note()
  }

  /** A failure of this operation, which says so if something has been changed. */
  readonly mark = <E>(error: E): E =>
    this.noted && error instanceof TransportError ? afterSending<TransportError>(error) as E : error
}

/**
 * The record of the operation that is under way.
 *
 * @category services
 */
export const Current = Context.Reference<Record | undefined>("effect-smb/Protocol/Changes/Current", {
  defaultValue: () => undefined
})

/** Runs an operation with a record of its own. */
export const recorded = <A, E, R>(use: (record: Record) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const record = new Record(fiber.getRef(Current))
    return Effect.provideService(use(record), Current, record)
  })

/** One operation to its caller: if it fails with a `TransportError` after it has changed something, that says `sent`. */
export const whole = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  recorded((record) => Effect.mapError(effect, record.mark))
