/** The structures of MS-FSCC and MS-DTYP: information classes, listings, notifications, reparse points, descriptors. */
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as DirectoryInformation from "../../../src/Codec/DirectoryInformation.ts"
import * as FileInformation from "../../../src/Codec/FileInformation.ts"
import * as FileSystemInformation from "../../../src/Codec/FileSystemInformation.ts"
import * as NotifyInformation from "../../../src/Codec/NotifyInformation.ts"
import * as Reparse from "../../../src/Codec/Reparse.ts"
import * as Sddl from "../../../src/Codec/Sddl.ts"
import * as Security from "../../../src/Codec/SecurityDescriptor.ts"
import { codec, family, holds, isStable, type Member, text, words } from "../Promises.ts"

const fixture = <A>(name: string): A =>
  JSON.parse(readFileSync(new URL(`../../Codec/fixtures/${name}`, import.meta.url), "utf8")) as A

const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

const { samples: information } = fixture<{
  readonly samples: ReadonlyArray<{ readonly kind: string; readonly number: number; readonly bytes: string }>
}>("information.json")

export const { samples: descriptors } = fixture<{
  readonly samples: ReadonlyArray<{ readonly bytes: string; readonly sddl?: string }>
}>("security.json")

const classes = (
  kind: string,
  all: Readonly<Record<string, { readonly number: number; readonly codec: Codec.Codec<any> }>>
): ReadonlyArray<Member> =>
  Object.entries(all).map(([name, one]) =>
    codec(
      name,
      one.codec,
      information.filter((sample) => sample.kind === kind && sample.number === one.number).map(({ bytes }) =>
        hex(bytes)
      )
    )
  )

const recorded = descriptors.map(({ bytes }) => hex(bytes))

/** A descriptor that can be written as SDDL means the same when that text is read. */
const asText: Member = {
  name: "security descriptor as SDDL",
  run: (input) => {
    const decoded = Codec.decode("security descriptor", Security.SecurityDescriptor)(input)
    if (Result.isFailure(decoded)) return
    const written = Sddl.toSddl(decoded.success)
    if (written === undefined) return
    const read = Sddl.fromSddl(written)
    holds(Result.isSuccess(read), `what was written as SDDL is refused: ${written}`)
    const again = Sddl.toSddl(read.success)
    holds(again === written, `SDDL changes when it is read: ${written} to ${String(again)}`)
  },
  seeds: recorded
}

export const informationClasses = family("information", [
  ...classes("file", FileInformation.classes),
  ...classes("filesystem", FileSystemInformation.classes),
  ...classes("directory", DirectoryInformation.classes),
  codec("FileGetEaInformation", FileInformation.FileGetEaInformation),
  codec("FileNotifyInformation", NotifyInformation.FileNotifyInformations),
  codec("REPARSE_DATA_BUFFER", Reparse.ReparseDataBuffer, [
    hex("0c0000a01c000000060006000000060000000000610062006300610062006300"),
    hex("030000a01400000000000600080006006100620063000000610062006300"),
    hex("140000801000000000000000000000006100620063006400")
  ])
])

export const security = family("security", [
  codec("SECURITY_DESCRIPTOR", Security.SecurityDescriptor, recorded),
  codec("ACL", Security.Acl, recorded.map((bytes) => bytes.subarray(20))),
  codec("ACE", Security.Ace, recorded.map((bytes) => bytes.subarray(28))),
  codec("SID", Security.Sid, [hex("01020000000000052000000020020000")]),
  asText
])

const sddlSeeds = [
  ...descriptors.flatMap(({ sddl }) => sddl === undefined ? [] : [sddl]),
  "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(D;;GW;;;WD)S:(AU;SAFA;GA;;;WD)",
  "D:(A;;0x1200a9;;;S-1-5-21-1-2-3-1000)(OA;;RP;bf967a86-0de6-11d0-a285-00aa003049e2;;AU)",
  "D:(XA;;FR;;;WD;(@User.Title == \"VP\" && Member_of {SID(BA)}))S:(ML;;NW;;;HI)(RA;;;;;WD;(\"A\",TS,0,\"b\"))"
]

const domains: Sddl.Domains = { domain: "S-1-5-21-1-2-3", rootDomain: "S-1-5-21-1-2-3", machine: "S-1-5-21-4-5-6" }

/** SDDL that can be read can be written, and then stays the same. */
const sddlText = text("SDDL", (sddl) => {
  const units = Buffer.from(sddl, "utf16le")
  const read = isStable(new Uint8Array(units), () => Sddl.fromSddl(sddl, domains))
  if (read === undefined) return
  const written = Sddl.toSddl(read, domains)
  if (written === undefined) return
  const again = Sddl.fromSddl(written, domains)
  holds(Result.isSuccess(again), `what was written as SDDL is refused: ${written}`)
  const twice = Sddl.toSddl(again.success, domains)
  holds(twice === written, `SDDL changes when it is read: ${written} to ${String(twice)}`)
  const bytes = Codec.encode(Security.SecurityDescriptor)(again.success)
  holds(
    Result.isSuccess(Codec.decode("security descriptor", Security.SecurityDescriptor)(bytes)),
    `a descriptor from SDDL cannot be decoded: ${written}`
  )
}, sddlSeeds)

export const sddl = family("sddl", [sddlText], {
  most: 2048,
  words: words(
    "O:",
    "G:",
    "D:",
    "S:",
    "P",
    "AI",
    "AR",
    "(A;",
    "(D;",
    "(OA;",
    "(XA;",
    "(AU;",
    "(ML;",
    ";;;",
    ")",
    "OICI",
    "FA",
    "0x",
    "S-1-5-",
    "S-1-16-",
    "BA",
    "WD",
    "LA",
    "DA",
    "NO_ACCESS_CONTROL",
    "4294967295",
    "IOID",
    "CR"
  )
})
