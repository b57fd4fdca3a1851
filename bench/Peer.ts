/** Runs the programs that are measured: our own command, smbclient, rclone. Their output goes to /dev/null. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { which } from "../scripts/lab.mjs"
import * as Lab from "../test/lab/Lab.ts"

/** The folder of the checkout. */
export const checkout: string = fileURLToPath(new URL("..", import.meta.url))

/** The command as a checkout runs it, in its newest build. */
export const command: string = join(checkout, "bin", "effect-smb.js")

/** Runs a program to its end, and dies with its messages if it fails. */
export const run = (
  name: string,
  args: ReadonlyArray<string>,
  options?: { readonly env?: Readonly<Record<string, string>>; readonly onStart?: (pid: number) => void }
): Effect.Effect<void> =>
  Effect.promise((signal) =>
    new Promise<void>((resolve, reject) => {
      const child = spawn(which(name) ?? name, args, {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, ...options?.env },
        signal
      })
      let messages = ""
      child.stderr.on("data", (chunk: Buffer) => {
        messages += chunk.toString()
      })
      child.on("error", reject)
      child.on("close", (code) => {
        if (code === 0) resolve()
        else reject(new Error(`${name} ${args.join(" ")}: exit code ${code}\n${messages}`))
      })
      if (child.pid !== undefined) options?.onStart?.(child.pid)
    })
  )

/** Runs commands of smbclient on a share, as the lab's user. */
export const smbclient = (share: string, commands: string, args: ReadonlyArray<string> = []): Effect.Effect<void> =>
  run("smbclient", [share, "-U", `${Lab.user.name}%${Lab.user.password}`, "-s", "/dev/null", ...args, "-c", commands])

/** Runs our own command, as the lab's user. */
export const effectSmb = (
  args: ReadonlyArray<string>,
  options?: { readonly program?: string; readonly onStart?: (pid: number) => void }
): Effect.Effect<void> =>
  run(process.execPath, [options?.program ?? command, ...args], {
    env: { SMB_USER: Lab.user.name, SMB_PASSWORD: Lab.user.password },
    ...(options?.onStart === undefined ? {} : { onStart: options.onStart })
  })

/** Whether rclone is installed. */
export const hasRclone = (): boolean => which("rclone") !== undefined

/** Runs a command of rclone, in which `smb:` is the server at `host`. */
export const rclone = (host: string, args: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.promise(() => Lab.mustExecute("rclone", ["obscure", Lab.user.password])),
    ({ stdout }) =>
      run("rclone", [...args, "--config", "/dev/null"], {
        env: {
          RCLONE_CONFIG_SMB_TYPE: "smb",
          RCLONE_CONFIG_SMB_HOST: host,
          RCLONE_CONFIG_SMB_USER: Lab.user.name,
          RCLONE_CONFIG_SMB_PASS: stdout.trim()
        }
      })
  )
