/**
 * Compares this server with smbd by the client of the Linux kernel. A virtual machine (qemu, without KVM) mounts a share
 * of each server by cifs.ko and runs the file operations of `init.py`. The results must be the same line by line, except
 * for the differences that `KNOWN_DIFFERENCES.md` explains.
 *
 * Needs root on Debian (x86-64). All of it runs in a network namespace and a mount namespace, which end with the runner.
 *
 * smbd is that of this machine, or the one below the root folder that the variable `SMBD_ROOT` names, such as one that
 * debootstrap made of another Debian. Name the kernel and the smbd of the same Debian.
 *
 * Arguments:
 *
 * - `--kernel FILE`: a package `linux-image-...` of Debian (repeatable). Default: the runner downloads the cloud kernel of
 *   this Debian with `apt-get download`.
 * - `--operations A,B`: only these operations, by the names of their functions in `init.py`.
 * - `--patience N`: multiplies the three minutes that an operation may take, for a slow machine.
 * - `--archive FILE`: writes the results as JSON.
 * - `--write`: writes the rows of these kernels into the table of `docs/conformance.md`. The rows of other versions stay.
 * - `--logs FOLDER`: keeps the results, and the console of the virtual machine, for each kernel and server.
 *
 * Ends with code 1 if a difference has no explanation, or an explained one is gone; with 2 if a run did not end.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Page from "../Page.ts"
import * as Summary from "../Summary.ts"
import * as Initramfs from "./Initramfs.ts"
import * as Outputs from "./Outputs.ts"
import * as Servers from "./Servers.ts"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Set in the process that runs in the namespace. */
const marker = "EFFECT_SMB_KERNEL_NAMESPACE"

const { values: options } = parseArgs({
  options: {
    kernel: { type: "string", multiple: true },
    operations: { type: "string" },
    patience: { type: "string", default: "1" },
    archive: { type: "string" },
    write: { type: "boolean", default: false },
    logs: { type: "string" }
  }
})

/** Milliseconds for all operations on one server. */
const wholeTime = 45 * 60_000 * Number(options.patience)

/** Downloads the kernel package of this Debian. */
const download = (folder: string): string => {
  const depends = execFileSync("apt-cache", ["depends", "linux-image-cloud-amd64"], { encoding: "utf8" })
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
  if (name === undefined) throw new Error("apt knows no linux-image-cloud-amd64: name a kernel package with --kernel")
  execFileSync("apt-get", ["download", name], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] })
  return join(folder, readdirSync(folder).find((file) => file.startsWith(`${name}_`))!)
}

/** Runs the operations in a virtual machine, and gives the lines of its second serial port. */
const operate = async (
  kernel: Initramfs.Kernel,
  initramfs: string,
  server: Servers.Server,
  consolePath: string
): Promise<ReadonlyArray<string>> => {
  const settings = {
    port: server.port,
    user: Servers.user,
    password: Servers.password,
    share: "share",
    patience: options.patience,
    ...(options.operations === undefined ? {} : { operations: options.operations })
  }
  const parameters = Object.entries(settings).map(([name, value]) => `smb.${name}=${value}`)
  const machine = spawn("qemu-system-x86_64", [
    ...["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "512", "-display", "none"],
    ...["-monitor", "none", "-no-reboot", "-nodefaults"],
    ...["-kernel", kernel.image, "-initrd", initramfs],
    ...["-append", ["console=ttyS0", "panic=-1", "random.trust_cpu=on", ...parameters].join(" ")],
    ...["-nic", "user,model=virtio-net-pci", "-object", "rng-random,id=rng,filename=/dev/urandom"],
    ...["-device", "virtio-rng-pci,rng=rng", "-serial", `file:${consolePath}`, "-serial", "stdio"]
  ], { stdio: ["pipe", "pipe", "inherit"] })
  const late = setTimeout(() => machine.kill("SIGKILL"), wholeTime)
  const lines: Array<string> = []
  try {
    for await (const line of createInterface({ input: machine.stdout })) {
      if (line === "! restart") {
        await server.restart()
        machine.stdin.write("restarted\n")
      } else lines.push(line)
    }
  } finally {
    clearTimeout(late)
    machine.kill("SIGKILL")
  }
  if (lines.at(-1) !== "# end") {
    throw new Error(
      `the virtual machine did not end its work: ${lines.at(-1) ?? "it said nothing"} (see ${consolePath})`
    )
  }
  return lines
}

/** Both servers with one kernel. */
const compare = async (
  packagePath: string,
  folder: string,
  logs: string
): Promise<{ readonly release: string; readonly verdicts: ReadonlyMap<string, Summary.Verdict> }> => {
  const at = (name: string): string => {
    mkdirSync(join(folder, name), { recursive: true })
    return join(folder, name)
  }
  const kernel = Initramfs.unpack(packagePath, at("kernel"))
  const initramfs = join(folder, "initramfs")
  writeFileSync(initramfs, Initramfs.build(kernel, here("init.py")))
  const outputs: Array<Outputs.Outputs> = []
  const smbdOfRoot = (own: string, port: number) => Servers.smbd(own, port, Servers.smbdRoot)
  for (const [name, make] of [["smbd", smbdOfRoot], ["server", Servers.own]] as const) {
    const server = await make(at(name), 4460)
    try {
      const began = Date.now()
      const log = join(logs, `${kernel.release}-${name}`)
      const lines = await operate(kernel, initramfs, server, `${log}.console`)
      writeFileSync(`${log}.txt`, lines.map((line) => `${line}\n`).join(""))
      outputs.push(Outputs.parse(lines))
      console.log(
        `${kernel.release} on ${name}: ${lines.length - 1} results in ${Math.round((Date.now() - began) / 1000)} s`
      )
    } finally {
      await server.stop()
    }
  }
  const [smbd, own] = outputs as [Outputs.Outputs, Outputs.Outputs]
  const found = new Map(Outputs.differences(smbd, own).map((difference) => [difference.name, difference]))
  const known = Summary.readKnown(here("KNOWN_DIFFERENCES.md"), Outputs.headingsOf(kernel.release))
  const verdicts = new Map<string, Summary.Verdict>()
  for (const name of new Set([...smbd.keys(), ...own.keys()])) {
    const difference = found.get(name)
    verdicts.set(
      name,
      difference === undefined ? (known.has(name) ? "fixed" : "pass") : known.has(name) ? "known" : "new"
    )
    if (difference === undefined) continue
    console.log(
      `${known.has(name) ? "known" : "new"}: ${name}\n  smbd    ${difference.smbd}\n  server  ${difference.server}`
    )
  }
  return { release: kernel.release, verdicts }
}

const main = async (): Promise<void> => {
  const absent = Initramfs.missing(Servers.smbdRoot)
  if (absent !== undefined) throw new Error(absent)
  const work = mkdtempSync(join(tmpdir(), "effect-smb-kernel-"))
  const logs = resolve(options.logs ?? join(work, "logs"))
  mkdirSync(logs, { recursive: true })
  try {
    const all = new Map<string, Summary.Verdict>()
    const version = Servers.smbdVersion(Servers.smbdRoot)
    const rows: Array<Outputs.Row> = []
    const count = (of: ReadonlyMap<string, Summary.Verdict>, verdict: Summary.Verdict) =>
      [...of.values()].filter((other) => other === verdict).length
    for (const [i, path] of (options.kernel ?? [process.env[marker]!]).entries()) {
      const { release, verdicts } = await compare(resolve(path), join(work, String(i)), logs)
      for (const [name, verdict] of verdicts) {
        all.set(`${release}: ${name}`, verdict)
        if (verdict === "fixed") console.log(`no difference any more: ${name}`)
      }
      const counts = (["known", "new"] as const).map((verdict) => count(verdicts, verdict))
      const same = count(verdicts, "pass") + count(verdicts, "fixed")
      rows.push({ release, smbd: version, counts: [verdicts.size, same, ...counts] })
    }
    console.log(`\n${Outputs.table(rows)}`)
    if (options.write) Page.writePart("kernel", Outputs.table(rows, Page.readPart("kernel")))
    if (options.archive !== undefined) Summary.archive(options.archive, "the Linux kernel's client", all)
    process.exitCode = Summary.exitCode(all)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/**
 * Runs this program again in a network namespace: port numbers are free there, and no other machine reaches it. What it
 * mounts ends with its mount namespace.
 */
const enter = (): void => {
  const folder = mkdtempSync(join(tmpdir(), "effect-smb-kernel-package-"))
  try {
    const kernel = options.kernel === undefined ? download(folder) : ""
    const inside = "ip link set lo up && exec \"$@\""
    const { status } = spawnSync(
      "unshare",
      ["--net", "--mount", "sh", "-c", inside, "sh", process.execPath, ...process.execArgv, ...process.argv.slice(1)],
      { stdio: "inherit", env: { ...process.env, [marker]: kernel } }
    )
    process.exitCode = status ?? 2
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const failed = (cause: unknown): void => {
  console.error(cause instanceof Error ? cause.message : cause)
  process.exitCode = 2
}

if (process.env[marker] === undefined) {
  try {
    enter()
  } catch (cause) {
    failed(cause)
  }
} else {
  main().catch(failed)
}
