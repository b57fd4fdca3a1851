/**
 * Captures packets: dumpcap on the loopback interface for the length of a scope, and the analysis of tshark, which
 * knows nothing of this project.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, openSync } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { attempt, endAllWith, guard, type LabError, mustExecute, pause, serves, start } from "./Process.ts"
import { user } from "./Server.ts"

/** The keys of one session, with which tshark reads encrypted packets. */
export interface SessionKeys {
  readonly sessionId: bigint
  readonly sessionKey?: Uint8Array
  readonly clientToServerKey?: Uint8Array
  readonly serverToClientKey?: Uint8Array
}

/** A packet that tshark objects to. */
export interface Objection {
  readonly frame: number
  readonly summary: string
  readonly message: string
}

/** The analysis of a capture by tshark. */
export interface Analysis {
  readonly packets: number
  /** Malformed packets and expert errors. */
  readonly objections: ReadonlyArray<Objection>
  /** DFS referral requests, FSCTL_DFS_GET_REFERRALS and its EX form. */
  readonly referralRequests: number
}

/** A running capture. */
export interface Capture {
  readonly file: string
  /** Writes the last packets and ends the capture. The file stays until the scope closes. */
  readonly stop: Effect.Effect<void, LabError>
  /** Stops, and lets tshark analyse the capture. */
  readonly analyse: (options?: AnalyseOptions) => Effect.Effect<Analysis, LabError>
  /** Stops. Returns these fields of the packets that match a display filter, one row for each packet. */
  readonly fields: (
    filter: string,
    fields: ReadonlyArray<string>,
    options?: AnalyseOptions
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, LabError>
}

/** How tshark reads a capture. */
export interface AnalyseOptions {
  readonly keys?: ReadonlyArray<SessionKeys>
  /** Ports other than 445 on which SMB is spoken. */
  readonly ports?: ReadonlyArray<number>
}

const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? "\"\"" : Buffer.from(bytes).toString("hex"))

const preferences = (options: AnalyseOptions | undefined): ReadonlyArray<string> => [
  // With the password tshark derives the keys from the logon, and reads encrypted packets too.
  "-o",
  `ntlmssp.nt_password:${user.password}`,
  // With several processors the kernel can deliver packets in another order than they were sent.
  "-o",
  "tcp.reassemble_out_of_order:TRUE",
  ...(options?.ports ?? []).flatMap((port) => ["-d", `tcp.port==${port},nbss`]),
  ...(options?.keys ?? []).flatMap((keys) => {
    const id = Buffer.alloc(8)
    id.writeBigUInt64LE(keys.sessionId)
    const columns = [hex(id), hex(keys.sessionKey), hex(keys.serverToClientKey), hex(keys.clientToServerKey)]
    return ["-o", `uat:smb2_seskey_list:${columns.join(",")}`]
  })
]

const separator = "\t"

const tshark = async (file: string, filter: string, fields: ReadonlyArray<string>, options?: AnalyseOptions) => {
  const { stdout } = await mustExecute("tshark", [
    "-n",
    "-r",
    file,
    ...preferences(options),
    "-Y",
    filter,
    "-T",
    "fields",
    "-E",
    "occurrence=a",
    "-E",
    "aggregator=,",
    ...fields.flatMap((field) => ["-e", field])
  ], { timeout: 300_000 })
  return stdout.split("\n").filter((line) => line !== "").map((line) => line.split(separator))
}

/** Severity "Error" of tshark's expert information. Its warnings are normal for TCP. */
const error = 0x0080_0000

const referralFunctions: ReadonlySet<number> = new Set([
  Fsctl.FSCTL_DFS_GET_REFERRALS,
  Fsctl.FSCTL_DFS_GET_REFERRALS_EX
])

const numbers = (column: string | undefined): ReadonlyArray<number> =>
  column === undefined || column === "" ? [] : column.split(",").map(Number)

/** Lets tshark analyse a capture file, in one pass. */
export const analyse = (file: string, options?: AnalyseOptions): Effect.Effect<Analysis, LabError> =>
  attempt(async () => {
    const frames = await tshark(file, "frame", [
      "frame.number",
      "smb2.flags.response",
      "smb2.ioctl.function",
      "_ws.expert.severity",
      "_ws.malformed",
      "_ws.col.Info",
      "_ws.expert.message",
      "smb.mid",
      "smb.response_to"
    ], options)
    const together = new Set(frames.filter(([, , , , , , , mids]) => numbers(mids).length > 1).map(([frame]) => frame))
    /**
     * tshark knows the parts of an SMB 1 response by the frame of its request. Two requests in one frame have one such
     * number, so it mixes their responses.
     */
    const isMixed = ([, , , , , , message, , requests]: ReadonlyArray<string>) =>
      message === "New fragment overlaps old data (retransmission?)" &&
      numbers(requests).some((request) => together.has(String(request)))
    const objections = frames.filter((frame) => {
      const [, , , severity, malformed] = frame
      return (malformed !== undefined && malformed !== "" || numbers(severity).some((one) => one >= error)) &&
        !isMixed(frame)
    })
    const requests = frames.filter(([, response]) => /^(?:0|False)/.test(response ?? ""))
    return {
      packets: frames.length,
      objections: objections.map(([frame, , , , malformed, summary, message]) => ({
        frame: Number(frame),
        summary: summary ?? "",
        message: message || (malformed ?? "")
      })),
      referralRequests: requests.flatMap(([, , called]) => numbers(called)).filter((one) => referralFunctions.has(one))
        .length
    }
  })

/** Captures the packets of these addresses for the length of the scope. Default port: 445. */
export const capture = (options: {
  readonly addresses: ReadonlyArray<string>
  readonly ports?: ReadonlyArray<number>
}): Effect.Effect<Capture, LabError, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      attempt(() => mkdtemp(join(tmpdir(), "smb-capture-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    yield* Effect.acquireRelease(Effect.sync(() => guard(folder)), (callOff) => Effect.sync(callOff))
    const file = join(folder, "capture.pcapng")
    const log = join(folder, "log")
    const ports = (options.ports ?? [445]).map((port) => `tcp port ${port}`).join(" or ")
    const hosts = options.addresses.map((address) => `host ${address}`).join(" or ")
    let running = false
    const stop = attempt(async () => {
      if (!running) return
      running = false
      // The kernel delivers packets in blocks, the last block after a timeout.
      await pause(400)
      await endAllWith(file)
    })
    yield* Effect.acquireRelease(
      attempt(async () => {
        const output = openSync(log, "a")
        const child = start(
          "dumpcap",
          ["-q", "-i", "lo", "-B", "64", "-f", `(${ports}) and (${hosts})`, "-w", file],
          output
        )
        closeSync(output)
        let ended: string | undefined
        child.on("error", (error) => {
          ended = error.message
        })
        child.on("exit", (code) => {
          ended = `exit code ${code}`
        })
        child.unref()
        running = true
        for (let round = 0; round < 500; round++) {
          const said = await readFile(log, "utf8")
          if (/^File: /m.test(said)) return
          if (ended !== undefined) throw new Error(`dumpcap: ${ended}\n${said}`)
          await pause(20)
        }
        throw new Error(`dumpcap does not start:\n${await readFile(log, "utf8")}`)
      }),
      () => Effect.orDie(stop)
    )
    // The first packet shows that the capture has begun. Without it the capture could miss an early request.
    const [first] = options.addresses
    if (first !== undefined) yield* attempt(() => serves(first, options.ports?.[0] ?? 445))
    return {
      file,
      stop,
      analyse: (how) => stop.pipe(Effect.andThen(analyse(file, { ...portsOf(options.ports), ...how }))),
      fields: (filter, fields, how) =>
        stop.pipe(
          Effect.andThen(attempt(() => tshark(file, filter, fields, { ...portsOf(options.ports), ...how })))
        )
    }
  })

const portsOf = (ports: ReadonlyArray<number> | undefined): AnalyseOptions => (ports === undefined ? {} : { ports })
