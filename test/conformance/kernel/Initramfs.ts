/**
 * The root file system of the virtual machine: an archive for the kernel (cpio, format `newc`; Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst) with programs of this machine, the libraries that they
 * need, and modules of a kernel package of Debian.
 */
import { execFileSync } from "node:child_process"
import { existsSync, globSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, posix } from "node:path"

/** A file of the archive. The archive makes the folders above it. */
export interface Entry {
  readonly path: string
  readonly mode: number
  readonly bytes: Uint8Array
}

const folderMode = 0o40755
const fileType = 0o100000

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4)

/** A header of `newc`: 13 numbers of 8 hexadecimal digits, then the name with a NUL, padded to 4 bytes. */
const record = (inode: number, path: string, mode: number, bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const name = Buffer.from(`${path}\0`)
  const numbers = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0]
  const header = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`)
  return [header, name, padding(header.length + name.length), bytes, padding(bytes.length)]
}

/** The folders above a path, the topmost one first. */
const foldersOf = (path: string): ReadonlyArray<string> =>
  path.split("/").slice(0, -1).map((_, i, names) => names.slice(0, i + 1).join("/"))

/** The archive of these files. A path has no `/` in front. */
export const archive = (entries: ReadonlyArray<Entry>): Buffer => {
  const folders = new Set(entries.flatMap(({ path }) => foldersOf(path)))
  const files = new Map(entries.map((entry) => [entry.path, entry]))
  let inode = 0
  return Buffer.concat([
    ...[...folders].flatMap((path) => record(++inode, path, folderMode, new Uint8Array())),
    ...[...files.values()].flatMap(({ bytes, mode, path }) => record(++inode, path, fileType | mode, bytes)),
    ...record(0, "TRAILER!!!", 0, new Uint8Array())
  ])
}

/** The paths that `ldd` prints for programs and libraries. */
export const librariesOf = (printed: string): ReadonlyArray<string> => [
  ...new Set([...printed.matchAll(/(?:=>\s+|^\s+)(\/\S+)\s+\(0x/gm)].map(([, path]) => path!))
]

/** The modules that these modules need, themselves included, by the text of modules.dep. Paths are as there. */
export const withDependencies = (modules: ReadonlyArray<string>, dependencies: string): ReadonlyArray<string> => {
  const table = new Map(
    dependencies.split("\n").filter((line) => line.includes(":")).map((line) => {
      const [path = "", needed = ""] = line.split(":")
      return [path, needed.split(" ").filter((name) => name !== "")] as const
    })
  )
  const nameOf = (path: string) => posix.basename(path).replace(/\.ko(?:\.\w+)?$/, "").replaceAll("-", "_")
  const wanted = new Set(modules)
  // modules.dep names all modules that a module needs, also those that its dependencies need.
  return [
    ...new Set([...table].flatMap(([path, needed]) => (wanted.has(nameOf(path)) ? [path].concat(needed) : [])))
  ]
}

/**
 * The modules that the client needs. It asks the kernel for ciphers and hashes by their names, which modules.dep does not
 * tell. Modules that are built into the kernel are missing in modules.dep.
 */
const modules = [
  ...["cifs", "virtio_pci", "virtio_net", "virtio_rng", "nls_utf8"],
  ...["aes_generic", "arc4", "ccm", "cmac", "ctr", "ecb", "gcm", "ghash_generic", "hmac", "md4", "md5", "seqiv"],
  ...["sha256_generic", "sha512_generic"]
]

const programs = [
  "/bin/sh",
  "/usr/bin/cp",
  "/usr/bin/git",
  "/usr/bin/git-upload-pack",
  "/usr/bin/rm",
  "/usr/bin/rsync",
  "/usr/bin/tar",
  "/usr/bin/python3",
  "/usr/bin/kmod",
  "/usr/bin/ip"
]

/** The Debian packages of these programs, and of what the runner itself needs. */
export const packages = ["git", "iproute2", "kmod", "python3", "qemu-system-x86", "rsync", "samba", "tar", "util-linux"]

/** What is missing on this machine, in one line; undefined if nothing is. `smbdRoot` is the root folder of smbd. */
export const missing = (smbdRoot: string): string | undefined => {
  const smbd = join(smbdRoot || "/", "usr/sbin/smbd")
  const absent = [...programs, "/usr/sbin/depmod", smbd, "/usr/bin/qemu-system-x86_64", "/usr/bin/unshare"]
    .filter((path) => !existsSync(path))
  if (process.platform !== "linux" || process.arch !== "x64") return "this needs Linux on x86-64"
  if (process.getuid?.() !== 0) return "this needs root, for a network namespace and smbd"
  return absent.length === 0 ? undefined : `${absent.join(", ")} not found (apt-get install ${packages.join(" ")})`
}

const fileOf = (from: string, to: string): Entry => ({
  path: to.replace(/^\/+/, ""),
  mode: statSync(from).mode & 0o777,
  bytes: readFileSync(from)
})

/** Python's modules that no operation needs, and which are large. */
const unwanted =
  /\/(?:__pycache__|test|idlelib|lib2to3|ensurepip|distutils|tkinter|pydoc_data|turtledemo|config-[^/]*|dist-packages)\//

const python = (): ReadonlyArray<string> => {
  const folder = execFileSync("/usr/bin/python3", ["-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"], {
    encoding: "utf8"
  }).trim()
  return globSync(`${folder}/**/*.{py,so}`).filter((path) => !unwanted.test(path))
}

/** A kernel, unpacked from a package. */
export interface Kernel {
  /** Such as `6.1.0-57-cloud-amd64`. */
  readonly release: string
  /** The path of its image. */
  readonly image: string
  /** The folder with `lib/modules`. */
  readonly folder: string
}

/** Unpacks a kernel package into a folder. */
export const unpack = (packagePath: string, folder: string): Kernel => {
  execFileSync("dpkg-deb", ["-x", packagePath, folder])
  // Debian's modules are in usr/lib since trixie.
  const base = existsSync(join(folder, "lib/modules")) ? folder : join(folder, "usr")
  const [release] = readdirSync(join(base, "lib/modules"))
  if (release === undefined) throw new Error(`${packagePath} has no kernel modules: name a package linux-image-...`)
  execFileSync("/usr/sbin/depmod", ["-b", base, release])
  return { release, image: join(folder, "boot", `vmlinuz-${release}`), folder: base }
}

/** The archive for a kernel: the first process is `init`. */
export const build = (kernel: Kernel, init: string): Buffer => {
  const scripts = python()
  const extensions = scripts.filter((path) => path.endsWith(".so"))
  const printed = [...programs, ...extensions].map((path) => {
    try {
      return execFileSync("ldd", [path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    } catch {
      // The program is not dynamic.
      return ""
    }
  }).join("")
  const place = join(kernel.folder, "lib/modules", kernel.release)
  const needed = withDependencies(modules, readFileSync(join(place, "modules.dep"), "utf8"))
  const indexes = readdirSync(place).filter((name) => name.startsWith("modules."))
  return archive([
    { path: "init", mode: 0o755, bytes: readFileSync(init) },
    ...[...programs, ...scripts, ...librariesOf(printed)].map((path) => fileOf(path, path)),
    fileOf("/usr/bin/kmod", "/usr/sbin/modprobe"),
    fileOf("/usr/bin/kmod", "/sbin/modprobe"),
    ...[...indexes, ...needed].map((name) => fileOf(join(place, name), join("lib/modules", kernel.release, name))),
    ...["/etc/passwd", "/etc/group"].map((path) => fileOf(path, path))
  ].filter(({ path }) => path !== "" && dirname(path) !== "/"))
}
