/** Other clients in a storm: smbclient, and the Linux kernel's own, each as commands that end. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execute, type Output } from "../lab/Process.ts"
import * as Content from "./Content.ts"
import type { History } from "./History.ts"
import { names, ownBlocks, type Step } from "./Plan.ts"

/** A program that moves files to and from a share. A command ends in time, or is killed. */
export interface Program {
  readonly put: (local: string, remote: string) => Promise<Output>
  readonly get: (remote: string, local: string) => Promise<Output>
  readonly rename: (from: string, to: string) => Promise<Output>
  readonly end: () => Promise<void>
}

/** How a program reaches the share. */
export interface Access {
  readonly address: () => string
  readonly user: string
  readonly password: () => string
}

/** Milliseconds after which a command hangs. */
export const limit = 60_000

/** smbclient: a process and a connection for each command. Client 1 encrypts, the others sign. */
export const smbclient = (number: number, access: Access): Program => {
  const run = (command: string) =>
    execute("smbclient", [
      `//${access.address()}/data`,
      "-U",
      `${access.user}%${access.password()}`,
      "-s",
      "/dev/null",
      "-t",
      "5",
      `--client-protection=${number === 1 ? "encrypt" : "sign"}`,
      "-c",
      command
    ], { timeout: limit })
  return {
    put: (local, remote) => run(`put ${local} ${remote}`),
    get: (remote, local) => run(`get ${remote} ${local}`),
    rename: (from, to) => run(`rename ${from} ${to}`),
    end: () => Promise.resolve()
  }
}

/** Why the kernel cannot mount a share here; undefined if it can. */
export const withoutKernel = async (): Promise<string | undefined> => {
  const known = () => /\bcifs\b/.test(readFileSync("/proc/filesystems", "utf8"))
  if (!known()) await execute("modprobe", ["cifs"]).catch(() => undefined)
  if (!known()) return "the kernel of this machine has no cifs module"
  const helper = await execute("mount.cifs", ["-V"]).catch(() => undefined)
  return helper === undefined ? "mount.cifs is not installed (apt-get install cifs-utils)" : undefined
}

/** The Linux kernel's client, on a share that is mounted as long as the program lives. `soft`: a lost server is an error. */
export const kernel = async (number: number, access: Access): Promise<Program> => {
  const folder = mkdtempSync(join(tmpdir(), "smb-storm-mount-"))
  const manner = number === 1 ? "seal" : "sign"
  const mounted = await execute("mount", [
    "-t",
    "cifs",
    `//${access.address()}/data`,
    folder,
    "-o",
    `vers=3.1.1,sec=ntlmssp${manner === "seal" ? ",seal" : "i"},soft,cache=none,username=${access.user}`
  ], { env: { PASSWD: access.password() }, timeout: limit })
  if (mounted.code !== 0) throw new Error(`the share cannot be mounted: ${mounted.stderr}`)
  const copy = (from: string, to: string) =>
    execute("dd", [`if=${from}`, `of=${to}`, "bs=64k", "conv=fsync", "status=none"], { timeout: limit })
  return {
    put: (local, remote) => copy(local, join(folder, remote)),
    get: (remote, local) => copy(join(folder, remote), local),
    rename: (from, to) => execute("mv", ["-n", join(folder, from), join(folder, to)], { timeout: limit }),
    end: async () => {
      await execute("umount", ["-f", "-l", folder], { timeout: limit })
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** A program at work on the objects of a storm. */
export interface ProgramWorker {
  readonly name: string
  readonly program: Program
  readonly own: string
  readonly history: History
  readonly nextId: (length: number) => number
  /** A local folder. */
  readonly folder: string
}

/** These say that the server looked, and did nothing. */
const refused = /NT_STATUS_(?:OBJECT_NAME_NOT_FOUND|OBJECT_NAME_COLLISION|LOGON_FAILURE)|No such file/

/** One step. Anything but an exit code of 0 leaves open what happened, except for a refusal that is known. */
export const run = async (worker: ProgramWorker, step: Step): Promise<void> => {
  const { folder, history, name, own, program } = worker
  mkdirSync(folder, { recursive: true })
  const invoked = history.now()
  const local = join(folder, "file")
  const told = ({ code, stderr, stdout }: Output): string | undefined =>
    code === 0 ? undefined : `${stdout}${stderr}`.trim().slice(-200)
  switch (step._tag) {
    case "Put": {
      const { count } = step
      const id = worker.nextId(count * Content.block)
      writeFileSync(local, Content.make(id, count * Content.block))
      const error = told(await program.put(local, own))
      history.ended(own, name, { _tag: "Overwrite", id, count }, error === undefined ? "ok" : "unknown", invoked, error)
      return
    }
    case "Get": {
      rmSync(local, { force: true })
      const error = told(await program.get(own, local))
      history.ended(
        own,
        name,
        {
          _tag: "ReadBlocks",
          first: 0,
          values: error === undefined ? Content.blocks(readFileSync(local), 0, ownBlocks) : []
        },
        error === undefined ? "ok" : "failed",
        invoked,
        error
      )
      return
    }
    case "Rename": {
      const to = names[step.to]!
      for (const from of names) {
        if (from === to) continue
        const at = history.now()
        const error = told(await program.rename(from, to))
        const outcome = error === undefined ? "ok" : refused.test(error) ? "failed" : "unknown"
        history.ended("name", name, { _tag: "Rename", from, to }, outcome, at, error)
        if (outcome === "ok") return
      }
      return
    }
    default:
      throw new Error(`${step._tag} is no step of a program`)
  }
}
