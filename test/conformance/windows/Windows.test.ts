/**
 * Proves the reader and the runner of the Windows Protocol Test Suites on a sample result file that was written from
 * the schema, the writer of their settings, and the tables of known failures of all suites. The suites themselves do
 * not run.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Summary from "../Summary.ts"
import * as Ptfconfig from "./Ptfconfig.ts"
import * as Trx from "./Trx.ts"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const sample = readFileSync(here("sample.trx"), "utf8")
const smb2 = "Microsoft.Protocols.TestSuites.FileSharing.SMB2.TestSuite"

describe("results of the Windows Protocol Test Suites (a sample written from the schema)", () => {
  it("are read with full names, outcomes, seconds, messages and categories", () => {
    const results = Trx.parse(sample)
    assert.deepStrictEqual(results.map(({ name, result }) => [name, result]), [
      [`${smb2}.Negotiation.BVT_Negotiate_SMB2002`, "pass"],
      [`${smb2}.Leasing.FileLeasingExtendedTest.BVT_Leasing_FileLeasingV1`, "fail"],
      [`${smb2}.MultipleChannel.BVT_MultipleChannel_NicRedundantOnBoth`, "skip"],
      ["Microsoft.Protocols.TestSuites.FileSharing.DFSC.TestSuite.DFSCTest.BVT_DFSC_RootReferralV4", "skip"],
      [`${smb2}.QueryDir.BVT_QueryDir_Reopen_OnDir`, "fail"],
      // Its definition is missing.
      ["BVT_Encryption_GlobalEncryptionEnabled", "fail"]
    ])
    assert.deepStrictEqual(results[0]!.categories, ["BVT", "SMB2002"])
    assert.deepStrictEqual(results.map(({ seconds }) => seconds), [1.25, 62.5, 0.1, 0, 3600, 0.5])
    assert.match(results[1]!.message, /Expected:<STATUS_SUCCESS>[\s\S]*break the lease\.$/)
    assert.deepStrictEqual(results.map(({ name }) => Trx.suite(name)), [
      "SMB2.Negotiation",
      "SMB2.Leasing",
      "SMB2.MultipleChannel",
      "DFSC.DFSCTest",
      "SMB2.QueryDir",
      "BVT_Encryption_GlobalEncryptionEnabled"
    ])
    // The file's own counts.
    const { failed, inconclusive, passed } =
      /<Counters .*?passed="(?<passed>\d+)" failed="(?<failed>\d+)".*?inconclusive="(?<inconclusive>\d+)"/
        .exec(sample)!.groups!
    assert.deepStrictEqual(
      ["Passed", "Failed", "Inconclusive"].map((outcome) => results.filter((one) => one.outcome === outcome).length),
      [passed, failed, inconclusive].map(Number)
    )
  })

  it("are read with very long messages, and refused if the file is not TRX", () => {
    const long = sample.replace("Connect to the server", "&lt;&#x41;&amp;".repeat(200_000))
    assert.strictEqual(Trx.parse(long).length, 6)
    assert.throws(() => Trx.parse("<html><body>Not found</body></html>"), /no TestRun/)
    assert.throws(() => Trx.parse(""), /no TestRun/)
  })

  it("end run.ts with code 1 for new failures, 0 for none and 2 without results, and are archived", () => {
    const folder = mkdtempSync(join(tmpdir(), "trx-"))
    try {
      const archive = join(folder, "results", "windows.json")
      const run = (...args: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [here("run.ts"), ...args], { encoding: "utf8" })
      const judged = run("--trx", here("sample.trx"), "--archive", archive, "--verbose")
      assert.strictEqual(judged.status, 1, judged.stderr)
      assert.match(judged.stdout, /^suite +pass +skip +known +new +fixed$/m)
      assert.match(judged.stdout, /^all +1 +2 +0 +3 +0$/m)
      assert.include(judged.stdout, "Server should break the lease.")
      const { counts, suite, tests } = JSON.parse(readFileSync(archive, "utf8"))
      assert.deepStrictEqual(counts, { new: 3, pass: 1, skip: 2 })
      assert.strictEqual(suite, "Windows Protocol Test Suites, TestCategory=BVT")
      assert.strictEqual(tests[`${smb2}.Negotiation.BVT_Negotiate_SMB2002`], "pass")

      const good = join(folder, "good.trx")
      writeFileSync(good, sample.replaceAll(/outcome="(Failed|Timeout|Aborted)"/g, "outcome=\"Passed\""))
      assert.strictEqual(run("--trx", good).status, 0)
      const empty = join(folder, "empty.trx")
      writeFileSync(empty, "<TestRun><Results/></TestRun>")
      assert.strictEqual(run("--trx", empty).status, 2)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 30_000)
})

describe("the suites' settings", () => {
  // Written in the form of the suites' files.
  const file = `<TestSite>
  <Properties>
    <Group name="PTF">
      <Group name="NetworkCapture">
        <Property name="Enabled" value="false"><Choice>true,false</Choice></Property>
      </Group>
    </Group>
    <Group name="Common">
      <!-- <Property name="SutIPAddress" value="1.2.3.4" /> -->
      <Property name="SutIPAddress" value="192.168.1.11" >
        <Description>IP address of SUT</Description>
      </Property>
      <Property name="Enabled" value="x"/>
    </Group>
  </Properties>
</TestSite>`

  it("are replaced by group and name, and unknown ones are returned", () => {
    const { text, unknown } = Ptfconfig.apply(file, {
      "Common.SutIPAddress": "127.0.0.2",
      "PTF.NetworkCapture.Enabled": "a \"b\" & c",
      "Common.NoSuchThing": "x"
    })
    assert.deepStrictEqual(unknown, ["Common.NoSuchThing"])
    assert.strictEqual(
      text,
      file.replace("192.168.1.11", "127.0.0.2").replace("value=\"false\"", "value=\"a &quot;b&quot; &amp; c\"")
    )
  })
})

describe("known failures", () => {
  const known = Summary.parseKnown(
    "# Head\n\n| test | kind | reason |\n| --- | --- | --- |\n| `a.b` | permanent | why |\n| `c` | skipped | so |\n"
  )

  it("decide the verdict of each result, and the exit code", () => {
    assert.strictEqual(Summary.judge(undefined, "pass", "are known"), "pass")
    assert.strictEqual(Summary.judge(undefined, "fail", "are known"), "new")
    assert.strictEqual(Summary.judge(undefined, "skip", "are known"), "new")
    assert.strictEqual(Summary.judge(undefined, "skip", "are free"), "skip")
    assert.strictEqual(Summary.judge(known.get("a.b"), "fail", "are known"), "known")
    assert.strictEqual(Summary.judge(known.get("a.b"), "pass", "are known"), "fixed")
    assert.strictEqual(Summary.judge(known.get("c"), "skip", "are known"), "skip")
    assert.strictEqual(Summary.judge(known.get("c"), "fail", "are known"), "new")
    assert.strictEqual(Summary.exitCode(new Map([["a", "known"], ["b", "skip"]])), 0)
    assert.strictEqual(Summary.exitCode(new Map([["a", "fixed"]])), 1)
  })

  it("are refused without an exact name, a kind and a reason, or twice, and the files of both suites are accepted", () => {
    const line = (...cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |\n`
    assert.throws(() => Summary.parseKnown(line("`a.*`", "permanent", "why")), /wildcards/)
    assert.throws(() => Summary.parseKnown(line("`a`", "sometimes", "why")), /kind/)
    assert.throws(() => Summary.parseKnown(line("`a`", "to do", " ")), /reason/)
    assert.throws(() => Summary.parseKnown(line("`a`", "to do", "x") + line("`a`", "to do", "y")), /twice/)
    for (const path of [here("KNOWN_FAILURES.md"), here("../KNOWN_FAILURES.md")]) Summary.readKnown(path)
    assert.isAbove(Summary.readKnown(here("../KNOWN_FAILURES.md")).size, 0)
  })
})
