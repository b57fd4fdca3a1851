/**
 * TREE_CONNECT_ANDX and TREE_DISCONNECT (MS-CIFS 2.2.4.55, 2.2.4.51, MS-SMB 2.2.4.7).
 */
import * as Codec from "../../Codec/Codec.ts"
import type { Reader } from "../../Codec/Cursor.ts"
import { andX, either, message, oemText, text } from "./Block.ts"

/**
 * The request: `path` is `\\server\share`, `service` one of `A:`, `IPC`, `LPT1:`, `COMM` and `?????` for any. The
 * password of share-level security is always one NUL.
 *
 * @category models
 * @since 0.1.0
 */
export const Request = either((unicode) =>
  message(
    [4],
    Codec.struct({
      andX,
      /** TREE_CONNECT_ANDX_*. */
      flags: Codec.u16,
      passwordLength: Codec.constant(Codec.u16, 1)
    }),
    Codec.struct({ password: Codec.reserved(Codec.u8), path: text(unicode), service: oemText })
  )
)
export type Request = Codec.Type<ReturnType<typeof Request>>

interface ResponseWords {
  /** SMB_SUPPORT_SEARCH_BITS, SMB_SHARE_IS_IN_DFS. */
  readonly optionalSupport: number
  /** Access rights of the user and of a guest, if the client asked for the extended response and got it. */
  readonly maximalShareAccessRights?: number
  readonly guestMaximalShareAccessRights?: number
}

const basic = Codec.struct({ andX, optionalSupport: Codec.u16 })
const rights = Codec.struct({ maximalShareAccessRights: Codec.u32, guestMaximalShareAccessRights: Codec.u32 })

const responseWords = Codec.make<ResponseWords>(
  6,
  (r: Reader) => {
    const value = basic.read(r)
    return r.remaining >= 8 ? { ...value, ...rights.read(r) } : value
  },
  (w, value) => {
    basic.write(w, value)
    const { guestMaximalShareAccessRights, maximalShareAccessRights } = value
    if (maximalShareAccessRights !== undefined) {
      rights.write(w, {
        maximalShareAccessRights,
        guestMaximalShareAccessRights: guestMaximalShareAccessRights ?? 0
      })
    }
  }
)

/**
 * The response (MS-CIFS 2.2.4.55.2, MS-SMB 2.2.4.7.2). `service` is the kind of the share.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = either((unicode) =>
  message([3, 7], responseWords, Codec.struct({ service: oemText, nativeFileSystem: text(unicode) }))
)
export type Response = Codec.Type<ReturnType<typeof Response>>
