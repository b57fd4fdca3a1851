/**
 * Calls of the local security authority that translate SIDs to names and back (MS-LSAT 3.1.4), on the interface and by
 * the handles of `Lsad.ts`.
 *
 * Requests and responses are stubs for `DceRpc.ts`, both ways; `returnValue` is an NTSTATUS. The fields of a response
 * are in requests too, where the server ignores them (3.1.4): they are mostly empty.
 */
import type * as Codec from "../Codec.ts"
import * as Ndr from "./Ndr.ts"

/**
 * Operation numbers (MS-LSAT 3.1.4).
 *
 * @since 0.1.0
 */
export const Operation = {
  LsarLookupNames: 14,
  LsarLookupSids: 15,
  LsarGetUserName: 45,
  LsarLookupSids2: 57,
  LsarLookupNames2: 58,
  LsarLookupNames3: 68,
  LsarLookupSids3: 76,
  LsarLookupNames4: 77
} as const

/**
 * SID_NAME_USE (MS-LSAT 2.2.13).
 *
 * @since 0.1.0
 */
export const SidNameUse = {
  SidTypeUser: 1,
  SidTypeGroup: 2,
  SidTypeDomain: 3,
  SidTypeAlias: 4,
  SidTypeWellKnownGroup: 5,
  SidTypeDeletedAccount: 6,
  SidTypeInvalid: 7,
  SidTypeUnknown: 8,
  SidTypeComputer: 9,
  SidTypeLabel: 10
} as const

/**
 * How many SIDs or names one call has at most (3.1.4.5, 3.1.4.9: `range(0, 1000)` and 20480).
 *
 * @since 0.1.0
 */
export const largestNames = 1000
export const largestSids = 20480

/** LSAPR_REFERENCED_DOMAIN_LIST (2.2.12); entries point into it by index. */
const ReferencedDomainList: Ndr.Type<ReadonlyArray<ReferencedDomain>> = (() => {
  const fields = Ndr.struct({
    domains: Ndr.counted(Ndr.struct({ name: Ndr.unicodeStringWithRoom, sid: Ndr.pointer(Ndr.sid) })),
    maxEntries: Ndr.u32
  })
  return {
    ...fields,
    read: (r) => {
      const rest = fields.read(r)
      return () => rest().domains
    },
    // Receivers ignore the last field; servers write the number of entries that they made room for.
    write: (w, domains) => fields.write(w, { domains, maxEntries: domains.length === 0 ? 0 : 32 })
  }
})()

/**
 * LSAPR_TRUST_INFORMATION (2.2.11).
 *
 * @since 0.1.0
 */
export interface ReferencedDomain {
  readonly name: string
  readonly sid: string | undefined
}

/** `domainIndex` is -1 if there is no domain. */
const names = { use: Ndr.enumeration, name: Ndr.unicodeString, domainIndex: Ndr.i32 }

/** LSAPR_TRANSLATED_NAME (2.2.19) and its EX (2.2.21). */
const TranslatedNames = Ndr.counted(Ndr.struct(names))
const TranslatedNamesEx = Ndr.counted(Ndr.struct({ ...names, flags: Ndr.u32 }))
export type TranslatedName = Ndr.Value<typeof TranslatedNamesEx>[number]

const sids = { use: Ndr.enumeration, relativeId: Ndr.u32, domainIndex: Ndr.i32 }

/** LSA_TRANSLATED_SID (2.2.14), its EX (2.2.23) and EX2 (2.2.25), which has the whole SID. */
const TranslatedSids = Ndr.counted(Ndr.struct(sids))
const TranslatedSidsEx = Ndr.counted(Ndr.struct({ ...sids, flags: Ndr.u32 }))
const TranslatedSidsEx2 = Ndr.counted(
  Ndr.struct({ use: Ndr.enumeration, sid: Ndr.pointer(Ndr.sidOrZeros), domainIndex: Ndr.i32, flags: Ndr.u32 })
)

/** LSAPR_SID_ENUM_BUFFER (2.2.18). */
const SidEnumBuffer = Ndr.counted(Ndr.struct({ sid: Ndr.pointer(Ndr.sid) }))

const handle = { handle: Ndr.contextHandle }
const level = { lookupLevel: Ndr.enumeration, mappedCount: Ndr.u32 }
const options = { lookupOptions: Ndr.u32, clientRevision: Ndr.u32 }
const result = { mappedCount: Ndr.u32, returnValue: Ndr.u32 }
const domains = { referencedDomains: Ndr.pointer(ReferencedDomainList) }

/**
 * LsarLookupSids (3.1.4.11).
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupSidsRequest = Ndr.parameters({
  ...handle,
  sidEnumBuffer: SidEnumBuffer,
  translatedNames: TranslatedNames,
  ...level
})
export const LookupSidsResponse = Ndr.parameters({ ...domains, translatedNames: TranslatedNames, ...result })

/**
 * LsarLookupSids2 (3.1.4.10).
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupSids2Request = Ndr.parameters({
  ...handle,
  sidEnumBuffer: SidEnumBuffer,
  translatedNames: TranslatedNamesEx,
  ...level,
  ...options
})
export const LookupSids2Response = Ndr.parameters({ ...domains, translatedNames: TranslatedNamesEx, ...result })

/**
 * LsarLookupSids3 (3.1.4.9), whose response is that of LsarLookupSids2.
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupSids3Request = Ndr.parameters({
  sidEnumBuffer: SidEnumBuffer,
  translatedNames: TranslatedNamesEx,
  ...level,
  ...options
})

/** Names to look up: their count stands before them twice. */
const asked = { count: Ndr.u32, names: Ndr.array(Ndr.unicodeString) }

/**
 * LsarLookupNames (3.1.4.8).
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupNamesRequest = Ndr.parameters({ ...handle, ...asked, translatedSids: TranslatedSids, ...level })
export const LookupNamesResponse = Ndr.parameters({ ...domains, translatedSids: TranslatedSids, ...result })

/**
 * LsarLookupNames2 (3.1.4.7).
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupNames2Request = Ndr.parameters({
  ...handle,
  ...asked,
  translatedSids: TranslatedSidsEx,
  ...level,
  ...options
})
export const LookupNames2Response = Ndr.parameters({ ...domains, translatedSids: TranslatedSidsEx, ...result })

/**
 * LsarLookupNames3 (3.1.4.6).
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupNames3Request = Ndr.parameters({
  ...handle,
  ...asked,
  translatedSids: TranslatedSidsEx2,
  ...level,
  ...options
})
export const LookupNames3Response = Ndr.parameters({ ...domains, translatedSids: TranslatedSidsEx2, ...result })
export type LookupNames3Response = Codec.Type<typeof LookupNames3Response>

/**
 * LsarLookupNames4 (3.1.4.5), whose response is that of LsarLookupNames3.
 *
 * @category codecs
 * @since 0.1.0
 */
export const LookupNames4Request = Ndr.parameters({ ...asked, translatedSids: TranslatedSidsEx2, ...level, ...options })

/** A pointer to a pointer: `undefined` is a null one, `{ value: undefined }` points to a null one. */
const wanted = Ndr.pointer(Ndr.struct({ value: Ndr.pointer(Ndr.unicodeString) }))

/**
 * LsarGetUserName (3.1.4.4): the name of the caller. The caller wants `domainName` if its pointer is not null.
 *
 * @category codecs
 * @since 0.1.0
 */
export const GetUserNameRequest = Ndr.parameters({
  systemName: Ndr.pointer(Ndr.string),
  userName: Ndr.pointer(Ndr.unicodeString),
  domainName: wanted
})
export const GetUserNameResponse = Ndr.parameters({
  userName: Ndr.pointer(Ndr.unicodeString),
  domainName: wanted,
  returnValue: Ndr.u32
})
