/** Files that a server reads at its start, as files: the users, and the identifiers that they keep. */
import { Cause, Effect, Exit } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as IdentityStore from "../../../src/Server/IdentityStore.ts"
import * as UserStore from "../../../src/Server/UserStore.ts"
import type { Target } from "../Engine.ts"
import { Broken, holds, words } from "../Promises.ts"

const users = `# users\nann:secret\njoe:${"0123456789abcdef".repeat(2)}\nzoë:pass:word \n`

const identities = JSON.stringify({
  domainSid: "S-1-5-21-1-2-3",
  nextRid: 1002,
  users: [{ name: "ann", rid: 1000 }, { name: "joe", rid: 1001 }]
})

const secret = /secret|pass:word/

const check = async <A, E extends { readonly _tag: string; readonly message: string }>(
  read: Effect.Effect<A, E>
): Promise<A | undefined> => {
  const exit = await Effect.runPromiseExit(read)
  if (Exit.isSuccess(exit)) return exit.value
  const failed = Cause.findErrorOption(exit.cause)
  if (failed._tag === "None") throw new Broken(`a defect: ${Cause.pretty(exit.cause)}`)
  holds(!secret.test(failed.value.message), "the message shows a line of the file")
  return undefined
}

/** The first byte chooses the file, and the rest is its content. */
export const stores: Target = {
  name: "stores",
  seeds: () =>
    [[0, users], [1, identities]].map(([kind, content]) =>
      new Uint8Array(Buffer.concat([Uint8Array.of(kind as number), Buffer.from(content as string)]))
    ),
  words: words(":", "\n", "\r\n", "#", "S-1-5-21-", "1000", "1073741823", "\"rid\"", "{", "}", "null"),
  open: () => {
    const folder = mkdtempSync(join(tmpdir(), "effect-smb-fuzz-"))
    return {
      run: async (input) => {
        const path = join(folder, input[0]! % 2 === 0 ? "users" : "identity.json")
        writeFileSync(path, input.subarray(1), { mode: 0o600 })
        if (input[0]! % 2 === 0) {
          const found = await check(UserStore.fromFile(path))
          if (found === undefined) return
          for (const name of ["ann", "__proto__", ""]) {
            const user = await check(found.find(name, ""))
            holds(user === undefined || user.name !== "", "a user without a name")
          }
        } else {
          const found = await check(IdentityStore.fromFile(path))
          if (found !== undefined) holds(/^S-1-5-21-\d+-\d+-\d+$/.test(found.domainSid), `no SID: ${found.domainSid}`)
        }
      },
      close: async () => rmSync(folder, { recursive: true, force: true })
    }
  }
}
