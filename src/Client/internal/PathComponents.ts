/** The components of a path in their normal form. */

/** The components without empty ones and `.`, and with `..` resolved; `undefined` if they lead above the first. */
export const normal = (parts: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const result: Array<string> = []
  for (const part of parts) {
    if (part === "" || part === ".") continue
    if (part !== "..") result.push(part)
    else if (result.pop() === undefined) return undefined
  }
  return result
}
