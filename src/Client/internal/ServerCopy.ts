/**
 * Copies between two files on one server: the server copies by itself, and no data crosses the network (MS-SMB2
 * 3.2.4.20.2, FSCTL_SRV_REQUEST_RESUME_KEY and FSCTL_SRV_COPYCHUNK_WRITE).
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../Codec/Codec.ts"
import type { Reason } from "../../Codec/NtStatus.ts"
import { ProtocolError, type RequestError, type SmbError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import { FileShortened } from "../FileShortened.ts"
import * as Information from "../Information.ts"
import type { OpenedFile } from "./Opening.ts"

/** The limits of Windows and Samba for one request (MS-SMB2 3.3.3): 16 chunks of 1 MiB. */
const chunkSize = 1024n * 1024n
const chunksPerRequest = 16

const ioctl = (ctlCode: number, input: Uint8Array, maximum: number): Operation.Ioctl => ({
  _tag: "Ioctl",
  ctlCode,
  input,
  maximum
})

const decodeKey = Codec.decode("SRV_REQUEST_RESUME_KEY Response", Fsctl.SrvRequestResumeKey)
const decodeCopied = Codec.decode("SRV_COPYCHUNK_RESPONSE", Fsctl.SrvCopychunkResponse)

/** Whether this error means that a server cannot copy by itself, so that the data must go through this machine. */
export const isUnable = (error: { readonly _tag: string }): boolean =>
  error._tag === "SmbError" &&
  ["NotSupported", "InvalidDeviceRequest", "InvalidParameter", "ObjectNameNotFound", "NotImplemented"].includes(
    (error as SmbError).reason._tag
  ) && (error as SmbError).command === "IOCTL"

/** Whether the server can copy a file: without a known size the request has no end to name. */
export const isOfKnownSize = (file: Share.OpenFile): boolean => file.opened.endOfFile > 0n

/**
 * Copies all of `source` over `target`, both open on one session. If a server says that it copied less than requested,
 * the client requests the rest, as after a WRITE.
 */
export const copy = Effect.fnUntraced(function*(
  source: OpenedFile,
  target: OpenedFile
): Effect.fn.Return<void, RequestError | FileShortened> {
  const size = source.file.opened.endOfFile
  const answer = yield* source.file.run<Operation.Ioctl>(
    ioctl(Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, new Uint8Array(0), 32)
  )
  const { resumeKey } = yield* Effect.fromResult(decodeKey(answer))
  const perRequest = chunkSize * BigInt(chunksPerRequest)
  let at = 0n
  while (at < size) {
    const end = at + perRequest < size ? at + perRequest : size
    const chunks: Array<{ sourceOffset: bigint; targetOffset: bigint; length: number }> = []
    for (let from = at; from < end; from += chunkSize) {
      const left = end - from
      chunks.push({ sourceOffset: from, targetOffset: from, length: Number(left < chunkSize ? left : chunkSize) })
    }
    const copied = yield* target.file.run<Operation.Ioctl>(
      ioctl(
        Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE,
        Codec.encode(Fsctl.SrvCopychunkCopy)({ sourceKey: resumeKey, chunks }),
        12
      )
    ).pipe(
      // smbd and Windows have different statuses for a source that ends too early.
      Effect.tapErrorTag(
        "SmbError",
        (error) => isUnable(error) || sayWhy.has(error.reason._tag) ? Effect.void : checkSize(source)
      )
    )
    const { totalBytesWritten } = yield* Effect.fromResult(decodeCopied(copied))
    const count = BigInt(totalBytesWritten)
    if (count === 0n || count > end - at) {
      yield* checkSize(source)
      const { share } = target
      return yield* new ProtocolError({
        reason: { _tag: "UnexpectedResponse" },
        server: share.server,
        detail:
          `${UncName.format(share, share.name, target.file.path)}: of ${end - at} bytes the server says that it ` +
          `copied ${count} (FSCTL_SRV_COPYCHUNK_WRITE): the copy cannot be relied on`
      })
    }
    at += count
  }
})

/** Errors that explain themselves, no matter what has happened to the source. */
const sayWhy: ReadonlySet<string> = new Set<Reason>([
  "DiskFull",
  "QuotaExceeded",
  "AccessDenied",
  "FileLockConflict",
  "NetworkNameDeleted",
  "UserSessionDeleted",
  "NetworkSessionExpired",
  "Cancelled"
])

/**
 * Checks whether the copy failed because the source has become shorter. Does nothing if the server does not return the
 * size.
 */
const checkSize = Effect.fnUntraced(function*({ file, share }: OpenedFile) {
  const size = yield* Effect.result(file.run(Information.queryFile("FileStandardInformation")))
  if (size._tag === "Failure") return
  const { endOfFile: found } = size.success
  const expected = file.opened.endOfFile
  if (found < expected) {
    return yield* new FileShortened({ path: UncName.format(share, share.name, file.path), expected, found })
  }
})
