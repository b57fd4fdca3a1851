/**
 * Calls of the local security authority about its policy (MS-LSAD 3.1.4): opening it, the domains of a machine,
 * closing. Names and SIDs are in `Lsat.ts`, on the same interface.
 *
 * Requests and responses are stubs for `DceRpc.ts`, both ways; `returnValue` is an NTSTATUS.
 */
import type * as Codec from "../Codec.ts"
import type { SyntaxId } from "./DceRpc.ts"
import * as Ndr from "./Ndr.ts"

/**
 * The interface of both documents, at pipe `\PIPE\lsarpc` (MS-LSAD 1.9): version 0.0.
 *
 * @since 0.1.0
 */
export const interfaceId: SyntaxId = { uuid: "12345778-1234-abcd-ef00-0123456789ab", version: 0 }

/**
 * The pipe's name on share IPC$.
 *
 * @since 0.1.0
 */
export const pipeName = "lsarpc"

/**
 * Operation numbers (MS-LSAD 3.1.4).
 *
 * @since 0.1.0
 */
export const Operation = {
  LsarClose: 0,
  LsarOpenPolicy: 6,
  LsarQueryInformationPolicy: 7,
  LsarOpenPolicy2: 44,
  LsarQueryInformationPolicy2: 46
} as const

/**
 * Rights to a policy handle (MS-LSAD 2.2.1.1.2): those that this client asks for.
 *
 * @since 0.2.0
 */
export const PolicyAccess = {
  POLICY_VIEW_LOCAL_INFORMATION: 0x0000_0001,
  POLICY_LOOKUP_NAMES: 0x0000_0800
} as const

/**
 * POLICY_INFORMATION_CLASS (2.2.4.1): the classes that this module supports.
 *
 * @since 0.1.0
 */
export const PolicyInformationClass = {
  PolicyPrimaryDomainInformation: 3,
  PolicyAccountDomainInformation: 5,
  PolicyLsaServerRoleInformation: 6,
  PolicyDnsDomainInformation: 12,
  PolicyLocalAccountDomainInformation: 14
} as const

/**
 * POLICY_LSA_SERVER_ROLE (2.2.4.7).
 *
 * @since 0.1.0
 */
export const PolicyServerRolePrimary = 3

/** SECURITY_QUALITY_OF_SERVICE (2.2.3.7), which means nothing to a server. */
const SecurityQualityOfService = Ndr.struct({
  length: Ndr.u32,
  impersonationLevel: Ndr.enumeration,
  contextTrackingMode: Ndr.u8,
  effectiveOnly: Ndr.u8
})

/** LSAPR_OBJECT_ATTRIBUTES (2.2.2.4). A server ignores all fields except `rootDirectory`, which must be null. */
const ObjectAttributes = Ndr.struct({
  length: Ndr.u32,
  rootDirectory: Ndr.nullPointer,
  objectName: Ndr.nullPointer,
  attributes: Ndr.u32,
  securityDescriptor: Ndr.nullPointer,
  securityQualityOfService: Ndr.pointer(SecurityQualityOfService)
})

/**
 * LsarOpenPolicy's request (3.1.4.4.2). `systemName` is one character, and means nothing.
 *
 * @category codecs
 * @since 0.1.0
 */
export const OpenPolicyRequest = Ndr.parameters({
  systemName: Ndr.pointer(Ndr.u16),
  objectAttributes: ObjectAttributes,
  desiredAccess: Ndr.u32
})

/**
 * LsarOpenPolicy2's request (3.1.4.4.1).
 *
 * @category codecs
 * @since 0.1.0
 */
export const OpenPolicy2Request = Ndr.parameters({
  systemName: Ndr.pointer(Ndr.string),
  objectAttributes: ObjectAttributes,
  desiredAccess: Ndr.u32
})

/**
 * The response to both, and to LsarClose, where the handle is all zeros.
 *
 * @category codecs
 * @since 0.1.0
 */
export const HandleResponse = Ndr.parameters({ handle: Ndr.contextHandle, returnValue: Ndr.u32 })

/**
 * LsarClose's request (3.1.4.9.4).
 *
 * @category codecs
 * @since 0.1.0
 */
export const CloseRequest = Ndr.parameters({ handle: Ndr.contextHandle })

/**
 * LsarQueryInformationPolicy's request (3.1.4.4.4), and LsarQueryInformationPolicy2's (3.1.4.4.3).
 *
 * @category codecs
 * @since 0.1.0
 */
export const QueryInformationPolicyRequest = Ndr.parameters({
  handle: Ndr.contextHandle,
  informationClass: Ndr.enumeration
})

/** A domain's name and SID; a workgroup has none. */
const DomainInformation = Ndr.struct({ name: Ndr.unicodeStringWithRoom, sid: Ndr.pointer(Ndr.sid) })

/** LSAPR_POLICY_INFORMATION (2.2.4.2). */
const PolicyInformation = Ndr.union(Ndr.enumeration, {
  /** LSAPR_POLICY_PRIMARY_DOM_INFO (2.2.4.5): the domain or workgroup of the machine. */
  3: DomainInformation,
  /** LSAPR_POLICY_ACCOUNT_DOM_INFO (2.2.4.6): the domain of its own users. */
  5: DomainInformation,
  /** POLICY_LSA_SERVER_ROLE_INFO (2.2.4.8). */
  6: Ndr.struct({ role: Ndr.enumeration }),
  /** LSAPR_POLICY_DNS_DOMAIN_INFO (2.2.4.14). */
  12: Ndr.struct({
    name: Ndr.unicodeStringWithRoom,
    dnsDomainName: Ndr.unicodeStringWithRoom,
    dnsForestName: Ndr.unicodeStringWithRoom,
    domainGuid: Ndr.guid,
    sid: Ndr.pointer(Ndr.sid)
  }),
  14: DomainInformation
})
export type PolicyInformation = Ndr.Value<typeof PolicyInformation>

/**
 * @category codecs
 * @since 0.1.0
 */
export const QueryInformationPolicyResponse = Ndr.parameters({
  information: Ndr.pointer(PolicyInformation),
  returnValue: Ndr.u32
})
export type QueryInformationPolicyResponse = Codec.Type<typeof QueryInformationPolicyResponse>
