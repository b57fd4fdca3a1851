/**
 * Which servers and shares have failed lately: a circuit breaker for each, so that a dead target costs its timeout once
 * and not with every operation.
 *
 * Pure: the clock is an argument, in milliseconds. After a failure a target is `open` for a while: it is tried after
 * all others, as the last resort. Then it is `half open`: one operation tries it, and the others avoid it until the
 * result is known. Each further failure doubles the while; a success forgets all of it.
 */
import * as DfsPath from "./DfsPath.ts"

/**
 * For how many milliseconds a target is left alone: after its first failure, and at most.
 *
 * @since 0.1.0
 */
export interface Breaker {
  readonly cooldown: number
  readonly longest: number
}

interface Trouble {
  readonly failures: number
  readonly openUntil: number
}

/**
 * By server, or by server and share.
 *
 * @since 0.1.0
 */
export type TargetHealth = ReadonlyMap<string, Trouble>

/**
 * No target has failed.
 *
 * @since 0.1.0
 */
export const none: TargetHealth = new Map()

/** The most targets that are remembered. */
const capacity = 1024

/**
 * The keys of a target: its server, and its share there.
 *
 * @since 0.1.0
 */
export const keysOf = (path: DfsPath.DfsPath): readonly [server: string, share: string] => {
  const server = DfsPath.fold(path[0] ?? "")
  return [server, `${server}\\${DfsPath.fold(path[1] ?? "")}`]
}

/**
 * Should a target be avoided?
 *
 * @since 0.1.0
 */
export const isOpen = (health: TargetHealth, path: DfsPath.DfsPath, now: number): boolean => {
  if (health.size === 0) return false
  return keysOf(path).some((key) => now < (health.get(key)?.openUntil ?? 0))
}

/**
 * A target has failed: the whole server, or only this share.
 *
 * @since 0.1.0
 */
export const failed = (
  health: TargetHealth,
  path: DfsPath.DfsPath,
  what: "server" | "share",
  now: number,
  breaker: Breaker
): TargetHealth => {
  const key = keysOf(path)[what === "server" ? 0 : 1]
  const failures = (health.get(key)?.failures ?? 0) + 1
  const wait = Math.min(breaker.cooldown * 2 ** Math.min(failures - 1, 30), breaker.longest)
  const changed = new Map(health)
  changed.delete(key)
  changed.set(key, { failures, openUntil: now + wait })
  for (const oldest of changed.keys()) {
    if (changed.size <= capacity) break
    changed.delete(oldest)
  }
  return changed
}

/**
 * An operation is about to try a target that has failed before: the others avoid it until the result is known.
 *
 * @since 0.1.0
 */
export const probing = (health: TargetHealth, path: DfsPath.DfsPath, now: number, breaker: Breaker): TargetHealth => {
  if (health.size === 0) return health
  let changed: Map<string, Trouble> | undefined
  for (const key of keysOf(path)) {
    const trouble = health.get(key)
    if (trouble === undefined || now < trouble.openUntil) continue
    changed ??= new Map(health)
    changed.set(key, { ...trouble, openUntil: now + breaker.cooldown })
  }
  return changed ?? health
}

/**
 * A target has worked.
 *
 * @since 0.1.0
 */
export const worked = (health: TargetHealth, path: DfsPath.DfsPath): TargetHealth => {
  if (health.size === 0) return health
  const keys = keysOf(path)
  if (!keys.some((key) => health.has(key))) return health
  const changed = new Map(health)
  for (const key of keys) changed.delete(key)
  return changed
}
