/**
 * NUL-terminated UTF-16 as referral messages carry it, and the lifting of pure codecs into Schemas.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { Reader } from "../../Codec/Cursor.ts"

/** Text without a NUL: what a NUL-terminated field can carry. */
export const Text = Schema.String.check(Schema.isPattern(/^[^\0]*$/))
export const UInt16 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
export const UInt32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Text that fills a window. One NUL at its end is not part of the text; a NUL before is malformed. */
export const readCounted = (window: Reader, what: string): string => {
  if (window.remaining % 2 !== 0) window.fail(`${what} of an even number of bytes, not ${window.remaining}`)
  const terminated = window.remaining > 0 && window.view.getUint16(window.end - 2, true) === 0
  const text = buffer(window.take(window.remaining - (terminated ? 2 : 0))).toString("utf16le")
  const nul = text.indexOf("\0")
  if (nul >= 0) window.fail(`${what} without a NUL inside`, window.start + nul * 2)
  window.offset = window.end
  return text
}

/**
 * A Schema between bytes and a value, from the two pure directions. A failure's message becomes the issue's message;
 * callers that want the typed error use the pure functions.
 */
export const fromBytes = <S extends Schema.Codec<any, any>>(
  schema: S,
  decode: (bytes: Uint8Array) => Result.Result<S["Encoded"], { readonly message: string }>,
  encode: (value: S["Encoded"]) => Result.Result<Uint8Array, { readonly message: string }>
) => {
  const lift = <A>(input: unknown, result: Result.Result<A, { readonly message: string }>) =>
    Result.isSuccess(result)
      ? Effect.succeed(result.success)
      : Effect.fail(new SchemaIssue.InvalidValue({ message: result.failure.message }, input))
  return Schema.Uint8Array.pipe(
    Schema.decodeTo(
      schema,
      SchemaTransformation.transformEffect<S["Encoded"], Uint8Array<ArrayBufferLike>>({
        decode: (bytes) => lift(bytes, decode(bytes)),
        encode: (value) => lift(value, encode(value))
      })
    )
  )
}
