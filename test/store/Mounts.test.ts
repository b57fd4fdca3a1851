import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { missingMounts } from "../../scripts/lab.mjs"

/** Each in a process of its own, whose mounts end with it. */
const scenarios = {
  remounted: "keeps what it knows of files on a disk that is mounted below by another device",
  exchanged: "takes nothing for another's when a disk is exchanged for another one while it is served",
  volumes: "tells the room, the number and the rules of the disk that a file is on",
  copied: "refuses a folder, or a disk below one, whose sidecar was copied from elsewhere",
  readOnly: "believes what is kept on a disk that can only be read, and drops nothing in silence",
  btrfs: "keeps apart what it knows of a Btrfs subvolume and of its snapshot",
  overlay: "copies nothing of an overlay to read it, and knows what was copied to be changed",
  passing: "says where nothing can be kept, because files have other numbers with each mount"
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
