/** The two servers that are compared. Each serves a folder as the share `share`, can be killed, and starts again. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

/** An account that each Debian has: smbd needs a user of the system. */
export const user = "daemon"
export const password = "secret"

/** A server that runs. */
export interface Server {
  readonly port: number
  /** Kills the server without a warning, and starts it again on the same port. */
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => resolve(true))
    socket.on("error", () => resolve(false))
    socket.on("close", () => socket.destroy())
    setTimeout(() => socket.destroy(), 1000).unref()
  })

/** Waits until the server listens. Throws after a minute, or if its process has ended. */
const ready = async (child: ChildProcess, port: number): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: see its log`)
    if (await listens(port)) return
    await sleep(100)
  }
  throw new Error(`no server listens on port ${port} after a minute`)
}

/** A server of this command. Its processes are one group, because smbd has a process for each client. */
const make = async (port: number, command: string, args: ReadonlyArray<string>): Promise<Server> => {
  const start = async () => {
    const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], detached: true })
    await ready(child, port)
    return child
  }
  let child = await start()
  const kill = async () => {
    const ended = once(child, "exit")
    process.kill(-child.pid!, "SIGKILL")
    await ended
  }
  return {
    port,
    restart: async () => {
      await kill()
      await sleep(1000)
      child = await start()
    },
    stop: kill
  }
}

/** This server over a LocalStore. `folder` is its own. */
export const own = (folder: string, port: number): Promise<Server> => {
  const share = join(folder, "share")
  mkdirSync(share, { recursive: true })
  const program = fileURLToPath(new URL("server.ts", import.meta.url))
  return make(port, process.execPath, [program, String(port), share, user, password])
}

/** smbd with the modules that keep streams and attributes. `folder` is its own. */
export const smbd = (folder: string, port: number): Promise<Server> => {
  const at = (name: string): string => {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o755 })
    return join(folder, name)
  }
  const configuration = join(folder, "smb.conf")
  const lines = {
    "server role": "standalone server",
    "smb ports": String(port),
    interfaces: "127.0.0.1/8",
    "bind interfaces only": "yes",
    "private dir": at("private"),
    "state directory": at("state"),
    "lock directory": at("lock"),
    "cache directory": at("cache"),
    "pid directory": at("pid"),
    "ncalrpc dir": at("ncalrpc"),
    "log file": join(folder, "log.smbd"),
    "disable spoolss": "yes",
    "load printers": "no",
    "ea support": "yes",
    "store dos attributes": "yes"
  }
  const share = { path: at("share"), "read only": "no", "force user": "root", "vfs objects": "streams_xattr" }
  const section = (options: object) => Object.entries(options).map(([name, value]) => `  ${name} = ${value}\n`).join("")
  writeFileSync(configuration, `[global]\n${section(lines)}[share]\n${section(share)}`)
  execFileSync("smbpasswd", ["-c", configuration, "-a", "-s", user], { input: `${password}\n${password}\n` })
  return make(port, "smbd", ["-s", configuration, "-F", "--no-process-group"])
}
