/**
 * Proves the parts of the runner of the Windows Protocol Test Suites: the reader on a sample result file that was written
 * from the schema, the writer of the settings, the record of results, and the tables of known failures of all suites. The
 * suites themselves do not run, and .NET is not needed.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Page from "../Page.ts"
import * as Summary from "../Summary.ts"
import * as Built from "./Built.ts"
import * as Ptfconfig from "./Ptfconfig.ts"
import * as Report from "./Report.ts"
import * as Results from "./Results.ts"
import * as Suites from "./Suites.ts"
import * as TestServer from "./TestServer.ts"
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
    assert.match(
      results[1]!.message,
      /Expected:<STATUS_SUCCESS>\. Actual:<STATUS_INVALID_PARAMETER>\.\r\nServer should break the lease\.$/
    )
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
      assert.strictEqual(suite, "Windows Protocol Test Suites, SMB2, memory stores")
      assert.strictEqual(tests[`${smb2}.Negotiation.BVT_Negotiate_SMB2002`], "pass")

      const good = join(folder, "good.trx")
      writeFileSync(good, sample.replaceAll(/outcome="(Failed|Timeout|Aborted)"/g, "outcome=\"Passed\""))
      assert.strictEqual(run("--trx", good).status, 0)

      const wrong = run("--trx", good, "--store", "tape")
      assert.strictEqual(wrong.status, 2)
      assert.include(wrong.stderr, "--store tape: it is none of memory, folder")
      // A known failure that passes is as wrong as an unknown one.
      const known = join(folder, "KNOWN.md")
      writeFileSync(known, `## SMB2\n\n| \`${smb2}.QueryDir.BVT_QueryDir_Reopen_OnDir\` | permanent | why |\n`)
      const passing = run("--trx", good, "--known", known)
      assert.strictEqual(passing.status, 1)
      assert.match(passing.stdout, /^known failures that pass:\n {2}\S+BVT_QueryDir_Reopen_OnDir$/m)
      const empty = join(folder, "empty.trx")
      writeFileSync(empty, "<TestRun><Results/></TestRun>")
      assert.strictEqual(run("--trx", empty).status, 2)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)
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

const place = (options: { readonly features?: Ptfconfig.Features; readonly dfs?: "standalone" | "controller" } = {}) =>
  Built.placeOf({
    host: "127.0.28.40",
    setting: { features: options.features ?? "ntfs", dfs: options.dfs ?? "standalone" }
  })

describe("the settings for this server", () => {
  it("name its address, both clients, and what it does not have", () => {
    const common = Ptfconfig.settings(place())["CommonTestSuite.deployment.ptfconfig"]!
    assert.strictEqual(common["Common.SutIPAddress"], "127.0.28.40")
    assert.notStrictEqual(common["Common.ClientNic1IPAddress"], common["Common.ClientNic2IPAddress"])
    assert.strictEqual(common["Common.DCServerComputerName"], "")
    assert.strictEqual(common["Common.CompressedFileShare"], "")
  })

  it("move what is not claimed to another file system, and nothing else", () => {
    const file = "MS-FSA_ServerTestSuite.deployment.ptfconfig"
    assert.deepStrictEqual(Ptfconfig.settings(place())[file], {})
    const claimed = Ptfconfig.settings(place({ features: "claimed" }))[file]!
    assert.strictEqual(claimed["FSA.WhichFileSystemSupport_Quota"], "REFS")
    assert.notProperty(claimed, "FSA.WhichFileSystemSupport_AlternateDataStream")
    assert.deepStrictEqual([...new Set(Object.values(claimed))], ["REFS"])
  })

  it("put the server in a controller's place, at a name that can be looked up, with the domain's namespace", () => {
    const controller = place({ dfs: "controller" })
    const files = Ptfconfig.settings(controller)
    assert.strictEqual(files["CommonTestSuite.deployment.ptfconfig"]!["Common.DCServerComputerName"], "localhost")
    assert.strictEqual(files["MS-DFSC_ServerTestSuite.deployment.ptfconfig"]!["DFSC.DomainNamespace"], "DomainBased")
    const { domains, roots } = TestServer.namespaces(controller)
    assert.deepStrictEqual(domains, {
      "effectsmb.test": { netbiosName: "EFFECTSMB", controllers: ["localhost.effectsmb.test"] }
    })
    assert.sameMembers(Object.keys(roots), ["Standalone", "SMBDfs", "DomainBased"])
    assert.isUndefined(TestServer.namespaces(place()).domains)
  })

  it("choose the adapter without PowerShell, which the file has in a comment", () => {
    const managed = `<Adapter xsi:type="managed" name="ISutCommonControlAdapter" adaptertype="A.B"/>`
    const text = (first: string) =>
      `<Adapters>\n  ${first}\n  <Adapter xsi:type="managed" name="IOther" />\n</Adapters>`
    const file = text(
      `<Adapter xsi:type="powershell" name="ISutCommonControlAdapter" scriptdir=".\\X" />\n  <!--${managed}-->`
    )
    assert.strictEqual(Ptfconfig.withoutPowerShell(file), text(managed))
    assert.throws(() => Ptfconfig.withoutPowerShell(text(managed)), /no managed adapter/)
  })

  it("are written to a copy of the suites, and the built ones stay unchanged", () => {
    const folder = mkdtempSync(join(tmpdir(), "suites-"))
    try {
      const built = join(folder, "built")
      mkdirSync(join(built, "bin/Data"), { recursive: true })
      const write = (name: string, text: string) => writeFileSync(join(built, "bin", name), text)
      for (const [name, values] of Object.entries(Ptfconfig.settings(place()))) {
        const properties = Object.keys(values).map((path) => {
          const [group, setting] = path.split(".")
          return `<Group name="${group}"><Property name="${setting}" value="before"/></Group>`
        })
        write(name, `<TestSite>${properties.slice(1).join("")}</TestSite>`)
      }
      const adapter = (type: string) => `<Adapter xsi:type="${type}" name="I"/>`
      write("CommonTestSuite.ptfconfig", `${adapter("powershell")}<!--${adapter("managed")}-->`)
      write(Suites.libraries.SMB2, "library")
      write("Data/one", "data")
      const copy = join(folder, "copy")
      const unknown = Suites.prepare(built, copy, place())
      assert.include(unknown, "CommonTestSuite.deployment.ptfconfig: Common.SutComputerName")
      assert.strictEqual(unknown.length, 3)
      const read = (...names: ReadonlyArray<string>) => readFileSync(join(...names), "utf8")
      const common = "CommonTestSuite.deployment.ptfconfig"
      assert.include(read(copy, common), `name="SutIPAddress" value="127.0.28.40"`)
      assert.notInclude(read(built, "bin", common), "127.0.28.40")
      assert.strictEqual(read(copy, "CommonTestSuite.ptfconfig"), adapter("managed"))
      assert.include(read(built, "bin/CommonTestSuite.ptfconfig"), "powershell")
      assert.strictEqual(read(copy, "Data/one"), "data")
      assert.throws(() => Suites.prepare(join(built, "bin/Data"), copy, place()), /build\.ts/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe("a run of built suites", () => {
  const setting = { features: "ntfs", dfs: "standalone" } as const

  it("has the filter of the suite, of the category and of the caller", () => {
    const passes = (suite: "SMB2" | "FSA" | "BVT", features: Ptfconfig.Features, filter?: string) =>
      Built.passes({ suite, filter, setting: { ...setting, features } })
    assert.deepStrictEqual(passes("SMB2", "claimed"), [["SMB2", undefined]])
    assert.deepStrictEqual(passes("SMB2", "ntfs", "Name=A"), [["SMB2", "(Name=A)"]])
    assert.deepStrictEqual(passes("FSA", "ntfs"), [["FSA", undefined]])
    assert.match(passes("FSA", "claimed", "Name~B")[0]![1]!, /^\(Name!~MarkHandle&.*QuotaInfo\)&\(Name~B\)$/)
    assert.deepStrictEqual(
      passes("BVT", "ntfs"),
      (["SMB2", "FSA", "DFSC", "Auth"] as const).map((suite) => [suite, "(TestCategory=BVT)"] as const)
    )
  })

  it("starts dotnet with the library and the filter, and returns the results; without results it fails", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dotnet-"))
    const before = process.env.PATH
    try {
      const program = (script: string) => {
        writeFileSync(join(folder, "dotnet"), `#!/bin/sh\n${script}\n`)
        chmodSync(join(folder, "dotnet"), 0o755)
      }
      process.env.PATH = `${folder}:${before}`
      program(`mkdir -p results && echo "$@" > results/FSA.trx`)
      const said = await Suites.run(folder, "FSA", "Name=A")
      assert.strictEqual(
        said.trim(),
        `vstest ${folder}/MS-FSA_ServerTestSuite.dll --logger:trx;LogFileName=FSA.trx ` +
          `--ResultsDirectory:${folder}/results --TestCaseFilter:Name=A`
      )
      program("exit 1")
      const failed = await Suites.run(folder, "FSA", undefined).then(() => "", (cause: Error) => cause.message)
      assert.include(failed, "FSA wrote no results")
      assert.isFalse(existsSync(join(folder, "results/FSA.trx")))
    } finally {
      process.env.PATH = before
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe("the record of results", () => {
  const setting = { features: "claimed", dfs: "standalone" } as const
  const fsa = "Microsoft.Protocols.TestSuites.FileSharing.FSA.TestSuite.FsCtlTestCases"
  const result = (name: string, of: Summary.Result): Trx.TestResult => ({
    name: `${fsa}.${name}`,
    result: of,
    outcome: of,
    categories: name.startsWith("BVT") ? ["BVT", "FSA"] : [],
    message: "",
    seconds: 1
  })
  const section = "FSA, claimed features"

  it("keeps one line for each test and setting, and the results of the other store", () => {
    const first = Results.record([], [result("BVT_A", "pass"), result("B", "fail")], setting, "memory")
    const second = Results.record(first, [result("BVT_A", "fail")], setting, "folder")
    const third = Results.record(second, [result("BVT_A", "skip")], { ...setting, features: "ntfs" }, "memory")
    assert.strictEqual(
      Results.format(third),
      "section\ttest\tcategory\tmemory\tfolder\tsmbd\n" +
        `${section}\t${fsa}.B\t\tfail\t-\t-\n` +
        `${section}\t${fsa}.BVT_A\tBVT\tpass\tfail\t-\n` +
        `FSA, all of NTFS\t${fsa}.BVT_A\tBVT\tskip\t-\t-\n`
    )
    assert.deepStrictEqual(
      Results.parse(Results.format(third)),
      third.toSorted((a, b) => (
        a.section === b.section ? (a.test < b.test ? -1 : 1) : a.section === section ? -1 : 1
      ))
    )
  })

  it("is compared with the known failures of its section and of its store", () => {
    const tests = [result("A", "fail"), result("B", "fail"), result("C", "pass"), result("D", "skip")]
    const line = (name: string) => `| \`${fsa}.${name}\` | permanent | why |\n`
    const known = `## ${section}\n\n${line("A")}${line("C")}${line("D")}\n## ${section} (folder)\n\n${line("B")}`
    const verdicts = (
      features: Ptfconfig.Features,
      store: Results.Store
    ) => [...Results.judge(tests, { ...setting, features }, store, known).values()]
    assert.deepStrictEqual(verdicts("claimed", "folder"), ["known", "known", "fixed", "skip"])
    assert.deepStrictEqual(verdicts("claimed", "memory"), ["known", "new", "fixed", "skip"])
    assert.deepStrictEqual(verdicts("ntfs", "folder"), ["new", "new", "pass", "skip"])
  })

  it("decides which failures are known: those of both stores, and those of one store", () => {
    const rows = ([["memory", ["fail", "fail", "pass", "pass"]], ["folder", ["fail", "pass", "fail", "pass"]]] as const)
      .reduce<ReadonlyArray<Results.Row>>(
        (before, [store, results]) =>
          Results.record(before, results.map((one, i) => result("ABCD"[i]!, one)), setting, store),
        []
      )
    const before = `# Head\n\n## ${section}\n\n` +
      `| \`${fsa}.A\` | permanent | because |\n| \`${fsa}.C\` | to do | soon |\n| \`${fsa}.D\` | to do | done |\n`
    const after = Results.knownAfter(rows, section, before)
    const names = (heading: string) => [...after.get(heading)!].map(([test, { reason }]) => [test.at(-1), reason])
    assert.deepStrictEqual(names(section), [["A", "because"]])
    assert.deepStrictEqual(names(`${section} (memory)`), [["B", "not looked into"]])
    assert.deepStrictEqual(names(`${section} (folder)`), [["C", "soon"]])
    assert.deepStrictEqual(Results.headings(section, "folder"), [section, `${section} (folder)`])
  })

  it("becomes tables by suite and group, and the known failures by reason", () => {
    const rows = Results.parse(
      Results.format(Results.record([], [result("BVT_A", "pass"), result("B", "fail")], setting, "memory"))
        .replace("fail\t-\t-", "fail\t-\tpass")
    )
    const page = Report.text(rows, `## ${section}\n\n| \`${fsa}.B\` | permanent | because |\n`)
    assert.include(page, `| ${section} | 2 | 1 | 1 | 0 | – | – | – | 1 |`)
    assert.include(page, `| ${section}: FsCtlTestCases | 2 | 1 | 1 | 0 | – | – | – | 1 |`)
    assert.include(page, `### ${section}\n\n- permanent: because (1): \`B\``)
  })

  it("is the page's part of this runner, and the parts of other runners stay", () => {
    const page = "# Page\n<!-- a -->\nold\n<!-- /a -->\ntext\n<!-- b -->\n<!-- /b -->\n"
    assert.strictEqual(
      Page.replacePart(Page.replacePart(page, "b", "two\n"), "a", "one"),
      "# Page\n<!-- a -->\none\n<!-- /a -->\ntext\n<!-- b -->\ntwo\n<!-- /b -->\n"
    )
    assert.throws(() => Page.replacePart(page, "c", ""), /no part c/)
    const docs = readFileSync(here("../../../docs/conformance.md"), "utf8")
    for (const part of ["smbtorture 4.17", "smbtorture 4.22", "windows"]) {
      assert.isAbove(Page.replacePart(docs, part, "x").length, 0)
    }
    const rows = Results.read(here("results.tsv"))
    assert.include(docs, Report.text(rows, readFileSync(here("KNOWN_FAILURES.md"), "utf8")).trim())
    // Each known failure is one of the record, and each failure of the record is known.
    for (const one of Results.sections) {
      for (const store of Results.stores) {
        const known = Summary.readKnown(here("KNOWN_FAILURES.md"), Results.headings(one, store))
        const failed = rows.filter((row) => row.section === one && row.results[store] === "fail").map(({ test }) =>
          test
        )
        assert.sameMembers(failed, failed.filter((test) => known.has(test)), `${one} (${store})`)
      }
    }
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

  it("are tables below headings; one is written, and the others and all text stay", () => {
    const row = (test: string) => `| \`${test}\` | permanent | why |\n`
    const table = (...tests: ReadonlyArray<string>) =>
      `| test | kind | reason |\n| --- | --- | --- |\n${tests.map(row).join("")}`
    const text = `# Head\n\n## One\n\nabout one\n\n${table("a", "b")}\n## Two\n\n${table("a")}`
    const names = (...sections: ReadonlyArray<string>) => [...Summary.parseKnown(text, sections).keys()]
    assert.deepStrictEqual(names("One"), ["a", "b"])
    assert.deepStrictEqual(names("Two"), ["a"])
    assert.deepStrictEqual(names("Three"), [])
    const why = { kind: "permanent", reason: "why" }
    assert.strictEqual(Summary.withKnown(text, Summary.parseKnown(text, ["One"]), "One"), text)
    assert.strictEqual(Summary.withKnown(text, new Map([["z", why]]), "One"), text.replace(table("a", "b"), table("z")))
    assert.strictEqual(
      Summary.withKnown(text, new Map([["z", why]]), "Three"),
      `${text}\n## Three\n\n${table("z")}`
    )
    // A file without headings has one table.
    assert.strictEqual(Summary.withKnown(`# Head\n\n${table("a")}`, new Map([["b", why]])), `# Head\n\n${table("b")}`)
  })

  it("are refused without an exact name, a kind and a reason, or twice, and the files of both suites are accepted", () => {
    const line = (...cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |\n`
    assert.throws(() => Summary.parseKnown(line("`a.*`", "permanent", "why")), /wildcards/)
    assert.throws(() => Summary.parseKnown(line("`a`", "sometimes", "why")), /kind/)
    assert.throws(() => Summary.parseKnown(line("`a`", "to do", " ")), /reason/)
    assert.throws(() => Summary.parseKnown(line("`a`", "to do", "x") + line("`a`", "to do", "y")), /twice/)
    for (const version of ["4.17", "4.22"]) {
      assert.isAbove(Summary.readKnown(here("../KNOWN_FAILURES.md"), [`smbtorture ${version}`]).size, 0)
    }
    for (const section of Results.sections) {
      for (const store of Results.stores) {
        Summary.readKnown(here("KNOWN_FAILURES.md"), Results.headings(section, store))
      }
    }
  })
})
