/**
 * One open file of SMB 1, as the requests on it have it: its tree, its FID, its name, and how they fail.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fromStatus, type RequestError, type SmbError } from "../Protocol/Errors.ts"
import type * as Requests from "./Requests.ts"

/** What the operations of one open need to know of it. */
export interface Target {
  readonly fid: number
  /** Below the share. */
  readonly path: string
  readonly name: Requests.WireName
}

/** A request on an open, under way. */
export type Running<A> = Effect.Effect<A, RequestError>

/**
 * One open file.
 *
 * @category models
 */
export class OpenFile {
  readonly tree: Requests.Tree
  /** The open as it is now: a rename may have opened the file anew. */
  target: Target

  constructor(tree: Requests.Tree, target: Target) {
    this.tree = tree
    this.target = target
  }

  get fid(): number {
    return this.target.fid
  }

  failed(status: number, command: string): Effect.Effect<never, SmbError> {
    return Effect.fail(fromStatus(status, command, this.tree.full(this.target.path)))
  }

  simple(command: number, body: Uint8Array, name: string, flags2 = 0): Running<void> {
    return Effect.flatMap(
      this.tree.request({ command, body, flags2 }),
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
}
