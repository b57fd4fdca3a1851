/** A share and an open file of a server that is a few lines of a test: it records the requests, and answers as told. */
import { Effect, Result } from "effect"
import type { PathContext } from "../../src/Client/internal/TargetAttempt.ts"
import * as Locator from "../../src/Client/Locator.ts"
import type { RequestError, SmbError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import { CreateAction } from "../../src/Smb2/Message/Constants.ts"

/** The response to a request; `undefined`: the response of a server that has the file. */
export type Answer = (
  operation: Operation.Any,
  index: number
) => Effect.Effect<unknown, RequestError> | undefined

export const opened = (changes: Partial<Share.Opened> = {}): Share.Opened => ({
  createAction: CreateAction.FILE_OPENED,
  oplockLevel: 0,
  creationTime: 0n,
  lastAccessTime: 0n,
  lastWriteTime: 0n,
  changeTime: 0n,
  allocationSize: 0n,
  endOfFile: 0n,
  fileAttributes: 0x80,
  ...changes
})

export const share = (changes: Partial<Share.Share> = {}): Share.Share =>
  ({
    server: "nas",
    port: 445,
    name: "data",
    type: "disk",
    isDfs: false,
    limits: { read: 1000, write: 1000, transact: 65_536 },
    sessionKey: "session",
    dialect: "3.1.1",
    compounds: () => false,
    open: () => Effect.die("no open is expected"),
    batch: () => Effect.die("no batch is expected"),
    control: () => Effect.die("no control is expected"),
    ...changes
  }) as Share.Share

/** The end of file in FileEndOfFileInformation and FileAllocationInformation (MS-FSCC 2.4.14, 2.4.4). */
const sizeIn = ({ data }: Operation.SetInfo): number =>
  Number(new DataView(data.buffer, data.byteOffset).getBigInt64(0, true))

/** An open file with `content`. `endOfFile`: the size that the open says. */
export const file = (given: {
  readonly content?: Uint8Array
  readonly endOfFile?: bigint
  readonly answer?: Answer
  readonly path?: string
  readonly opened?: Partial<Share.Opened>
} = {}) => {
  let content = given.content ?? new Uint8Array(0)
  const requests: Array<Operation.Any> = []
  let closes = 0
  const own = (operation: Operation.Any): unknown => {
    switch (operation._tag) {
      case "Read": {
        const from = Number(operation.offset)
        const found = content.slice(from, from + operation.length)
        operation.destination?.set(found)
        return operation.destination?.subarray(0, found.length) ?? found
      }
      case "Write": {
        const end = Number(operation.offset) + operation.data.length
        const longer = new Uint8Array(Math.max(end, content.length))
        longer.set(content)
        longer.set(operation.data, Number(operation.offset))
        content = longer
        return operation.data.length
      }
      case "QueryInfo":
        return { endOfFile: BigInt(content.length) }
      case "SetInfo": {
        const size = sizeIn(operation)
        const isAllocation = operation.information._tag === "File" && operation.information.fileInformationClass === 19
        if (!isAllocation || size < content.length) {
          const changed = new Uint8Array(size)
          changed.set(content.subarray(0, size))
          content = changed
        }
        return undefined
      }
      default:
        return undefined
    }
  }
  const run = (operation: Operation.Any) =>
    Effect.suspend(() => {
      const index = requests.push(operation) - 1
      return given.answer?.(operation, index) ?? Effect.sync(() => own(operation))
    })
  const open = {
    path: given.path ?? "f",
    opened: opened({ endOfFile: given.endOfFile ?? BigInt(content.length), ...given.opened }),
    caching: () => ({ oplockLevel: 0, leaseState: 0 }),
    run,
    close: Effect.sync(() => void closes++)
  } as unknown as Share.OpenFile
  return { open, requests, content: () => content, closes: () => closes }
}

/** Lets all running fibers continue, without time passing. */
export const settle = Effect.gen(function*() {
  for (let i = 0; i < 100; i++) yield* Effect.yieldNow
})

/** What operations on paths need: every target is this share. */
export const context = (on: Share.Share): PathContext => ({ connect: () => Effect.succeed(on), locator: Locator.plain })

/** A request of a batch: an open, and the operations on it. */
export interface Batch {
  readonly path: string
  readonly options: Share.OpenOptions
  readonly operations: ReadonlyArray<Operation.Any>
}

/** The result of a batch: the error of its open, or what the open says and the results of the operations. */
export type BatchAnswer =
  | RequestError
  | { readonly opened?: Partial<Share.Opened>; readonly results?: ReadonlyArray<Result.Result<unknown, SmbError>> }

/** A share whose batches `answer` answers, and whose requests are recorded. */
export const batches = (answer: (batch: Batch, index: number) => BatchAnswer, changes: Partial<Share.Share> = {}) => {
  const sent: Array<Batch> = []
  const on = share({
    batch: ((path: string, options: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>) =>
      Effect.suspend(() => {
        const batch = { path, options, operations }
        const said = answer(batch, sent.push(batch) - 1)
        return "_tag" in said ? Effect.fail(said) : Effect.succeed({
          opened: opened(said.opened),
          results: said.results ?? operations.map(() =>
            Result.succeed(undefined)
          )
        })
      })) as unknown as Share.Share["batch"],
    ...changes
  })
  return { share: on, sent, context: context(on) }
}
