/**
 * Names of a Unix server (`ReservedCharacters`) in paths: plain characters for callers, and characters of the private use
 * area for servers.
 *
 * Two characters differ from the plain names. A backslash is the separator of paths, so it stays U+F026; U+F026 itself has
 * U+F07F before it. A colon is a part of the name, so that no path leads to a named stream.
 */
import * as Effect from "effect/Effect"
import * as ReservedCharacters from "../Codec/ReservedCharacters.ts"
import * as DfsError from "./DfsError.ts"

const backslash = "\uf026"
const escape = "\uf07f"

const plain = (name: string): string =>
  ReservedCharacters.toPlain(name).replace(/[\\\uf026]/g, (one) => one === "\\" ? backslash : escape + backslash)

/**
 * A name from the server, as callers see it. A name that would lead out of its folder stays unchanged.
 *
 * @category conversions
 * @since 0.2.0
 */
export const shown = (name: string): string => {
  const found = plain(name)
  return found === "." || found === ".." ? name : found
}

/**
 * A name as the server knows it, from the name that callers see.
 *
 * @category conversions
 * @since 0.2.0
 */
export const sent = (name: string): string =>
  ReservedCharacters.toPrivateUse(name.replace(/\uf07f?\uf026/g, (one) => one === backslash ? "\\" : backslash))

const each = (path: string, change: (name: string) => string): string =>
  path.includes("\\") ? path.split("\\").map(change).join("\\") : change(path)

/**
 * A path below a share, as callers see it.
 *
 * @category conversions
 * @since 0.2.0
 */
export const shownPath = (path: string): string => each(path, shown)

/**
 * A path below a share, as the server knows it.
 *
 * @category conversions
 * @since 0.2.0
 */
export const sentPath = (path: string): string => each(path, sent)

/** The names below the share. The server of a path can be an IPv6 address, whose colons are no part of a name. */
const belowShare = (path: string, change: (path: string) => string): string =>
  path.replace(/^(\\*[^\\]+\\+[^\\]+\\+)(.+)$/s, (_, share: string, rest: string) => share + change(rest))

/**
 * A path that begins with server and share, as callers see it.
 *
 * @category conversions
 * @since 0.2.0
 */
export const shownUnc = (path: string): string => belowShare(path, shownPath)

/**
 * A path that begins with server and share, as the server knows it.
 *
 * @category conversions
 * @since 0.2.0
 */
export const sentUnc = (path: string): string => belowShare(path, sentPath)

/**
 * A message with the names that callers see. A message does not say where a name in it ends: a dot or a blank at the end of
 * a name is recognised if a separator, a blank or punctuation follows.
 *
 * @category conversions
 * @since 0.2.0
 */
export const shownText = (text: string): string =>
  text.replace(/[\uf001-\uf029\uf07f]+(?=[\\\s:;,)"]|$)|[\uf001-\uf027\uf07f]+/g, plain)

/**
 * An error of DFS with the names that callers see. Other errors are unchanged.
 *
 * @category conversions
 * @since 0.2.0
 */
export const shownError = <E>(error: E): E => DfsError.withPaths(error, shownUnc)

/**
 * An effect whose errors of DFS get the names that callers see. It marks by `own` the effects of its caller that it runs:
 * their errors have these names already, and stay unchanged.
 *
 * @since 0.2.0
 */
export const withShownErrors = <A, E, R>(
  run: (own: <A2, E2, R2>(effect: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2, R2>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const ofCaller = new Set<unknown>()
    return run(Effect.tapError((error) => Effect.sync(() => ofCaller.add(error)))).pipe(
      Effect.mapError((error) => ofCaller.has(error) ? error : shownError(error))
    )
  })
