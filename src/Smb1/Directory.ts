/**
 * Listing a directory: a search by its name, FIND_FIRST2, FIND_NEXT2 and FIND_CLOSE2 (MS-CIFS 2.2.6.2, 2.2.6.3,
 * 2.2.4.48). `Listing` decodes the responses.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type * as Operation from "../Protocol/Operation.ts"
import * as Listing from "./Listing.ts"
import { Command, everything, FindFlags, FindLevel, Trans2Subcommand } from "./Message/Constants.ts"
import * as Simple from "./Message/Simple.ts"
import * as Trans2 from "./Message/Trans2.ts"
import type { OpenFile, Running } from "./OpenFile.ts"
import * as TreeRequests from "./TreeRequests.ts"

const { encode } = TreeRequests

/** The most entries of one response. */
const searchCount = 1366

const decodeFirst = Codec.decode("SMB1 FIND_FIRST2 Response", Trans2.FindFirst2Response)
const decodeNext = Codec.decode("SMB1 FIND_NEXT2 Response", Trans2.FindNext2Response)

interface Search {
  readonly sid: number
  readonly lastName: string
  readonly ended: boolean
}

const isEnd = (status: number): boolean =>
  status === NtStatus.STATUS_NO_MORE_FILES || status === NtStatus.STATUS_NO_SUCH_FILE

/**
 * The listing of one open directory.
 *
 * @category models
 * @since 0.1.0
 */
export class Directory {
  private readonly file: OpenFile
  private search: Search | undefined

  constructor(file: OpenFile) {
    this.file = file
  }

  list(operation: Operation.QueryDirectory<unknown>): Running<ReadonlyArray<unknown>> {
    return Effect.suspend(() => {
      const level = FindLevel[operation.fileInformationClass]
      if (level === undefined) return this.file.failed(NtStatus.STATUS_INVALID_INFO_CLASS, "FIND_FIRST2")
      const { search } = this
      if (!operation.restart && search !== undefined) {
        return search.ended ? Effect.succeed([]) : this.findNext(operation, level, search)
      }
      // The server ends a complete search by itself; an unfinished one is ended here.
      const ended = search !== undefined && !search.ended ? this.endSearch(search.sid) : Effect.void
      this.search = undefined
      return Effect.andThen(ended, this.findFirst(operation, level))
    })
  }

  /**
   * Ends the search without waiting, if the caller no longer waits. The search does not belong to the open, and would
   * outlive it.
   */
  endSearchesLater(): void {
    const { search } = this
    this.search = undefined
    if (search !== undefined && !search.ended) this.endSearchLater(search.sid)
  }

  private endSearchLater(sid: number): void {
    const { tree } = this.file
    const body = encode(Simple.FindClose2, { searchHandle: sid })
    tree.connection.submit(tree.outgoing({ command: Command.SMB_COM_FIND_CLOSE2, body }), () => {})
  }

  private endSearch(sid: number): Running<void> {
    return Effect.ignore(
      this.file.simple(Command.SMB_COM_FIND_CLOSE2, encode(Simple.FindClose2, { searchHandle: sid }), "FIND_CLOSE2", {
        mutates: false
      })
    )
  }

  /** Ends an unfinished search. Run it before the open is closed. */
  readonly endSearches: Running<void> = Effect.suspend(() => {
    const { search } = this
    this.search = undefined
    return search === undefined || search.ended ? Effect.void : this.endSearch(search.sid)
  })

  private findFirst(
    operation: Operation.QueryDirectory<unknown>,
    level: number
  ): Running<ReadonlyArray<unknown>> {
    const { name, path } = this.file.target
    if (!this.file.tree.canSay(operation.pattern)) {
      return this.file.failed(NtStatus.STATUS_OBJECT_NAME_INVALID, "FIND_FIRST2")
    }
    const pattern = TreeRequests.renamed(name, path, path === "" ? operation.pattern : `${path}\\${operation.pattern}`)
    return Effect.flatMap(
      this.file.tree.trans2(
        Trans2Subcommand.TRANS2_FIND_FIRST2,
        {
          parameters: encode(Trans2.FindFirst2Request(this.file.tree.unicode), {
            searchAttributes: everything,
            searchCount,
            flags: FindFlags.SMB_FIND_CLOSE_AT_EOS,
            informationLevel: level,
            fileName: pattern.text
          }),
          maxDataCount: operation.maximum
        },
        {
          flags2: name.flags2,
          orphan: ({ parameters }) => {
            const found = decodeFirst(parameters)
            if (Result.isSuccess(found) && found.success.endOfSearch === 0) this.endSearchLater(found.success.sid)
          }
        }
      ),
      (answer): Running<ReadonlyArray<unknown>> => {
        if (isEnd(answer.status)) return Effect.succeed([])
        if (answer.status !== 0) return this.file.failed(answer.status, "FIND_FIRST2")
        return Effect.flatMap(
          Effect.fromResult(decodeFirst(answer.parameters)),
          (found) => this.found(operation, answer.data, found, found.sid)
        )
      }
    )
  }

  private findNext(
    operation: Operation.QueryDirectory<unknown>,
    level: number,
    { lastName, sid }: Search
  ): Running<ReadonlyArray<unknown>> {
    return Effect.flatMap(
      this.file.tree.trans2(Trans2Subcommand.TRANS2_FIND_NEXT2, {
        parameters: encode(Trans2.FindNext2Request(this.file.tree.unicode), {
          sid,
          searchCount,
          informationLevel: level,
          resumeKey: 0,
          flags: FindFlags.SMB_FIND_CLOSE_AT_EOS | FindFlags.SMB_FIND_CONTINUE_FROM_LAST,
          fileName: lastName
        }),
        maxDataCount: operation.maximum
      }, { flags2: this.file.target.name.flags2 }),
      (answer): Running<ReadonlyArray<unknown>> => {
        if (isEnd(answer.status)) {
          this.search = { sid, lastName, ended: true }
          return Effect.succeed([])
        }
        if (answer.status !== 0) return this.file.failed(answer.status, "FIND_NEXT2")
        return Effect.flatMap(
          Effect.fromResult(decodeNext(answer.parameters)),
          (found) => this.found(operation, answer.data, found, sid)
        )
      }
    )
  }

  private found(
    operation: Operation.QueryDirectory<unknown>,
    data: Uint8Array,
    found: { readonly searchCount: number; readonly endOfSearch: number },
    sid: number
  ): Running<ReadonlyArray<unknown>> {
    return Effect.flatMap(
      Effect.fromResult(
        Listing.read(operation.fileInformationClass, data, found.searchCount, this.file.tree.unicode)
      ),
      ({ bytes, lastName }): Running<ReadonlyArray<unknown>> => {
        // A response without an entry ends the search, no matter what it says: a search must not go on forever.
        this.search = { sid, lastName, ended: found.endOfSearch !== 0 || found.searchCount === 0 }
        return found.searchCount === 0 ? Effect.succeed([]) : Effect.fromResult(operation.decode(bytes))
      }
    )
  }
}
