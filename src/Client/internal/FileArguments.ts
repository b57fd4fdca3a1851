/** What the numbers and the bytes of an open file's operations have to be. A wrong one is an `ArgumentError` before anything is sent. */
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Arguments from "../../Protocol/Arguments.ts"
import type { ArgumentError } from "../../Protocol/Errors.ts"
import * as RequestArguments from "../../Protocol/RequestArguments.ts"

type Given = Arguments.Given

/** An offset or a size of the caller. */
type Size = bigint | number

interface Range {
  readonly offset?: Size | undefined
  readonly length?: Size | undefined
}

/** A range of a file. */
export const range = (range: Range | undefined): Given => ({
  offset: [Arguments.size, range?.offset],
  length: [Arguments.size, range?.length]
})

/** Where to write. */
export const writing = (options: Pick<Range, "offset"> | undefined): Given => ({
  offset: [Arguments.size, options?.offset]
})

const streams: ReadonlySet<string> = new Set(["stream", "list", "walk", "watch"])

/** How the operation of a name fails. */
const failOf = (name: string): (error: ArgumentError) => unknown =>
  streams.has(name) ? Stream.fail : name === "sink" ? Sink.fail : Effect.fail

/** An operation that fails if `find` has an objection to its arguments. */
export const checked = (
  name: string,
  run: (...args: ReadonlyArray<any>) => unknown,
  find: (...args: ReadonlyArray<any>) => ArgumentError | undefined
) => {
  const fail = failOf(name)
  return (...args: ReadonlyArray<any>): unknown => {
    const error = find(...args)
    return error === undefined ? run(...args) : fail(error)
  }
}

const required = { bytes: Arguments.required(Arguments.bytes), size: Arguments.required(Arguments.size) }

const checks = {
  read: (offset: Size, length: number) => ({
    offset: [required.size, offset],
    length: [Arguments.required(Arguments.memory), length]
  }),
  readInto: (offset: Size, destination: Uint8Array) => ({
    offset: [required.size, offset],
    destination: [required.bytes, destination]
  }),
  stream: range,
  readTo: (_: unknown, options: Range | undefined) => range(options),
  write: (offset: Size, data: Uint8Array) => ({ offset: [required.size, offset], data: [required.bytes, data] }),
  append: (data: Uint8Array) => ({ data: [required.bytes, data] }),
  sink: writing,
  writeFrom: (_: unknown, options: Range | undefined) => writing(options),
  truncate: (size: Size) => ({ size: [required.size, size] }),
  lock: RequestArguments.rangesOf
} as const satisfies Record<string, (...args: ReadonlyArray<any>) => Given>

/** The names of the operations that take numbers or bytes. */
export type Checked = keyof typeof checks

/**
 * Those operations of an open file, each with a check of its arguments. `path` is the name of the file in messages.
 *
 * @category combinators
 */
export const each = <F extends { readonly [K in Checked]?: (...args: any) => unknown }>(
  path: string,
  operations: F
): F =>
  Object.fromEntries(
    Object.entries(operations).map(([name, run]) => {
      const check: (...args: ReadonlyArray<any>) => Given = checks[name as Checked]
      return [
        name,
        checked(
          name,
          run as (...args: ReadonlyArray<any>) => unknown,
          (...args) => Arguments.objection(check(...args), path)
        )
      ]
    })
  ) as F
