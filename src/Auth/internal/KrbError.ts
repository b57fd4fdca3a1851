/**
 * The error of a server in a Kerberos logon, before there is a key: KRB-ERROR (RFC 4120 5.9.1), in a GSS-API token (RFC
 * 4121 4.1) or, from some servers, without that frame.
 *
 * It is not authenticated. It is only a hint for the user, and decides nothing.
 */
import * as Result from "effect/Result"
import * as Codec from "../../Codec/Codec.ts"
import { Reader } from "../../Codec/Cursor.ts"
import * as Der from "../Der.ts"

/** [APPLICATION 30]. */
const krbError = 0x7e
const integer = 0x02

/** Codes that a server gives for the ticket of a client (RFC 4120 7.5.9). */
export const Code = {
  KRB_AP_ERR_BAD_INTEGRITY: 31,
  KRB_AP_ERR_TKT_EXPIRED: 32,
  KRB_AP_ERR_TKT_NYV: 33,
  KRB_AP_ERR_REPEAT: 34,
  KRB_AP_ERR_NOT_US: 35,
  KRB_AP_ERR_SKEW: 37,
  KRB_AP_ERR_MODIFIED: 41,
  KRB_AP_ERR_BADKEYVER: 44,
  KRB_AP_ERR_NOKEY: 45
} as const

/** The error-code of a KRB-ERROR; `undefined` if the token is not one. */
export const codeOf = (token: Uint8Array): number | undefined => {
  const found = Codec.attempt("KRB-ERROR", () => {
    let r = new Reader(token)
    if (Der.peek(r) === Der.Tag.application) {
      r = Der.open(r, Der.Tag.application, "InitialContextToken")
      Der.open(r, Der.Tag.objectIdentifier, "thisMech")
      // TOK_ID of an error: 03 00.
      if (r.u8() !== 3 || r.u8() !== 0) r.fail("the token of an error", r.offset - 2)
    }
    const fields = Der.open(Der.open(r, krbError, "KRB-ERROR"), Der.Tag.sequence, "KRB-ERROR")
    while (fields.remaining > 0) {
      if (Der.peek(fields) !== Der.context(6)) {
        Der.skip(fields, "a field of KRB-ERROR")
        continue
      }
      const code = Der.optional(fields, 6, integer, "error-code")!
      if (code.remaining < 1 || code.remaining > 4) code.fail("an error-code of one to four bytes")
      let value = 0
      while (code.remaining > 0) value = value * 256 + code.u8()
      return value
    }
    return undefined
  })
  return Result.isSuccess(found) ? found.success : undefined
}
