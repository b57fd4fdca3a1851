/**
 * Builds Microsoft's test suites for file servers on Linux, from clones of their repositories:
 *
 *     git clone https://github.com/microsoft/WindowsProtocolTestSuites
 *     git clone https://github.com/microsoft/ProtocolTestFramework
 *     node test/conformance/windows/build.ts WindowsProtocolTestSuites ProtocolTestFramework FOLDER
 *
 * `FOLDER/bin` has the suites afterwards, for `run.ts --suites FOLDER`. The build takes about two minutes, and needs git,
 * tar, the .NET SDK 10 and NuGet. The clones stay unchanged. Nothing of the suites belongs to this project.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** The version of .NET that the suites are built for. They name 8.0, and Debian and GitHub's machines have 10.0. */
const framework = "net10.0"

/** The packages whose versions differ from those that the suites name: the last ones for this .NET. */
const packages = {
  "Microsoft.NET.Test.Sdk": "18.11.0",
  "Microsoft.PowerShell.SDK": "7.6.9",
  "Microsoft.TestPlatform.ObjectModel": "18.11.0",
  "MSTest.TestAdapter": "3.11.1",
  "MSTest.TestFramework": "3.11.1",
  "System.DirectoryServices": "10.0.14",
  "System.DirectoryServices.Protocols": "10.0.14",
  "System.Formats.Asn1": "10.0.14",
  "System.IO.Packaging": "10.0.14",
  "System.Management": "10.0.14",
  "System.Runtime.Caching": "10.0.14",
  "System.Security.AccessControl": "6.0.1",
  "System.Text.Json": "10.0.14"
}

const source = "TestSuites/FileServer/src"
const suites = [
  `${source}/SMB2/TestSuite/MS-SMB2_ServerTestSuite.csproj`,
  `${source}/FSA/TestSuite/MS-FSA_ServerTestSuite.csproj`,
  `${source}/DFSC/TestSuite/MS-DFSC_ServerTestSuite.csproj`,
  `${source}/Auth/TestSuite/Auth_ServerTestSuite.csproj`
]

const fail = (message: string): never => {
  console.error(`build.ts: ${message}`)
  process.exit(1)
}

const run = (folder: string, command: string, ...args: ReadonlyArray<string>): void => {
  const { error, status } = spawnSync(command, args, { cwd: folder, stdio: "inherit" })
  if (error !== undefined) fail(`${command} cannot be started: ${error.message}`)
  if (status !== 0) fail(`${command} ${args[0]} ended with ${status}`)
}

/** Copies the committed files below these paths, without a work tree. */
const extract = (repository: string, paths: ReadonlyArray<string>, into: string): void => {
  mkdirSync(into, { recursive: true })
  const archive = join(into, "source.tar")
  run(repository, "git", "archive", `--output=${archive}`, "HEAD", ...paths)
  run(into, "tar", "-xf", archive)
  rmSync(archive)
}

/**
 * The rules for all projects. MSBuild reads them after each project file. The test framework comes from its source, and
 * the package for LDAP from the folder `ldap`.
 */
const targets = (folder: string): string => {
  const versions = Object.entries(packages)
    .map(([name, version]) => `    <PackageReference Update="${name}" Version="${version}" />`)
  const instead = (name: string, project: string) =>
    `  <ItemGroup Condition="@(PackageReference->AnyHaveMetadataValue('Identity', '${name}'))">
    <PackageReference Remove="${name}" />
    <ProjectReference Include="${join(folder, project)}" />
  </ItemGroup>`
  return `<Project>
  <PropertyGroup>
    <NuGetAudit>false</NuGetAudit>
    <TreatWarningsAsErrors>false</TreatWarningsAsErrors>
  </PropertyGroup>
  <ItemGroup>
${versions.join("\n")}
  </ItemGroup>
${instead("Microsoft.Protocols.TestTools", "framework/src/TestFramework/TestFramework.csproj")}
${instead("Novell.Directory.Ldap.NETStandard", "ldap/Novell.Directory.Ldap.csproj")}
</Project>
`
}

const main = (): void => {
  const given = process.argv.slice(2)
  if (given.length !== 3) fail("the arguments are the clones of the suites and of the framework, and an empty folder")
  const [suitesRepository, frameworkRepository, folder] = given.map((path) => resolve(path)) as [string, string, string]
  if (existsSync(folder) && readdirSync(folder).length > 0) fail(`${folder} is not empty; name an empty folder`)

  const parts = ["Auth", "Common", "DFSC", "FSA", "SMB2"].map((part) => `${source}/${part}`)
  extract(suitesRepository, ["AssemblyInfo", "ProtoSDK", ...parts], folder)
  extract(frameworkRepository, ["src", "LICENSE.txt"], join(folder, "framework"))
  cpSync(fileURLToPath(new URL("ldap", import.meta.url)), join(folder, "ldap"), { recursive: true })

  for (const path of globSync("**/*.csproj", { cwd: folder }).map((name) => join(folder, name))) {
    const text = readFileSync(path, "utf8")
    // MSBuild does not distinguish cases, and the suites have both.
    const changed = text
      .replace(/<(TargetFrameworks?)>[^<]*</gi, `<$1>${framework}<`)
      .replaceAll("'$(TargetFramework)' == 'net8.0'", `'$(TargetFramework)' == '${framework}'`)
    if (changed !== text) writeFileSync(path, changed)
  }
  writeFileSync(join(folder, "Directory.Build.targets"), targets(folder))

  const bin = join(folder, "bin")
  mkdirSync(bin)
  for (const project of suites) {
    run(folder, "dotnet", "build", project, "-c", "Release", "-v", "quiet", "-clp:ErrorsOnly", "-nologo")
    const built = join(folder, dirname(project), "bin/Release", framework)
    cpSync(built, bin, { recursive: true, force: false })
  }
  console.log(`built: ${bin}`)
}

main()
