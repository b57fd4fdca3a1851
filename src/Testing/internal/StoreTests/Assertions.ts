/**
 * The assertions of the kit for stores, on `node:assert` alone: the kit runs in any test runner.
 *
 * Bytes are equal if they have the same values, no matter whether they are a `Buffer` or a `Uint8Array`.
 */
import nodeAssert from "node:assert/strict"
import { isDeepStrictEqual } from "node:util"

const isEqual = (actual: unknown, expected: unknown): boolean =>
  actual instanceof Uint8Array && expected instanceof Uint8Array
    ? Buffer.compare(actual, expected) === 0
    : isDeepStrictEqual(actual, expected)

const check = (isTrue: boolean, message: string, actual: unknown, expected: unknown): void => {
  if (isTrue) return
  throw new nodeAssert.AssertionError({ message, actual, expected })
}

/** A value as text for a message; long values are cut. */
const show = (value: unknown): string => {
  const text = typeof value === "bigint" ? `${value}n` : value instanceof Uint8Array
    ? `${value.length} bytes`
    : JSON.stringify(value, (_, part: unknown) => typeof part === "bigint" ? `${part}n` : part) ?? String(value)
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}

const withDetail = (message: string, detail: string | undefined): string =>
  detail === undefined ? message : `${detail}: ${message}`

/** Fails with an `AssertionError`, which test runners show with both values. */
export const assert = {
  strictEqual: <T>(actual: T, expected: T, detail?: string): void =>
    check(
      Object.is(actual, expected),
      withDetail(`${show(actual)} is not ${show(expected)}`, detail),
      actual,
      expected
    ),
  notStrictEqual: <T>(actual: T, other: T): void =>
    check(!Object.is(actual, other), `${show(actual)} should differ`, actual, other),
  deepStrictEqual: <T>(actual: T, expected: T, detail?: string): void =>
    check(isEqual(actual, expected), withDetail(`${show(actual)} is not ${show(expected)}`, detail), actual, expected),
  isTrue: (value: boolean, detail?: string): void => check(value, withDetail("it is not true", detail), value, true),
  isFalse: (value: boolean, detail?: string): void =>
    check(!value, withDetail("it is not false", detail), value, false),
  isUndefined: (value: unknown): void =>
    check(value === undefined, `${show(value)} is not undefined`, value, undefined),
  isAtLeast: (value: number, least: number): void =>
    check(value >= least, `${value} is less than ${least}`, value, least),
  isBelow: (value: number, limit: number): void => check(value < limit, `${value} is not below ${limit}`, value, limit),
  isNotEmpty: (values: ReadonlyArray<unknown>): void => check(values.length > 0, "it is empty", values, []),
  include: <T>(values: ReadonlyArray<T>, value: T): void =>
    check(values.includes(value), `${show(value)} is not one of ${show(values)}`, value, values),
  includeMembers: <T>(values: ReadonlyArray<T>, members: ReadonlyArray<T>): void =>
    check(
      members.every((member) => values.includes(member)),
      `${show(values)} does not have all of ${show(members)}`,
      values,
      members
    ),
  fail: (message: string): never => {
    throw new nodeAssert.AssertionError({ message })
  }
}
