/** Checks of streams, security, extended attributes, previous versions, information classes and shares. */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { OpenMode } from "effect-smb"
import { Information } from "effect-smb/Client"
import { Codec, FileInformation } from "effect-smb/Codec"
import { statSync } from "node:fs"
import { Control } from "../../../src/Codec/SecurityDescriptor.ts"
import { GenericAccess } from "../../../src/Smb2/Message/Constants.ts"
import { execute, mustExecute } from "../Process.ts"
import { smbclient, user } from "../Server.ts"
import { type Check, noise, refused, type Spot } from "./Place.ts"

const streams = Effect.fnUntraced(function*({ at, clientArgs, disk, get, inShare, put, server, share, smb }: Spot) {
  put("file", "main")
  yield* smb.writeFile(at("file:second"), "in a stream")
  yield* smb.writeFile(at("file:Zone.Identifier"), "[ZoneTransfer]")
  assert.strictEqual(yield* smb.readFileString(at("file:second")), "in a stream")
  assert.strictEqual(get("file").toString(), "main")
  const found = yield* smb.namedStreams(at("file"))
  assert.deepStrictEqual(
    found.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    [{ name: "Zone.Identifier", size: 14n }, { name: "second", size: 11n }]
  )
  const names = yield* Effect.promise(() =>
    mustExecute("getfattr", ["--absolute-names", "-d", "-m", "-", disk("file")])
  )
  assert.include(names.stdout, "user.DosStream.second:$DATA")
  const foreign = yield* smbclient(`//${server.address}/${share}`, `get "${inShare("file:second")}" -`, {
    args: clientArgs ?? []
  })
  assert.include(foreign.stdout, "in a stream")
  yield* smb.remove(at("file:second"))
  assert.deepStrictEqual((yield* smb.namedStreams(at("file"))).map(({ name }) => name), ["Zone.Identifier"])
  assert.strictEqual(get("file").toString(), "main")
})

const everyone = "S-1-1-0"

const security = Effect.fnUntraced(function*({ at, clientArgs, inShare, put, server, share, smb }: Spot) {
  put("file", "x")
  const before = yield* smb.security.get(at("file"))
  assert.match(before.owner!, /^S-1-/)
  assert(before.dacl !== undefined)
  const mine = before.dacl.aces.length
  yield* smb.writeFile(at("own"), "x")
  const own = yield* smb.security.get(at("own"))
  const dacl = {
    ...own.dacl!,
    aces: [...own.dacl!.aces, {
      _tag: "Basic" as const,
      aceType: 0,
      aceFlags: 0,
      mask: GenericAccess.FILE_GENERIC_READ,
      sid: everyone
    }]
  }
  yield* smb.security.set(at("own"), {
    sbz1: 0,
    control: Control.SE_DACL_PRESENT | Control.SE_SELF_RELATIVE,
    owner: undefined,
    group: undefined,
    sacl: undefined,
    dacl
  })
  const after = yield* smb.security.get(at("own"))
  assert.strictEqual(after.owner, own.owner)
  assert(
    after.dacl!.aces.some((ace) =>
      ace._tag === "Basic" && ace.sid === everyone && ace.mask === GenericAccess.FILE_GENERIC_READ
    )
  )
  assert.isAtLeast(mine, 1)
  const { stdout } = yield* Effect.promise(() =>
    execute("smbcacls", [
      `//${server.address}/${share}`,
      inShare("own"),
      "-U",
      `${user.name}%${user.password}`,
      "-s",
      "/dev/null",
      "--numeric",
      ...(clientArgs ?? [])
    ])
  )
  assert.include(stdout, `ACL:${everyone}:0/0x0/0x00120089`)
  assert.include(stdout, `OWNER:${own.owner}`)
})

const token = "@GMT-2026.01.02-03.04.05"

const previousVersions = Effect.fnUntraced(function*({ at, folder, get, put, server, share, smb }: Spot) {
  put("file", "as it is")
  yield* server.write(share, `.snapshots/${token}/${folder}/previous-versions/file`, "old bytes")
  assert.deepStrictEqual(yield* smb.previousVersions(at("file")), [token])
  assert.strictEqual(yield* smb.readFileString(at(token, "file")), "old bytes")
  assert.strictEqual(yield* smb.readFileString(at("file")), "as it is")
  assert.strictEqual((yield* smb.stat(at(token, "file"))).size, 9n)
  yield* smb.copy(at(token, "file"), at("restored"))
  assert.strictEqual(get("restored").toString(), "old bytes")
  const old = yield* Stream.runCollect(smb.list(at(token)))
  assert.deepStrictEqual(old.map(({ name }) => name), ["file"])
  assert.strictEqual(yield* refused(smb.readFile(at("@GMT-2020.01.01-00.00.00", "file"))), "ObjectNameNotFound")
})

const extendedAttributes = Effect.fnUntraced(function*({ at, disk, smb }: Spot) {
  const attributes = [{ flags: 0, eaName: "COLOUR", eaValue: Buffer.from("green") }]
  const encode = Codec.encode(FileInformation.FileFullEaInformation)
  const file = yield* smb.open(at("file"), { ...OpenMode.readWrite, extendedAttributes: encode(attributes) })
  const { stdout } = yield* Effect.promise(() =>
    mustExecute("getfattr", ["--absolute-names", "-d", "-m", "user[.]COLOUR", disk("file")])
  )
  assert.include(stdout, "user.COLOUR=\"green")
  yield* Effect.promise(() => mustExecute("setfattr", ["-n", "user.SHAPE", "-v", "round", disk("file")]))
  const found = yield* file.run(Information.queryFile("FileFullEaInformation"))
  const values = Object.fromEntries(found.map(({ eaName, eaValue }) => [eaName, Buffer.from(eaValue).toString()]))
  assert.strictEqual(values.COLOUR, "green")
  assert.strictEqual(values.SHAPE?.replace(/\0$/, ""), "round")
  yield* file.run(
    Information.setFile("FileFullEaInformation", [{ flags: 0, eaName: "COLOUR", eaValue: new Uint8Array(0) }])
  )
  const left = yield* Effect.promise(() => mustExecute("getfattr", ["--absolute-names", "-d", disk("file")]))
  assert.notInclude(left.stdout, "COLOUR")
})

const information = Effect.fnUntraced(function*({ at, disk, put, smb }: Spot) {
  put("file", noise(5000))
  const file = yield* smb.open(at("file"), OpenMode.update)
  const found = statSync(disk("file"), { bigint: true })
  const standard = yield* file.run(Information.queryFile("FileStandardInformation"))
  assert.strictEqual(standard.endOfFile, 5000n)
  assert.strictEqual(standard.numberOfLinks, 1)
  assert.isFalse(standard.directory)
  const internal = yield* file.run(Information.queryFile("FileInternalInformation"))
  assert.strictEqual(BigInt.asUintN(32, internal.indexNumber), BigInt.asUintN(32, found.ino))
  const every = yield* file.run(Information.queryFile("FileAllInformation"))
  assert.strictEqual(every.standardInformation.endOfFile, 5000n)
  assert.match(every.nameInformation.fileName, /\\information\\file$/)
  const open = yield* file.run(Information.queryFile("FileNetworkOpenInformation"))
  assert.strictEqual(open.endOfFile, 5000n)
  yield* file.run(Information.setFile("FileAllocationInformation", { allocationSize: 1000n }))
  assert.strictEqual(statSync(disk("file")).size, 1000)
  const full = yield* file.run(Information.queryFileSystem("FileFsFullSizeInformation"))
  assert.isAbove(Number(full.totalAllocationUnits), 0)
  const kind = yield* file.run(Information.queryFileSystem("FileFsAttributeInformation"))
  assert.strictEqual(kind.fileSystemName, "NTFS")
  const unknown = {
    ...Information.queryFile("FileStandardInformation"),
    information: { _tag: "File" as const, fileInformationClass: 99 }
  }
  assert.strictEqual(yield* refused(file.run(unknown)), "InvalidInfoClass")
})

const shares = Effect.fnUntraced(function*({ base, clientArgs, server, share, smb }: Spot) {
  const direct = yield* smb.shares(`\\\\${server.address}`)
  const names = direct.map(({ name }) => name)
  assert.include(names, share)
  assert.include(names, "IPC$")
  const ipc = direct.find(({ name }) => name === "IPC$")
  assert.strictEqual(ipc?.type, "ipc")
  assert.isTrue(ipc?.special)
  const { stdout } = yield* Effect.promise(() =>
    execute("smbclient", [
      "-g",
      "-L",
      server.address,
      "-U",
      `${user.name}%${user.password}`,
      "-s",
      "/dev/null",
      ...(clientArgs ?? [])
    ])
  )
  const foreign = stdout.split("\n").flatMap((line) => /^(?:Disk|IPC)\|([^|]*)\|/.exec(line)?.[1] ?? [])
  assert.deepStrictEqual([...names].toSorted(), foreign.toSorted())
  assert.isAbove((yield* smb.shares(base)).length, 1)
})

/** All checks of this module. */
export const all: ReadonlyArray<Check> = [
  { name: "streams", run: streams },
  { name: "security", run: security },
  { name: "previous-versions", run: previousVersions },
  { name: "extended-attributes", run: extendedAttributes },
  { name: "information", run: information },
  { name: "shares", run: shares }
]

/** The checks whose bytes differ between dialects, signatures and ciphers. */
export const few: ReadonlyArray<Check> = [
  { name: "previous-versions", run: previousVersions },
  { name: "extended-attributes", run: extendedAttributes },
  { name: "information", run: information }
]
