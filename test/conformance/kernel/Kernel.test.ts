/**
 * Proves the parts of the runner for the kernel's client that need no virtual machine: the archive, the choice of modules
 * and libraries, the comparison, and the table of known differences.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Summary from "../Summary.ts"
import * as Initramfs from "./Initramfs.ts"
import * as Outputs from "./Outputs.ts"

const here = (name: string): string => readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8")

/** Reads an archive as buffer-format.rst describes it, by its own arithmetic. */
const read = (archive: Buffer): ReadonlyArray<readonly [path: string, mode: number, text: string]> => {
  const found: Array<readonly [string, number, string]> = []
  for (let at = 0;;) {
    assert.strictEqual(archive.toString("latin1", at, at + 6), "070701")
    const field = (i: number) => parseInt(archive.toString("latin1", at + 6 + 8 * i, at + 14 + 8 * i), 16)
    const [mode, size, nameSize] = [field(1), field(6), field(11)]
    const name = archive.toString("utf8", at + 110, at + 109 + nameSize)
    assert.strictEqual(archive[at + 109 + nameSize], 0)
    const data = Math.ceil((at + 110 + nameSize) / 4) * 4
    if (name === "TRAILER!!!") {
      assert.strictEqual(data, archive.length)
      return found
    }
    found.push([name, mode, archive.toString("utf8", data, data + size)])
    at = Math.ceil((data + size) / 4) * 4
  }
}

describe("the archive for the kernel", () => {
  it("has each folder before the files in it, and names and bytes of any length", () => {
    const bytes = (text: string) => Buffer.from(text)
    const archive = Initramfs.archive([
      { path: "init", mode: 0o755, bytes: bytes("#!") },
      { path: "usr/bin/é", mode: 0o644, bytes: bytes("") },
      { path: "usr/bin/abc", mode: 0o600, bytes: bytes("12345") },
      // A later file of the same path replaces the first one.
      { path: "init", mode: 0o700, bytes: bytes("#!/bin/sh") }
    ])
    assert.deepStrictEqual(read(archive), [
      ["usr", 0o40755, ""],
      ["usr/bin", 0o40755, ""],
      ["init", 0o100700, "#!/bin/sh"],
      ["usr/bin/é", 0o100644, ""],
      ["usr/bin/abc", 0o100600, "12345"]
    ])
  })

  it("has the libraries that ldd prints, also the loader, and not those of the kernel", () => {
    const printed = "\tlinux-vdso.so.1 (0x00007ffd1a5f2000)\n" +
      "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1b9a1d1000)\n" +
      "\tlibgone.so.1 => not found\n" +
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007f1b9a5a7000)\n" +
      "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1b9a1d1000)\n"
    assert.deepStrictEqual(Initramfs.librariesOf(printed), [
      "/lib/x86_64-linux-gnu/libz.so.1",
      "/lib64/ld-linux-x86-64.so.2"
    ])
  })

  it("has a module with all that it needs, with - or _ in its name, compressed or not", () => {
    const dependencies = "kernel/fs/smb/client/cifs.ko: kernel/fs/netfs/netfs.ko kernel/crypto/md4.ko\n" +
      "kernel/crypto/ghash-generic.ko.xz: kernel/crypto/gf128mul.ko.xz\n" +
      "kernel/fs/netfs/netfs.ko:\nkernel/crypto/md4.ko:\nkernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n"
    assert.deepStrictEqual(Initramfs.withDependencies(["cifs", "ghash_generic", "aes_generic"], dependencies), [
      "kernel/fs/smb/client/cifs.ko",
      "kernel/fs/netfs/netfs.ko",
      "kernel/crypto/md4.ko",
      "kernel/crypto/ghash-generic.ko.xz",
      "kernel/crypto/gf128mul.ko.xz"
    ])
  })
})

describe("the results of two servers", () => {
  const smbd = Outputs.parse([
    "Welcome",
    "= copy cp -a\t(0, '')",
    "= links count\t2",
    "= open read\terror EIO",
    "# end"
  ])

  it("are compared by the names of their steps; a step that a server did not reach differs", () => {
    const server = Outputs.parse(["= copy cp -a\t(0, '')", "= links count\terror EACCES", "= links ended by\ttimeout"])
    assert.deepStrictEqual(Outputs.differences(smbd, server), [
      { name: "links count", smbd: "2", server: "error EACCES" },
      { name: "open read", smbd: "error EIO", server: undefined },
      { name: "links ended by", smbd: undefined, server: "timeout" }
    ])
    assert.deepStrictEqual(Outputs.differences(smbd, smbd), [])
  })

  it("are refused if two steps have one name", () => {
    assert.throws(() => Outputs.parse(["= a\t1", "= a\t1"]), /the step a has two results/)
  })

  it("have a row for each version of Linux: a run replaces the row of its version, and leaves the others", () => {
    const row = (release: string, smbd: string, same: number) => ({ release, smbd, counts: [324, same, 324 - same, 0] })
    const old = Outputs.table([
      row("6.12.9+deb13-cloud-amd64", "4.22.1-Debian", 300),
      row("6.1.0-57-cloud", "4.17.12", 315)
    ])
    assert.strictEqual(
      old,
      [
        "| kernel and smbd | results | as smbd | explained | not explained |",
        "| --- | --: | --: | --: | --: |",
        "| 6.1.0-57-cloud and smbd 4.17.12 | 324 | 315 | 9 | 0 |",
        "| 6.12.9+deb13-cloud-amd64 and smbd 4.22.1-Debian | 324 | 300 | 24 | 0 |"
      ].join("\n")
    )
    const written = Outputs.table([row("6.12.117+deb13-cloud-amd64", "4.22.11-Debian", 310)], old)
    assert.deepStrictEqual(written.split("\n").slice(2), [
      "| 6.1.0-57-cloud and smbd 4.17.12 | 324 | 315 | 9 | 0 |",
      "| 6.12.117+deb13-cloud-amd64 and smbd 4.22.11-Debian | 324 | 310 | 14 | 0 |"
    ])
    // The page of the project has rows that a run can read.
    assert.include(Outputs.table([], here("../../../docs/conformance.md")), "| 6.1.0-")
  })

  it("have known differences for all kernels and for one version", () => {
    assert.deepStrictEqual(Outputs.headingsOf("6.1.0-57-cloud-amd64"), ["All kernels", "Linux 6.1"])
    assert.deepStrictEqual(Outputs.headingsOf("6.12.117+deb13-cloud-amd64"), ["All kernels", "Linux 6.12"])
    // Throws if a line has no reason, or a name has two lines for one kernel.
    for (const release of ["6.1.0", "6.12.0"]) {
      Summary.parseKnown(here("KNOWN_DIFFERENCES.md"), Outputs.headingsOf(release))
    }
  })
})
