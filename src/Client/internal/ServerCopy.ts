/**
 * Copying where both files are on one server: it copies by itself, and no data crosses the network (MS-SMB2 3.2.4.20.2,
 * FSCTL_SRV_REQUEST_RESUME_KEY and FSCTL_SRV_COPYCHUNK_WRITE).
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../Codec/Codec.ts"
import type { RequestError, SmbError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"

/** What Windows and Samba take in one request (MS-SMB2 3.3.3): chunks of 1 MiB, 16 of them. */
const chunkSize = 1024n * 1024n
const chunksPerRequest = 16

const ioctl = (ctlCode: number, input: Uint8Array, maximum: number): Operation.Ioctl => ({
  _tag: "Ioctl",
  ctlCode,
  input,
  maximum
})

/** Whether a server that said this cannot copy by itself, so that the data has to come here and go back. */
export const isUnable = (error: RequestError): error is SmbError =>
  error._tag === "SmbError" &&
  ["NotSupported", "InvalidDeviceRequest", "InvalidParameter", "ObjectNameNotFound", "NotImplemented"].includes(
    error.reason
  ) && error.command === "IOCTL"

/** Copies all of `source` over `target`, both open on one session. */
export const copy = Effect.fnUntraced(function*(
  source: Share.OpenFile,
  target: Share.OpenFile
): Effect.fn.Return<void, RequestError> {
  const size = source.opened.endOfFile
  const answer = yield* source.run<Operation.Ioctl>(
    ioctl(Fsctl.Fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, new Uint8Array(0), 32)
  )
  const { resumeKey } = yield* Effect.fromResult(
    Codec.decode("SRV_REQUEST_RESUME_KEY Response", Fsctl.SrvRequestResumeKey)(answer)
  )
  const perRequest = chunkSize * BigInt(chunksPerRequest)
  for (let at = 0n; at < size; at += perRequest) {
    const chunks: Array<{ sourceOffset: bigint; targetOffset: bigint; length: number }> = []
    for (let from = at; from < size && from < at + perRequest; from += chunkSize) {
      const left = size - from
      chunks.push({ sourceOffset: from, targetOffset: from, length: Number(left < chunkSize ? left : chunkSize) })
    }
    yield* target.run<Operation.Ioctl>(
      ioctl(
        Fsctl.Fsctl.FSCTL_SRV_COPYCHUNK_WRITE,
        Codec.encode(Fsctl.SrvCopychunkCopy)({ sourceKey: resumeKey, chunks }),
        12
      )
    )
  }
})
