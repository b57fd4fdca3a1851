/**
 * Runs the scenarios of `mounts.ts`, which prove what a LocalStore does with real mounts of ext4, Btrfs, tmpfs and
 * overlay file systems. The tests are skipped with `LAB=off`, and where the machine cannot mount unless `LAB=required`.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { missingMounts } from "../../scripts/lab.mjs"

/** Each scenario runs in its own process, and its mounts end with the process. */
const scenarios = {
  remounted: "keeps the metadata of files on a mounted disk when another device mounts the disk again",
  exchanged: "gives no file the metadata of another disk when disks are exchanged while they are served",
  volumes: "gives the size, the serial number and the read-only state of the volume that a file is on",
  copied: "refuses a folder, or a disk mounted in it, whose sidecar was copied",
  readOnly: "reads metadata on a read-only disk, and refuses changes with ReadOnly",
  btrfs: "keeps the metadata of a Btrfs subvolume and of its snapshot apart",
  overlay: "does not copy files of an overlay to read them, and keeps their metadata after a copy-up",
  passing: "refuses metadata with Unsupported on an overlay whose inode numbers change with each mount"
}

const lab = process.env.LAB ?? "auto"
const isHere = lab === "required" || (lab !== "off" && missingMounts() === undefined)

describe.runIf(isHere)("LocalStore over file systems that are mounted", () => {
  for (const [scenario, title] of Object.entries(scenarios)) {
    it(title, () => {
      const folder = Fs.mkdtempSync(join(tmpdir(), "effect-smb-mounts-"))
      try {
        const program = join(import.meta.dirname, "mounts.ts")
        const { error, status, stderr } = spawnSync(
          "unshare",
          ["--mount", "--propagation", "private", process.execPath, "--no-warnings", program, scenario, folder],
          { encoding: "utf8", timeout: 60_000 }
        )
        assert.strictEqual(status, 0, `${error?.message ?? ""}${stderr}`)
      } finally {
        Fs.rmSync(folder, { recursive: true, force: true })
      }
    }, 60_000)
  }
})
