/** What each decoder promises for any bytes, as checks that fail with the reason, and families of decoders as one target. */
import { Result } from "effect"
import { isDeepStrictEqual } from "node:util"
import * as Codec from "../../src/Codec/Codec.ts"
import type { Target } from "./Engine.ts"

/** A promise that the code did not keep. */
export class Broken extends Error {}

export const holds: (kept: boolean, promise: string) => asserts kept = (kept, promise) => {
  if (!kept) throw new Broken(promise)
}

/** Bytes of memory that a decoded value holds on to, roughly. A view of the input costs what any object costs. */
const weightOf = (value: unknown, input: Uint8Array): number => {
  switch (typeof value) {
    case "string":
      return 16 + value.length * 2
    case "object": {
      if (value === null) return 8
      if (value instanceof Uint8Array) return 64 + (value.buffer === input.buffer ? 0 : value.length)
      let weight = 32
      for (const part of Object.values(value)) weight += weightOf(part, input)
      return weight
    }
    default:
      return 16
  }
}

/** No value is larger than the bytes justify: a list of small entries costs more than its bytes, but not without end. */
export const isJustified = (value: unknown, input: Uint8Array): void => {
  const weight = weightOf(value, input)
  holds(weight <= 4096 + 256 * input.length, `${input.length} bytes became a value of about ${weight} bytes`)
}

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => typeof part === "bigint" ? `${part}n` : part)?.slice(0, 600) ?? ""

/** A refusal is a typed error with a place inside the bytes. */
const isRefusal = (failure: unknown, length: number): void => {
  const { _tag, message, offset } = failure as {
    readonly _tag?: unknown
    readonly offset?: unknown
    readonly message?: unknown
  }
  holds(typeof _tag === "string" && typeof message === "string", `the failure is no typed error: ${String(failure)}`)
  if (offset === undefined) return
  holds(
    typeof offset === "number" && Number.isInteger(offset) && offset >= 0 && offset <= length,
    `the failure is at ${String(offset)} of ${length}: ${message}`
  )
}

/**
 * The result is a typed error, or a value that the bytes justify and that is the same after it was encoded and decoded
 * again.
 */
export const isStable = <A, E>(
  input: Uint8Array,
  decode: (bytes: Uint8Array) => Result.Result<A, E>,
  /** Gives nothing for a value that it cannot encode. */
  encode?: (value: A) => Uint8Array | undefined,
  same: (one: A, other: A) => boolean = isDeepStrictEqual
): A | undefined => {
  const first = decode(input)
  if (Result.isFailure(first)) {
    isRefusal(first.failure, input.length)
    return undefined
  }
  const value = first.success
  isJustified(value, input)
  const bytes = encode?.(value)
  if (bytes === undefined) return value
  // Not a Buffer, whose views are Buffers too and no longer equal.
  const again = decode(new Uint8Array(bytes))
  holds(
    Result.isSuccess(again),
    `what was decoded is refused after it was encoded: ${Result.isFailure(again) ? String(again.failure) : ""}; ${
      shown(value)
    }`
  )
  holds(
    same(value, again.success),
    `what was decoded changes when it is encoded: ${shown(value)} to ${shown(again.success)}`
  )
  return value
}

/** One of several decoders of a target. */
export interface Member {
  readonly name: string
  readonly run: (input: Uint8Array) => void
  readonly seeds?: ReadonlyArray<Uint8Array>
}

/** A decoder made by `Codec`, both ways. */
export const codec = (name: string, structure: Codec.Codec<any>, seeds: ReadonlyArray<Uint8Array> = []): Member => ({
  name,
  run: (input) => void isStable(input, Codec.decode(name, structure), Codec.encode(structure)),
  seeds
})

/** The same with `head` bytes before the structure, from which its offsets count. */
export const codecBehind = (
  name: string,
  head: number,
  structure: Codec.Codec<any>,
  seeds: ReadonlyArray<Uint8Array> = []
): Member => {
  const decode = Codec.decode(name, Codec.at(head, structure))
  const behind = (body: Uint8Array): Uint8Array => {
    const packet = new Uint8Array(head + body.length)
    packet.set(body, head)
    return packet
  }
  return {
    name,
    run: (input) => void isStable(behind(input), decode, (value) => behind(Codec.encode(structure)(value))),
    seeds
  }
}

/** Something that takes text. Bytes are UTF-8, or UTF-16 if the first one is odd: then lone surrogates are possible. */
export const text = (
  name: string,
  run: (text: string) => void,
  seeds: ReadonlyArray<string> = []
): Member => ({
  name,
  run: (input) => {
    if (input.length === 0) return run("")
    const [first] = input
    // Half a character at an odd address makes Node write behind its memory (nodejs/node#64697).
    const length = first! % 2 === 0 ? input.length - 1 : input.length - 1 & ~1
    run(Buffer.from(input.buffer, input.byteOffset + 1, length).toString(first! % 2 === 0 ? "utf8" : "utf16le"))
  },
  seeds: seeds.flatMap((seed) => [
    new Uint8Array(Buffer.concat([Uint8Array.of(0), Buffer.from(seed, "utf8")])),
    new Uint8Array(Buffer.concat([Uint8Array.of(1), Buffer.from(seed, "utf16le")]))
  ])
})

/** Bytes for words of texts. */
export const words = (...texts: ReadonlyArray<string>): ReadonlyArray<Uint8Array> =>
  texts.map((word) => new Uint8Array(Buffer.from(word)))

/** Several decoders as one target: the first byte of an input chooses one of them. */
export const family = (
  name: string,
  members: ReadonlyArray<Member>,
  options: Pick<Target, "words" | "most"> = {}
): Target => ({
  name,
  ...options,
  members: members.map((member) => member.name),
  seeds: () =>
    members.flatMap(({ seeds = [] }, index) =>
      (seeds.length === 0 ? [new Uint8Array(64)] : seeds).map((seed) => {
        const input = new Uint8Array(1 + seed.length)
        input[0] = index
        input.set(seed, 1)
        return input
      })
    ),
  open: () => ({
    run: (input) => {
      if (input.length === 0) return
      const member = members[input[0]! % members.length]!
      // Its own memory, as a packet has: a view could hide that a decoder reads outside of it.
      const bytes = input.slice(1)
      try {
        member.run(bytes)
      } catch (error) {
        const reason = error instanceof Error ? error : new Error(String(error))
        reason.message = `${member.name}: ${reason.message}`
        throw reason
      }
    }
  })
})
