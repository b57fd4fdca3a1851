/** The keys of the client's connections, sessions, trees and credentials. */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"

/** Separates the parts of a key. No name contains NUL. */
export const separator = "\0"

/**
 * A name as a part of a key. Only ASCII letters lose their case: JavaScript gives one lower case to some names that
 * differ by Windows' table, such as `İ` and `i` with a dot. Two keys for one share cost a request only.
 */
export const lower = (name: string): string => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** A key that is compared by its text. An entry that does not exist yet is made from what the key carries. */
export class Key<A> implements Equal.Equal {
  readonly text: string
  readonly from: A
  /** Each look into a map asks for it. */
  private hash: number | undefined

  constructor(parts: ReadonlyArray<string>, from: A) {
    this.text = parts.join(separator)
    this.from = from
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Key && that.text === this.text
  }

  [Hash.symbol](): number {
    return this.hash ??= Hash.string(this.text)
  }
}
