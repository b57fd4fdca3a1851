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

/**
 * The command of a program of Samba: of this machine, or of another Debian in the root folder that `SMBD_ROOT` names.
 */
const samba = (
  root: string,
  program: string,
  ...args: ReadonlyArray<string>
): readonly [string, ReadonlyArray<string>] => root === "" ? [program, args] : ["chroot", [root, program].concat(args)]

/** The root folder of smbd. Empty means the smbd of this machine. */
export const smbdRoot = process.env.SMBD_ROOT ?? ""

/** The version of smbd, such as `4.17.12-Debian`. */
export const smbdVersion = (root: string): string =>
  execFileSync(...samba(root, "smbd", "--version"), { encoding: "utf8" }).replace("Version", "").trim()

/** What another root lacks and smbd needs: its own folder, and two that a fresh root has without their contents. */
const mounts = (root: string, folder: string): ReadonlyArray<readonly [from: string, to: string]> =>
  root === "" ? [] : [[folder, join(root, "mnt")], ["/proc", join(root, "proc")], ["/dev", join(root, "dev")]]

/**
 * smbd with the modules that keep streams and attributes. `folder` is its own. If smbd has another root, the folder is
 * mounted there: call this in a mount namespace that ends with the process.
 */
export const smbd = async (folder: string, port: number, root: string): Promise<Server> => {
  const mounted = mounts(root, folder)
  for (const [from, to] of mounted) execFileSync("mount", ["--bind", from, to])
  // The paths that smbd reads are those below its root.
  const seen = root === "" ? folder : "/mnt"
  const at = (name: string): string => {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o755 })
    return join(seen, name)
  }
  const configuration = join(seen, "smb.conf")
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
    "log file": join(seen, "log.smbd"),
    "disable spoolss": "yes",
    "load printers": "no",
    "ea support": "yes",
    "store dos attributes": "yes"
  }
  const share = { path: at("share"), "read only": "no", "force user": "root", "vfs objects": "streams_xattr" }
  const section = (options: object) => Object.entries(options).map(([name, value]) => `  ${name} = ${value}\n`).join("")
  writeFileSync(join(folder, "smb.conf"), `[global]\n${section(lines)}[share]\n${section(share)}`)
  execFileSync(...samba(root, "smbpasswd", "-c", configuration, "-a", "-s", user), {
    input: `${password}\n${password}\n`
  })
  const server = await make(port, ...samba(root, "smbd", "-s", configuration, "-F", "--no-process-group"))
  return {
    ...server,
    stop: async () => {
      await server.stop()
      // The processes of clients may need a moment more to end.
      for (const [, to] of mounted) execFileSync("umount", ["--lazy", to])
    }
  }
}
