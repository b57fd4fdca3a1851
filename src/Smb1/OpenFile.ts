/**
 * One open file of SMB 1, for the requests on it: its tree, its FID, its name, and its failures.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus, type RequestError, type SmbError } from "../Protocol/Errors.ts"
import { Capabilities, Flags2, SetFileLevel, SMB_INFO_PASSTHROUGH, Trans2Subcommand } from "./Message/Constants.ts"
import * as Trans2 from "./Message/Trans2.ts"
import * as TreeRequests from "./TreeRequests.ts"

/**
 * The facts about an open that its operations need.
 *
 * @since 0.1.0
 */
export interface Target {
  readonly fid: number
  /** Below the share. */
  readonly path: string
  readonly name: TreeRequests.WireName
  readonly isDirectory: boolean
}

/**
 * A request on an open.
 *
 * @since 0.1.0
 */
export type Running<A> = Effect.Effect<A, RequestError>

/** Statuses of a server that does not know the request, and has done nothing. */
const unknown: ReadonlySet<number> = new Set([
  NtStatus.STATUS_NOT_SUPPORTED,
  NtStatus.STATUS_NOT_IMPLEMENTED,
  NtStatus.STATUS_INVALID_INFO_CLASS,
  NtStatus.STATUS_INVALID_LEVEL,
  NtStatus.STATUS_OS2_INVALID_LEVEL,
  NtStatus.STATUS_SMB_BAD_COMMAND
])

/**
 * Whether a server says that it does not know the request: an older way may work then.
 *
 * @since 0.1.0
 */
export const isUnknown = (status: number): boolean => unknown.has(status)

/**
 * Statuses that refuse a class that is passed through, although the server announces that it passes them: it does not
 * know the class, or reads its structure differently from SMB 1.
 */
const isRefused = (status: number): boolean => isUnknown(status) || status === NtStatus.STATUS_INVALID_PARAMETER

/**
 * Whether a failure is a server's refusal of a class that is passed through. The server has done nothing.
 *
 * @since 0.1.0
 */
export const refusesPassing = (error: SmbError): boolean => isRefused(error.status) && classed.has(error.command)

/**
 * The commands that carry a class of MS-FSCC, by their names in failures.
 *
 * @since 0.1.0
 */
export type Classed = "QUERY_FILE_INFORMATION" | "QUERY_FS_INFORMATION" | "SET_FILE_INFORMATION" | "SET_FS_INFORMATION"

const classed: ReadonlySet<string> = new Set<Classed>([
  "QUERY_FILE_INFORMATION",
  "QUERY_FS_INFORMATION",
  "SET_FILE_INFORMATION",
  "SET_FS_INFORMATION"
])

/**
 * One open file.
 *
 * @category models
 * @since 0.1.0
 */
export class OpenFile {
  readonly tree: TreeRequests.Tree
  /** The current open: a rename may have closed the file and opened it again. */
  target: Target
  /** Closed by its owner, or earlier because the file was deleted by name. Its FID may belong to another open. */
  gone = false

  constructor(tree: TreeRequests.Tree, target: Target) {
    this.tree = tree
    this.target = target
  }

  get fid(): number {
    return this.target.fid
  }

  /**
   * Whether the server passes a class of MS-FSCC through unchanged: it announces that it does, and has not refused this
   * class on this connection.
   */
  passes(command: Classed, number: number): boolean {
    const { negotiated, unpassed } = this.tree.session
    return (negotiated.capabilities & Capabilities.CAP_INFOLEVEL_PASSTHRU) !== 0 &&
      !unpassed.has(`${command} ${number}`)
  }

  /** From now on, uses SMB 1's own ways for a class. */
  passNoMore(command: Classed, number: number): void {
    this.tree.session.unpassed.add(`${command} ${number}`)
  }

  /**
   * A class that is passed through, or the older way if the server refuses that. If the older way works, it is used at
   * once for the rest of the connection.
   */
  passed<A>(command: Classed, number: number, run: (level: number) => Running<A>, older: Running<A>): Running<A> {
    if (!this.passes(command, number)) return older
    return Effect.catchTag(run(SMB_INFO_PASSTHROUGH + number), "SmbError", (error) => {
      if (!isRefused(error.status)) return Effect.fail(error)
      return older.pipe(
        Effect.tap(Effect.sync(() => this.passNoMore(command, number))),
        // If the server knows neither way, it lacks the class, or the request is wrong: the first error stands.
        Effect.catchTag("SmbError", (other) => Effect.fail(isRefused(other.status) ? error : other))
      )
    })
  }

  /** A class at its level: passed through, or one of SMB 1's own levels, if there is one. */
  atLevel<A>(
    command: Classed,
    number: number,
    own: { readonly [number: number]: number },
    run: (level: number) => Running<A>
  ): Running<A> {
    const level = own[number]
    return this.passed(
      command,
      number,
      run,
      level === undefined ? this.failed(NtStatus.STATUS_INVALID_INFO_CLASS, command) : run(level)
    )
  }

  failed(status: number, command: string): Effect.Effect<never, SmbError> {
    return Effect.fail(fromStatus(status, command, this.tree.full(this.target.path)))
  }

  /** A request whose response has only a status. It changes something unless `options` say otherwise. */
  simple(
    command: number,
    body: Uint8Array,
    name: string,
    { flags2 = 0, mutates = true }: { readonly flags2?: number; readonly mutates?: boolean } = {}
  ): Running<void> {
    return Effect.flatMap(
      this.tree.request({ command, body, flags2, mutates, fid: this.target.fid }),
      ({ header }) => header.status === 0 ? Effect.void : this.failed(header.status, name)
    )
  }

  /** The data of a transaction that must succeed. If the server does not know the level, it lacks the class. */
  answered(answer: Running<TreeRequests.Answer>, command: string): Running<Uint8Array> {
    return Effect.flatMap(answer, ({ data, status }) =>
      status === 0
        ? Effect.succeed(data)
        : this.failed(status === NtStatus.STATUS_INVALID_LEVEL ? NtStatus.STATUS_INVALID_INFO_CLASS : status, command))
  }

  /** Sets a class from its structure. */
  setFile(number: number, data: Uint8Array): Running<void> {
    return this.atLevel("SET_FILE_INFORMATION", number, SetFileLevel, (level) => this.setLevel(level, data))
  }

  /**
   * Sets a class that holds a name, passed through. The name in such a class is in UTF-16, also in a packet whose text
   * is not. Windows reads it so; smbd reads the name as the flags of its packet say, and checks these flags in each
   * packet.
   */
  setName(number: number, data: Uint8Array): Running<void> {
    return this.setLevel(SMB_INFO_PASSTHROUGH + number, data, Flags2.SMB_FLAGS2_UNICODE)
  }

  /** Sets a level from its structure. */
  setLevel(level: number, data: Uint8Array, flags2 = 0): Running<void> {
    return Effect.asVoid(this.answered(
      // Suspended, so that it uses the open at the time when it runs.
      Effect.suspend(() =>
        this.tree.trans2(Trans2Subcommand.TRANS2_SET_FILE_INFORMATION, {
          parameters: TreeRequests.encode(Trans2.SetFileInformationRequest, {
            fid: this.target.fid,
            informationLevel: level
          }),
          data
        }, { mutates: true, flags2 })
      ),
      "SET_FILE_INFORMATION"
    ))
  }
}
