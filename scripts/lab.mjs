/** Finds out whether real servers can be started on this machine, and if not, what is missing and how to get it. */
import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"

/** The packages with the programs that the lab starts or compares with, by their Debian and Ubuntu names. */
export const packages = [
  "samba",
  "samba-testsuite",
  "smbclient",
  "samba-vfs-modules",
  "attr",
  "iproute2",
  "tshark",
  "rclone",
  "python3-impacket"
]

/** The additional packages for a domain. */
export const domainPackages = [
  "samba-ad-dc",
  "samba-ad-provision",
  "samba-dsdb-modules",
  "winbind",
  "krb5-user",
  "libgssapi-krb5-2"
]

/** The path of a program, also in the system's own folders, or undefined. */
export const which = (program) => {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]
  return folders.map((folder) => join(folder, program)).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Why the lab cannot run, in one line; undefined if it can. */
export const missing = () => {
  if (process.platform !== "linux") return "it needs Linux"
  const needed = ["smbd", "smbpasswd", "smbclient", "smbcacls", "smbtorture", "getfattr", "ip", "useradd", "tshark"]
  const programs = needed.filter((name) => which(name) === undefined)
  if (programs.length > 0) return `${programs.join(", ")} not found (apt-get install ${packages.slice(0, 7).join(" ")})`
  if (process.getuid?.() !== 0) return "it needs root, for port 445 and loopback addresses"
  return undefined
}

/** Why an Active Directory domain cannot run where the rest of the lab runs, in one line; undefined if it can. */
export const missingDomain = () => {
  const programs = ["samba", "samba-tool", "winbindd", "net", "kinit", "unshare"].filter((name) =>
    which(name) === undefined
  )
  if (programs.length > 0) return `${programs.join(", ")} not found (apt-get install ${domainPackages.join(" ")})`
  const libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
  return libraries.some((folder) => existsSync(join(folder, "libgssapi_krb5.so.2")))
    ? undefined
    : "libgssapi_krb5.so.2 not found (apt-get install libgssapi-krb5-2)"
}

/** The packages for the tests with mounted file systems. */
export const mountPackages = ["btrfs-progs", "e2fsprogs", "mount", "util-linux"]

/** Why this machine cannot mount file systems, in one line; undefined if it can. */
export const missingMounts = () => {
  if (process.platform !== "linux") return "they need Linux"
  if (process.getuid?.() !== 0) return "they need root, to mount"
  const needed = ["btrfs", "losetup", "mkfs.btrfs", "mkfs.ext4", "mount", "unshare"]
  const programs = needed.filter((name) => which(name) === undefined)
  if (programs.length > 0) return `${programs.join(", ")} not found (apt-get install ${mountPackages.join(" ")})`
  if (!existsSync("/dev/loop-control")) return "there are no loop devices"
  const known = readFileSync("/proc/filesystems", "utf8").split(/\s+/)
  const unknown = ["btrfs", "ext4", "overlay", "tmpfs"].filter((name) => !known.includes(name))
  if (unknown.length > 0) return `the kernel does not know ${unknown.join(", ")}`
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" })
  return status === 0 ? undefined : "nothing may be mounted here"
}
