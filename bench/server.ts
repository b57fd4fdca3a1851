/**
 * Compares this server with smbd: the same smbclient, the same work, in the same run. Both serve a folder, in memory if
 * /dev/shm exists. This server runs in the process of the measurement, which does no other work during a round.
 */
import { Effect, Redacted } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import * as SmbServer from "../src/Server/SmbServer.ts"
import * as LocalStore from "../src/Server/Store/LocalStore.ts"
import * as UserStore from "../src/Server/UserStore.ts"
import * as Lab from "../test/lab/Lab.ts"
import { inTurn, line } from "./Measure.ts"

const host = "127.0.20.3"
const mebibytes = 1024
const smallFiles = 1000

const modes = { plain: ["--client-protection=off"], signed: ["--client-protection=sign"] } as const

/** The folders and shares of the measurement. */
export interface Setting {
  /** A local folder with `large.bin` of 1 GiB. */
  readonly local: string
  /** smbd's share, with `large.bin` and 1,000 files in `small`. */
  readonly smbd: string
  readonly rounds: number
}

/** Runs both servers with the same content; `work` runs on this server, and on smbd. */
const beside = (
  { local, rounds, smbd }: Setting,
  name: string,
  amount: number,
  unit: string,
  commands: string,
  args: ReadonlyArray<string>
) =>
  Effect.gen(function*() {
    const root = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(`${local}/server-`)),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    yield* SmbServer.make({
      host,
      users: UserStore.inMemory({ [Lab.user.name]: Redacted.make(Lab.user.password) }),
      signing: "enabled",
      shares: { data: LocalStore.make(root) }
    })
    const share = `\\\\${host}\\data`
    yield* Lab.smbclient(share, `mkdir small; put ${local}/large.bin large.bin`, {})
    yield* Effect.promise(async () => {
      const content = Buffer.alloc(10_240, "small ")
      for (let i = 0; i < smallFiles; i++) await writeFile(`${root}/small/file-${i}.txt`, content)
    })
    const measured = yield* inTurn(rounds, [
      { name: "effect-smb", round: Lab.smbclient(share, commands, { args }) },
      { name: "smbd", round: Lab.smbclient(smbd, commands, { args }) }
    ])
    return line(name, amount, unit, measured)
  }).pipe(Effect.scoped)

/** The lines about the server. */
export const lines = (setting: Setting): ReadonlyArray<readonly [string, Effect.Effect<string, unknown>]> => {
  const { local } = setting
  const all = (Object.keys(modes) as Array<keyof typeof modes>).flatMap((mode) =>
    [
      [`server: read 1 GiB, ${mode}`, mebibytes * 1.048576, "MB", "get large.bin /dev/null", modes[mode]],
      [`server: write 1 GiB, ${mode}`, mebibytes * 1.048576, "MB", `put ${local}/large.bin written.bin`, modes[mode]]
    ] as const
  )
  return [
    ...all,
    [
      `server: ${smallFiles} small files`,
      smallFiles,
      "files",
      `cd small; lcd ${local}/mget; prompt; mget *`,
      modes.signed
    ] as const
  ].map(([name, amount, unit, commands, args]) => [name, beside(setting, name, amount, unit, commands, args)] as const)
}
