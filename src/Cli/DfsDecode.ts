/**
 * `effect-smb dfs decode`: a referral request or response, explained field by field.
 *
 * The codec of `Dfs` decodes the message. This module finds out which message it is, if the user does not say so, and
 * describes it in words.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Malformed } from "../Codec/Malformed.ts"
import * as Requests from "../Dfs/ReferralRequest.ts"
import * as Responses from "../Dfs/ReferralResponse.ts"
import type { Unsupported } from "../Protocol/DfsError.ts"
import { LocalError } from "../Transfer/LocalError.ts"
import { printable, UsageError } from "./Failure.ts"
import * as Output from "./Output.ts"

/** The messages of MS-DFSC 2.2, with their names on the command line. */
export const kinds = ["request", "request-ex", "response"] as const
export type Kind = typeof kinds[number]

const structures: Record<Kind, string> = {
  "request": "REQ_GET_DFS_REFERRAL",
  "request-ex": "REQ_GET_DFS_REFERRAL_EX",
  "response": "RESP_GET_DFS_REFERRAL"
}

/** The backslash at the start of a name. */
const backslash = 0x5c

/**
 * Guesses which message the bytes are. A request begins with a referral level of 1 to 4; at the same place a response
 * has a PathConsumed that is at least as long as `\a\b`, or 0.
 */
export const guess = (bytes: Uint8Array): Kind => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const u16 = (at: number): number => at + 2 <= bytes.length ? view.getUint16(at, true) : -1
  if (u16(0) < 1 || u16(0) > 4) return "response"
  if (u16(2) === backslash || (u16(2) === 0 && bytes.length < 8)) return "request"
  if (u16(2) <= 1 && bytes.length >= 10) {
    const data = view.getUint32(4, true)
    if (u16(10) === backslash || (u16(10) <= 0 && data >= u16(8) + 2)) return "request-ex"
  }
  return "response"
}

const hexadecimal = /^(?:0x)?((?:[0-9a-f]{2})*)$/i

/** The bytes of hexadecimal digits, with or without spaces, colons and a leading 0x. */
export const fromHex = (text: string): Uint8Array | undefined => {
  const digits = hexadecimal.exec(text.replace(/[\s:]/g, ""))?.[1]
  return digits === undefined ? undefined : new Uint8Array(Buffer.from(digits, "hex"))
}

/**
 * No referral message consists only of digits, so digits on standard input are hexadecimal, and anything else is bytes.
 */
const fromInput = (bytes: Uint8Array): Uint8Array => {
  const text = Buffer.from(bytes).toString("latin1")
  return (/^[\s:0-9a-fx]+$/i.test(text) ? fromHex(text) : undefined) ?? bytes
}

/** The most input, in bytes. Responses have at most 56 KiB, so this is generous. */
const longest = 1024 * 1024

const readInput: Effect.Effect<Uint8Array, LocalError> = Effect.tryPromise({
  try: async () => {
    const chunks: Array<Uint8Array> = []
    let length = 0
    for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
      length += chunk.length
      if (length > longest) throw new Error(`more than ${longest} bytes, which is no referral`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  },
  catch: (error) =>
    new LocalError({ path: "standard input", detail: error instanceof Error ? error.message : "unreadable" })
})

type Row = readonly [place: number | undefined, field: string, value: string]

const flagNames = (value: number, known: Readonly<Record<string, number>>): string => {
  const names = Object.entries(known).flatMap(([name, bit]) => (value & bit) === 0 ? [] : [name])
  const hex = `0x${value.toString(16)}`
  return names.length === 0 ? hex : `${hex} (${names.join(", ")})`
}

const quoted = (text: string | undefined): string => text === undefined ? "(absent)" : text === "" ? "(empty)" : text

const requestRows = (value: Requests.ReferralRequest): ReadonlyArray<Row> => [
  [0, "MaxReferralLevel", `${value.maxReferralLevel}: referrals up to this version are understood`],
  [2, "RequestFileName", value.requestFileName === "" ? "(empty): which domains are there?" : value.requestFileName]
]

/** The fields of an extended request, also those that the codec checks and does not keep. */
const extended = (bytes: Uint8Array, value: Requests.ReferralRequestEx) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { maxReferralLevel, requestFileName, siteName } = value
  const requestFileNameLength = view.getUint16(8, true)
  return {
    maxReferralLevel,
    requestFlags: view.getUint16(2, true),
    requestDataLength: view.getUint32(4, true),
    requestFileNameLength,
    requestFileName,
    ...(siteName === undefined
      ? {}
      : { siteNameLength: view.getUint16(10 + requestFileNameLength, true), siteName })
  }
}

const requestExRows = (value: ReturnType<typeof extended>): ReadonlyArray<Row> => [
  [0, "MaxReferralLevel", `${value.maxReferralLevel}: referrals up to this version are understood`],
  [2, "RequestFlags", flagNames(value.requestFlags, Requests.RequestFlags)],
  [4, "RequestDataLength", `${value.requestDataLength} bytes`],
  [8, "RequestFileNameLength", `${value.requestFileNameLength} bytes`],
  [10, "RequestFileName", quoted(value.requestFileName)],
  ...(value.siteNameLength === undefined ? [[undefined, "SiteName", quoted(undefined)] as const] : [
    [10 + value.requestFileNameLength, "SiteNameLength", `${value.siteNameLength} bytes`] as const,
    [10 + value.requestFileNameLength + 2, "SiteName", quoted(value.siteName)] as const
  ])
]

const serverTypes: Readonly<Record<number, string>> = { 0: "a link's target", 1: "a root's target" }

const entryRows = (entry: Responses.ReferralEntry, start: number): ReadonlyArray<Row> => {
  const common: ReadonlyArray<Row> = [
    [start, "  VersionNumber", String(entry.versionNumber)],
    [start + 2, "  Size", `${entry.size} bytes`],
    [
      start + 4,
      "  ServerType",
      `${entry.serverType} (${
        Responses.isNameList(entry) ? "without meaning in a name list" : serverTypes[entry.serverType] ?? "unknown"
      })`
    ],
    [start + 6, "  ReferralEntryFlags", flagNames(entry.referralEntryFlags, Responses.ReferralEntryFlags)]
  ]
  if (entry.versionNumber === 1) return [...common, [start + 8, "  ShareName", quoted(entry.shareName)]]
  const at = entry.versionNumber === 2 ? start + 12 : start + 8
  const time: Row = [at, "  TimeToLive", `${entry.timeToLive} s`]
  if (Responses.isNameList(entry)) {
    return [
      ...common,
      time,
      [at + 4, "  SpecialName", quoted(entry.specialName)],
      [at + 6, "  NumberOfExpandedNames", String(entry.expandedNames.length)],
      ...entry.expandedNames.map((name): Row => [undefined, "  ExpandedName", quoted(name)])
    ]
  }
  return [
    ...common,
    ...(entry.versionNumber === 2 ? [[start + 8, "  Proximity", String(entry.proximity)] as const] : []),
    time,
    [at + 4, "  DFSPath", quoted(entry.dfsPath)],
    [at + 6, "  DFSAlternatePath", quoted(entry.dfsAlternatePath)],
    [at + 8, "  NetworkAddress", quoted(entry.networkAddress)]
  ]
}

const responseRows = (value: Responses.ReferralResponse): ReadonlyArray<Row> => {
  let start = 8
  return [
    [0, "PathConsumed", `${value.pathConsumed} bytes, ${value.pathConsumed / 2} characters of the path that was asked`],
    [2, "NumberOfReferrals", String(value.numberOfReferrals)],
    [4, "ReferralHeaderFlags", flagNames(value.referralHeaderFlags, Responses.ReferralHeaderFlags)],
    ...value.referralEntries.flatMap((entry, index) => {
      const rows: ReadonlyArray<Row> = [[start, `Referral ${index + 1}`, ""], ...entryRows(entry, start)]
      start += entry.size
      return rows
    })
  ]
}

/** A message for JSON, with MS-DFSC's names, and as rows for a person. */
export interface Decoded {
  readonly fields: Readonly<Record<string, unknown>>
  readonly rows: ReadonlyArray<Row>
}

/** Decodes; fails as the codec does. */
export const decode = (kind: Kind, bytes: Uint8Array): Result.Result<Decoded, Malformed | Unsupported> => {
  switch (kind) {
    case "request":
      return Result.map(Requests.decodeReferralRequest(bytes), (value) => ({ fields: value, rows: requestRows(value) }))
    case "request-ex":
      return Result.map(Requests.decodeReferralRequestEx(bytes), (found) => {
        const value = extended(bytes, found)
        return { fields: value, rows: requestExRows(value) }
      })
    case "response":
      return Result.map(
        Responses.decodeReferralResponse(bytes),
        (value) => ({ fields: value, rows: responseRows(value) })
      )
  }
}

const width = 25

/** Offsets in bytes on the left, names in the middle. */
const text = (rows: ReadonlyArray<Row>): string =>
  rows.map(([place, field, value]) =>
    `${(place === undefined ? "" : String(place)).padStart(5)}  ${`${field}:`.padEnd(width)}${printable(value)}`
      .trimEnd()
  ).join("\n")

/** Prints the fields of the message. `words` are the arguments: a kind, hexadecimal digits, both or neither. */
export const explain = Effect.fnUntraced(function*(words: ReadonlyArray<string>, options: { readonly json: boolean }) {
  const named = kinds.find((kind) => kind === words[0])
  const rest = named === undefined ? words : words.slice(1)
  const given = rest.length === 0 ? fromInput(yield* readInput) : fromHex(rest.join(""))
  if (given === undefined) {
    return yield* new UsageError({
      detail: `${JSON.stringify(printable(rest.join(" ")).slice(0, 40))} is none of ${kinds.join(", ")}, ` +
        "and no even number of hexadecimal digits"
    })
  }
  const kind = named ?? guess(given)
  const found = decode(kind, given)
  if (Result.isFailure(found)) {
    const { failure } = found
    // For a person the message also has the error's name; in JSON the name has its own field.
    return yield* Effect.fail(
      options.json ? failure : { _tag: failure._tag, message: `${failure._tag}: ${failure.message}` }
    )
  }
  const { fields, rows } = found.success
  const structure = structures[kind]
  yield* Output.write(
    options.json
      ? Output.jsonLine(named === undefined ? { structure, ...fields } : fields)
      : `${structure}, ${given.length} bytes${named === undefined ? `: it looks like a ${kind}` : ""}\n${text(rows)}\n`
  )
})
