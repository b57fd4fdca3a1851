/** The security descriptor of a share, from its options: which users can connect to it, and their rights in it. */
import * as Result from "effect/Result"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Sddl from "../../../Codec/Sddl.ts"
import { Control, type SecurityDescriptor } from "../../../Codec/SecurityDescriptor.ts"
import type { ShareOptions } from "../../ShareOptions.ts"
import type * as Model from "./Model.ts"

const isSecurityRef = (
  security: SecurityDescriptor | SubscriptionRef.SubscriptionRef<SecurityDescriptor>
): security is SubscriptionRef.SubscriptionRef<SecurityDescriptor> => SubscriptionRef.isSubscriptionRef(security)

/** Throws `RangeError` for a text that is no descriptor with a DACL: a typing error must not open a share. */
export const securityOf = (name: string, { security }: ShareOptions): Model.ShareSecurity => {
  if (security === undefined || typeof security === "string") {
    const descriptor = security === undefined ? undefined : sharedBy(name, security)
    return { current: () => descriptor, set: undefined }
  }
  return isSecurityRef(security)
    ? { current: () => SubscriptionRef.getUnsafe(security), set: (next) => SubscriptionRef.set(security, next) }
    : { current: () => security, set: undefined }
}

const sharedBy = (name: string, sddl: string): SecurityDescriptor => {
  const read = Sddl.fromSddl(sddl)
  if (Result.isFailure(read)) throw new RangeError(`the security of the share ${name}: ${read.failure.message}`)
  if ((read.success.control & Control.SE_DACL_PRESENT) !== 0) return read.success
  throw new RangeError(`the security of the share ${name} has no DACL: begin it with D:`)
}
