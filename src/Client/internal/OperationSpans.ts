/**
 * The spans of a client's operations: `SmbClient` and the name of the operation. Every operation of `Operations` gets
 * one here, so that the modules with the operations know nothing of spans, and no operation can be without one.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import * as Spans from "../../Protocol/Spans.ts"
import type { Operations } from "../Operations.ts"
import * as UncPath from "../UncPath.ts"

const { Attribute } = Spans

/**
 * The attributes of an operation on a path: without the user of an `smb://` path, and none if the text is not a path.
 */
export const attributesOf = (path: UncPath.PathInput): Spans.Attributes =>
  Result.match(UncPath.parse(path), {
    onFailure: () => ({}),
    onSuccess: (unc) => ({
      ...Spans.ofServer(unc),
      ...(unc.share === "" ? {} : { [Attribute.share]: unc.share }),
      [Attribute.path]: UncPath.format(unc)
    })
  })

const destinationOf = (path: UncPath.PathInput): Spans.Attributes => {
  const { [Attribute.path]: to } = attributesOf(path)
  return to === undefined ? {} : { [Attribute.destinationPath]: to }
}

/** What a span says about the work at the server that `path` names. */
export const about = (path: UncPath.PathInput): Spans.About => ({ kind: "client", attributes: attributesOf(path) })

type Named<Kind> = {
  [K in keyof Operations]: Operations[K] extends (...args: any) => infer R ? R extends Kind ? K : never : never
}[keyof Operations]

/** The operations that are streams, with the size of an element in bytes if the elements are data. */
const streams: Readonly<Record<Named<Stream.Stream<any, any, any>>, ((element: any) => number) | undefined>> = {
  stream: (chunk: Uint8Array) => chunk.length,
  list: undefined,
  walk: undefined,
  watch: undefined
}

const sinks: Readonly<Record<Named<Sink.Sink<any, any, any, any, any>>, (written: any) => bigint>> = {
  sink: (written: bigint) => written
}

/** The operations with two paths. */
const twoPaths: ReadonlySet<string> = new Set<keyof Operations>(["rename", "copy", "makeHardLink"])

/** The bytes that an operation has moved, by its result and its arguments. */
const moved: { readonly [K in keyof Operations]?: (result: any, args: ReadonlyArray<any>) => number | bigint } = {
  readFile: (data: Uint8Array) => data.length,
  readFileString: (text: string) => Buffer.byteLength(text),
  readTo: (count: bigint) => count,
  writeFrom: (count: bigint) => count,
  writeFile: (_, [, data]) => typeof data === "string" ? Buffer.byteLength(data) : (data as Uint8Array).length
}

type Operation = (path: UncPath.PathInput, ...rest: ReadonlyArray<any>) => any

/** An operation that is an effect. `Effect.fn` puts the line of its caller into the trace of a failure. */
const ofEffect = (name: string, operation: Operation): Operation => {
  const bytes = moved[name as keyof Operations]
  return Effect.fn(`SmbClient.${name}`, { kind: "client" })((path, ...rest) =>
    Effect.andThen(
      Spans.annotate({ ...attributesOf(path), ...(twoPaths.has(name) ? destinationOf(rest[0]) : {}) }),
      Spans.noted(
        operation(path, ...rest) as Effect.Effect<unknown, unknown>,
        bytes && ((result) => bytes(result, [path, ...rest]))
      )
    )
  )
}

const withSpan = (name: string, operation: Operation): Operation => {
  const span = `SmbClient.${name}`
  if (name in streams) {
    const bytes = streams[name as keyof typeof streams]
    return (path, ...rest) => Spans.stream(operation(path, ...rest), span, () => about(path), bytes)
  }
  if (name in sinks) {
    const bytes = sinks[name as keyof typeof sinks]
    return (path, ...rest) => Spans.sink(operation(path, ...rest), span, () => about(path), bytes)
  }
  return ofEffect(name, operation)
}

const eachOf = (operations: object, prefix: string): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [
      name,
      typeof operation === "function"
        ? withSpan(`${prefix}${name}`, operation as Operation)
        : eachOf(operation as object, `${prefix}${name}.`)
    ])
  )

/**
 * All operations, each in its span.
 *
 * @category combinators
 */
export const each = (operations: Operations): Operations => eachOf(operations, "") as unknown as Operations
