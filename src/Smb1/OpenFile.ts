/**
 * One open file of SMB 1, as the requests on it have it: its tree, its FID, its name, and how they fail.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus, type RequestError, type SmbError } from "../Protocol/Errors.ts"
import { Capabilities, Flags2, SetFileLevel, SMB_INFO_PASSTHROUGH, Trans2Subcommand } from "./Message/Constants.ts"
import * as Trans2 from "./Message/Trans2.ts"
import * as Requests from "./Requests.ts"

/** What the operations of one open need to know of it. */
export interface Target {
  readonly fid: number
  /** Below the share. */
  readonly path: string
  readonly name: Requests.WireName
  readonly isDirectory: boolean
}

/** A request on an open, under way. */
export type Running<A> = Effect.Effect<A, RequestError>

/** Statuses of a server that does not know what it is asked for, and has done nothing. */
const unknown: ReadonlySet<number> = new Set([
  NtStatus.STATUS_NOT_SUPPORTED,
  NtStatus.STATUS_NOT_IMPLEMENTED,
  NtStatus.STATUS_INVALID_INFO_CLASS,
  NtStatus.STATUS_INVALID_LEVEL,
  NtStatus.STATUS_OS2_INVALID_LEVEL,
  NtStatus.STATUS_SMB_BAD_COMMAND
])

/** Whether a server says that it does not know what it is asked for: then there may be an older way. */
export const isUnknown = (status: number): boolean => unknown.has(status)

/** The classes of MS-FSCC that hold a name: FileRenameInformation and FileLinkInformation. */
const named: ReadonlySet<number> = new Set([10, 11])

/**
 * One open file.
 *
 * @category models
 */
export class OpenFile {
  readonly tree: Requests.Tree
  /** The open as it is now: a rename may have opened the file anew. */
  target: Target
  /** Closed by its owner, or ahead of him: what it was opened on has been deleted by name. Its FID may be another's. */
  gone = false

  constructor(tree: Requests.Tree, target: Target) {
    this.tree = tree
    this.target = target
  }

  get fid(): number {
    return this.target.fid
  }

  /** Whether the server passes the classes of MS-FSCC through as they are. */
  get passes(): boolean {
    return (this.tree.session.negotiated.capabilities & Capabilities.CAP_INFOLEVEL_PASSTHRU) !== 0
  }

  /** The level of a class: passed through, or one of SMB 1's own. */
  level(number: number, own: { readonly [number: number]: number }): number | undefined {
    return this.passes ? SMB_INFO_PASSTHROUGH + number : own[number]
  }

  failed(status: number, command: string): Effect.Effect<never, SmbError> {
    return Effect.fail(fromStatus(status, command, this.tree.full(this.target.path)))
  }

  /** A request that says nothing but how it went, and changes something unless `options` say otherwise. */
  simple(
    command: number,
    body: Uint8Array,
    name: string,
    { flags2 = 0, mutates = true }: { readonly flags2?: number; readonly mutates?: boolean } = {}
  ): Running<void> {
    return Effect.flatMap(
      this.tree.request({ command, body, flags2, mutates }),
      ({ header }) => header.status === 0 ? Effect.void : this.failed(header.status, name)
    )
  }

  /** The data of a transaction that must succeed. A level that the server does not know is a class that it lacks. */
  answered(answer: Running<Requests.Answer>, command: string): Running<Uint8Array> {
    return Effect.flatMap(answer, ({ data, status }) =>
      status === 0
        ? Effect.succeed(data)
        : this.failed(status === NtStatus.STATUS_INVALID_LEVEL ? NtStatus.STATUS_INVALID_INFO_CLASS : status, command))
  }

  /** Sets a class from its structure. */
  setFile(number: number, data: Uint8Array): Running<void> {
    const level = this.level(number, SetFileLevel)
    return level === undefined
      ? this.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "SET_FILE_INFORMATION")
      // A class has its names in UTF-16 whatever the packet's text is in. Windows passes it on as it is; smbd takes the
      // name for what the packet says of its text, and believes each packet by itself.
      : this.setLevel(level, data, named.has(number) ? Flags2.SMB_FLAGS2_UNICODE : 0)
  }

  /** Sets a level from its structure. */
  setLevel(level: number, data: Uint8Array, flags2 = 0): Running<void> {
    return Effect.asVoid(this.answered(
      // The open as it is when this runs.
      Effect.suspend(() =>
        this.tree.trans2(Trans2Subcommand.TRANS2_SET_FILE_INFORMATION, {
          parameters: Requests.encode(Trans2.SetFileInformationRequest, {
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
