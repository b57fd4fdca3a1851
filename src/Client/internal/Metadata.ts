/** What a file has in addition to its data: security descriptor, named streams, previous versions. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { Control, SecurityDescriptor } from "../../Codec/SecurityDescriptor.ts"
import * as Arguments from "../../Protocol/Arguments.ts"
import { fromStatus } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import { SecurityInformation } from "../../Smb2/Message/Constants.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import type { ClientError } from "../ClientError.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { NamedStream, Operations } from "../Operations.ts"
import * as Permissions from "../Permissions.ts"
import type * as UncPath from "../UncPath.ts"
import { batch } from "./Opening.ts"
import { text } from "./PathNames.ts"
import type { PathContext } from "./TargetAttempt.ts"

const {
  DACL_SECURITY_INFORMATION,
  GROUP_SECURITY_INFORMATION,
  OWNER_SECURITY_INFORMATION,
  SACL_SECURITY_INFORMATION
} = SecurityInformation

const withoutSacl = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION

/** The maximum size of a list of previous versions, in bytes: twenty thousand versions. */
const maximumSnapshotBytes = 1024 * 1024

/** `:name:$DATA`, with an empty name for the file's own data. */
const streamName = /^:([^:]*):\$DATA$/iu

/** A server drops SE_DACL_AUTO_INHERITED from a new list unless it comes with the request for it (MS-DTYP 2.4.6). */
const requested = (control: number): number =>
  control |
  ((control & Control.SE_DACL_AUTO_INHERITED) === 0 ? 0 : Control.SE_DACL_AUTO_INHERIT_REQ) |
  ((control & Control.SE_SACL_AUTO_INHERITED) === 0 ? 0 : Control.SE_SACL_AUTO_INHERIT_REQ)

/**
 * The operations on what a file has in addition to its data: security descriptor, named streams, previous
 * versions.
 *
 * @category constructors
 */
export const operations = (
  context: PathContext,
  lookupSids: Operations["lookupSids"]
): Pick<Operations, "security" | "namedStreams" | "previousVersions"> => {
  const get = Effect.fnUntraced(
    function*(
      path: UncPath.PathInput,
      options: Parameters<Operations["security"]["get"]>[1]
    ): Effect.fn.Return<SecurityDescriptor, ClientError> {
      const audit = options?.audit ?? false
      const query: Operation.QueryInfo<SecurityDescriptor> = {
        _tag: "QueryInfo",
        information: {
          _tag: "Security",
          securityInformation: audit ? withoutSacl | SACL_SECURITY_INFORMATION : withoutSacl
        },
        maximum: 65536,
        decode: Codec.decode("SECURITY_DESCRIPTOR", SecurityDescriptor)
      }
      const { results } = yield* batch(context, path, OpenMode.readSecurity(audit), [query])
      return yield* Effect.fromResult(results[0])
    }
  )
  return {
    security: {
      get: Effect.fnUntraced(function*(path, options) {
        return yield* get(path, options)
      }),
      permissions: Effect.fnUntraced(function*(path, options) {
        const descriptor = yield* get(path, options)
        return Permissions.fromDescriptor(descriptor, yield* lookupSids(path, Permissions.sidsOf(descriptor)))
      }),
      set: Effect.fnUntraced(function*(path, descriptor) {
        const data = yield* Arguments.encoded(
          "descriptor",
          descriptor,
          text(path),
          () => Codec.encode(SecurityDescriptor)({ ...descriptor, control: requested(descriptor.control) })
        )
        const owner = descriptor.owner !== undefined
        const group = descriptor.group !== undefined
        // A list that is present and absent at once is that of a file that everybody may use in every way.
        const dacl = descriptor.dacl !== undefined || (descriptor.control & Control.SE_DACL_PRESENT) !== 0
        const sacl = descriptor.sacl !== undefined
        const set: Operation.SetInfo = {
          _tag: "SetInfo",
          information: {
            _tag: "Security",
            securityInformation: (owner ? OWNER_SECURITY_INFORMATION : 0) | (group ? GROUP_SECURITY_INFORMATION : 0) |
              (dacl ? DACL_SECURITY_INFORMATION : 0) | (sacl ? SACL_SECURITY_INFORMATION : 0)
          },
          data
        }
        const { results } = yield* batch(context, path, OpenMode.writeSecurity({ owner: owner || group, dacl, sacl }), [
          set
        ])
        yield* Effect.fromResult(results[0])
      })
    },

    namedStreams: Effect.fnUntraced(function*(path) {
      const { results } = yield* batch(context, path, OpenMode.attributes, [
        Information.queryFile("FileStreamInformation")
      ])
      const streams = yield* Effect.fromResult(results[0])
      return streams.flatMap((stream): ReadonlyArray<NamedStream> => {
        const name = streamName.exec(stream.streamName)?.[1]
        return name === undefined || name === "" ? [] : [{ name, size: stream.streamSize }]
      })
    }),

    previousVersions: Effect.fnUntraced(function*(path) {
      const ask = Effect.fnUntraced(function*(maximum: number) {
        const { results } = yield* batch(context, path, { ...OpenMode.read, createOptions: 0 }, [
          { _tag: "Ioctl", ctlCode: Fsctl.Fsctl.FSCTL_SRV_ENUMERATE_SNAPSHOTS, input: new Uint8Array(0), maximum }
        ])
        // A file system without snapshots responds that it does not support the request.
        if (
          Result.isFailure(results[0]) &&
          ["NotSupported", "InvalidDeviceRequest"].includes(results[0].failure.reason._tag)
        ) {
          return undefined
        }
        const bytes = yield* Effect.fromResult(results[0])
        return yield* Effect.fromResult(Codec.decode("SRV_SNAPSHOT_ARRAY", Fsctl.SrvSnapshotArray)(bytes))
      })
      const isWhole = (array: Fsctl.SrvSnapshotArray) => array.numberOfSnapShotsReturned >= array.numberOfSnapShots
      const first = yield* ask(65536)
      if (first === undefined || isWhole(first)) return first?.snapShots ?? []
      // If the list does not fit, the response has no list, but the size that it needs (MS-SMB2 3.3.5.15.1).
      const second = yield* ask(Math.min(12 + first.snapShotArraySize, maximumSnapshotBytes))
      if (second === undefined || isWhole(second)) return second?.snapShots ?? []
      return yield* fromStatus(NtStatus.STATUS_BUFFER_TOO_SMALL, "IOCTL", text(path))
    })
  }
}
