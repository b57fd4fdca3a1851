/** The order of a listing. */
import type { Entry } from "../Client/Entry.ts"

/** `none` is the server's order. */
export const orders = ["none", "name", "size", "time"] as const
export type Order = typeof orders[number]

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" })

/** By name as people read names, with numbers by value; the largest or the newest first. Equal entries: by path. */
export const compare = (one: Entry, other: Entry, order: Exclude<Order, "none">): number => {
  const byPath = collator.compare(one.path, other.path) || (one.path < other.path ? -1 : one.path > other.path ? 1 : 0)
  if (order === "name") return byPath
  const [a, b] = order === "size" ? [one.size, other.size] : [one.lastWriteTime, other.lastWriteTime]
  return a === b ? byPath : a > b ? -1 : 1
}
