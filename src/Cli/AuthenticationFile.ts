/**
 * Authentication files as smbclient has them: `username = joe`, `password = secret`, `domain = CORP`, a line each.
 * Comments begin with `#` or `;`. Pure.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

/** The content of a file. An empty password is a password. */
export interface AuthenticationFile {
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted<string> | undefined
  readonly domain?: string | undefined
}

const keys = ["username", "password", "domain"] as const

const isKey = (key: string): key is typeof keys[number] => (keys as ReadonlyArray<string>).includes(key)

/**
 * Parses a file. Blanks around a key and before a value do not count; blanks at the end of a value do, since a password
 * can end in one. Fails with the message for the user, which has the number of the line and never its content.
 */
export const parse = (text: string): Result.Result<AuthenticationFile, string> => {
  const found: Partial<Record<typeof keys[number], string>> = {}
  for (const [index, line] of text.replace(/^\uFEFF/, "").split(/\r?\n/).entries()) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue
    const at = line.indexOf("=")
    const key = line.slice(0, Math.max(0, at)).trim().toLowerCase()
    if (!isKey(key)) return Result.fail(`line ${index + 1} is none of username = , password = and domain = `)
    found[key] = line.slice(at + 1).replace(/^[ \t]+/, "")
  }
  const { domain, password, username } = found
  return Result.succeed({
    ...(username === undefined || username === "" ? {} : { username }),
    ...(password === undefined ? {} : { password: Redacted.make(password) }),
    ...(domain === undefined || domain === "" ? {} : { domain })
  })
}
