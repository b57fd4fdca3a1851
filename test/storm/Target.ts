/**
 * The servers of a storm: a real smbd, and this project's server in another process. Both serve one folder on a small
 * file system as the share `data`, and both can be killed and started again.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Lab from "../lab/Lab.ts"
import { execute, guard, mustExecute, pause } from "../lab/Process.ts"

/** What a server still holds for its clients, without durable opens that wait for theirs. */
export interface Held {
  readonly opens: number
  /** Connections of clients; of smbd, their sessions. */
  readonly connections: number
  /** What the server tells of them. */
  readonly detail?: string
}

/** A server of a storm. */
export interface Target {
  readonly address: string
  readonly share: "data"
  /** The share's folder on this machine. */
  readonly folder: string
  readonly user: string
  /** The password at the beginning. */
  readonly password: string
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly setPassword: (password: string) => Promise<void>
  /** Moves the server's time of day, where it has its own. */
  readonly jump: (milliseconds: number) => Promise<void>
  readonly held: () => Promise<Held>
  /** Fills the disk, or frees it again. */
  readonly fill: (full: boolean) => Promise<void>
  readonly end: () => Promise<void>
}

/** Bytes of the file system, which has all files of a storm several times over. */
const size = 96 * 1024 * 1024

/** Mounts a small file system. If this process is killed, the guard unmounts it and ends what runs below `root`. */
const small = async (root: string, folder: string) => {
  await mustExecute("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0777`, "none", folder])
  const release = guard(root, undefined, `umount -l ${folder}`)
  return async () => {
    await execute("umount", ["-l", folder])
    release()
  }
}

/** A folder with the small file system mounted, the share in it, and room for the ballast. */
const makeDisk = async () => {
  const root = mkdtempSync(join(tmpdir(), "smb-storm-"))
  const disk = join(root, "disk")
  mkdirSync(disk)
  await mustExecute("chmod", ["755", root])
  const unmount = await small(root, disk)
  const share = join(disk, "share")
  mkdirSync(share)
  await mustExecute("chmod", ["777", share])
  // In the same file system, but not in the share.
  const ballast = join(disk, "ballast")
  return {
    root,
    share,
    fill: async (full: boolean) => {
      rmSync(ballast, { force: true })
      // It ends with an error when nothing more fits, which is what is wanted.
      if (full) await execute("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k", "status=none"])
    },
    end: async () => {
      await unmount()
      rmSync(root, { recursive: true, force: true })
    }
  }
}

/** An open in the output of smbstatus. */
interface Open {
  readonly server_id?: { readonly pid?: string }
}

/** smbd. It forgets its opens when it is killed. */
export const smbd = async (address: string): Promise<Target> => {
  const disk = await makeDisk()
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(Scope.provide(
    Lab.server({
      address,
      shares: [{
        name: "data",
        options: {
          path: disk.share,
          "durable handles": "yes",
          "kernel oplocks": "no",
          "kernel share modes": "no",
          "posix locking": "no",
          "create mask": "0666"
        }
      }]
    }),
    scope
  ))
  return {
    address,
    share: "data",
    folder: disk.share,
    user: Lab.user.name,
    password: Lab.user.password,
    kill: () => Effect.runPromise(server.kill),
    start: () => Effect.runPromise(server.start),
    setPassword: async (password) => {
      await mustExecute("smbpasswd", ["-c", server.configuration, "-a", "-s", Lab.user.name], {
        input: `${password}\n${password}\n`
      })
    },
    jump: () => Promise.resolve(),
    held: async () => {
      const output = await mustExecute("smbstatus", ["-s", server.configuration, "--json"])
      const { open_files: files = {}, sessions = {} } = JSON.parse(output.stdout) as {
        readonly open_files?: Record<string, { readonly opens?: Record<string, Open> }>
        readonly sessions?: Record<string, unknown>
      }
      // A durable open without its client has no process.
      const opens = Object.values(files).flatMap(({ opens = {} }) => Object.values(opens))
        .filter(({ server_id }) => Number(server_id?.pid ?? 0) > 0)
      return { opens: opens.length, connections: Object.keys(sessions).length, detail: JSON.stringify(sessions) }
    },
    fill: disk.fill,
    end: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await disk.end()
    }
  }
}

interface Statistics {
  readonly opens: number
  readonly absent: number
  readonly connections: number
}

const program = fileURLToPath(new URL("serve.ts", import.meta.url))

/** One running process of this project's server. */
const begin = async (address: string, folder: string, identities: string, user: string, password: string) => {
  const child: ChildProcess = spawn(process.execPath, [program, address, folder, identities], {
    env: { ...process.env, STORM_USER: user, SMB_PASSWORD: password },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const waiting: Array<{ readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }> = []
  const next = () => new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }))
  const ended = new Promise<void>((resolve) => {
    child.on("close", (code, signal) => {
      for (const one of waiting.splice(0)) one.reject(new Error(`the server ended with ${signal ?? `code ${code}`}`))
      resolve()
    })
  })
  child.stdin!.on("error", () => child.stdin!.destroy())
  createInterface({ input: child.stdout! }).on("line", (line) => {
    // Other lines are the server's log.
    if (line.startsWith("{")) waiting.shift()?.resolve(line)
    else console.error(line)
  })
  await next()
  return {
    ask: async (command: Record<string, unknown>): Promise<Statistics> => {
      const answer = next()
      child.stdin!.write(`${JSON.stringify(command)}\n`)
      return JSON.parse(await answer) as Statistics
    },
    kill: async () => {
      child.kill("SIGKILL")
      await ended
    }
  }
}

/** This project's server. */
export const own = async (address: string): Promise<Target> => {
  const disk = await makeDisk()
  const user = "storm"
  let password = "First-1d8f!"
  let moved = 0
  const start = async () => {
    const process = await begin(address, disk.share, join(disk.root, "identities.json"), user, password)
    if (moved !== 0) await process.ask({ jump: moved })
    return process
  }
  let running = await start()
  return {
    address,
    share: "data",
    folder: disk.share,
    user,
    password,
    kill: () => running.kill(),
    start: async () => {
      running = await start()
    },
    setPassword: async (next) => {
      password = next
      await running.ask({ password })
    },
    jump: async (milliseconds) => {
      moved += milliseconds
      await running.ask({ jump: milliseconds })
    },
    held: async () => {
      const { absent, connections, opens } = await running.ask({})
      return { opens: opens - absent, connections }
    },
    fill: disk.fill,
    end: async () => {
      await running.kill()
      await disk.end()
    }
  }
}

/**
 * Waits until a server holds no opens, and with `connections` no connections either. What it holds at last, if that does
 * not happen in time.
 */
export const released = async (
  target: Target,
  milliseconds: number,
  connections: boolean
): Promise<Held | undefined> => {
  const end = performance.now() + milliseconds
  for (;;) {
    const held = await target.held()
    if (held.opens === 0 && !(connections && held.connections > 0)) return undefined
    if (performance.now() > end) return held
    await pause(20)
  }
}

/** Writes a file into the share before the storm, for every user to change. */
export const prepare = async (target: Target, name: string, content: Uint8Array): Promise<void> => {
  const path = join(target.folder, name)
  writeFileSync(path, content)
  await mustExecute("chmod", ["666", path])
}
