/**
 * Authorization data of Kerberos (RFC 4120 5.2.6): restrictions for the use of a ticket, from the ticket or its bearer.
 * A server that does not know an element must refuse the ticket, unless the element says that it can be ignored.
 */
import * as Codec from "../../Codec/Codec.ts"
import { Reader } from "../../Codec/Cursor.ts"
import * as Der from "../Der.ts"

/** An element: `adType`, and `adData` as it was sent. */
export interface Element {
  readonly adType: number
  readonly adData: Uint8Array
}

const AdType = {
  AD_IF_RELEVANT: 1,
  AD_KDC_ISSUED: 4,
  AD_AND_OR: 5,
  AD_MANDATORY_FOR_KDC: 8,
  /** MS-PAC: the user's identity for Windows. It adds information to a ticket, and restricts nothing. */
  AD_WIN2K_PAC: 128
} as const

const sequence = Der.Tag.sequence
const integerTag = 0x02

const readInteger = (r: Reader, name: string): number => {
  if (r.remaining === 0 || r.remaining > 4) r.fail(`${name} of 32 bits`)
  let value = (r.u8() << 24) >> 24
  while (r.remaining > 0) value = value << 8 | r.u8()
  return value
}

const integer = (r: Reader, n: number, name: string): number =>
  readInteger(Der.open(Der.open(r, Der.context(n), name), integerTag, name), name)

const readElements = (r: Reader): ReadonlyArray<Element> => {
  const elements: Array<Element> = []
  const list = Der.open(r, sequence, "AuthorizationData")
  while (list.remaining > 0) {
    const one = Der.open(list, sequence, "AuthorizationData's element")
    const adType = integer(one, 0, "ad-type")
    const adData = Der.open(Der.open(one, Der.context(1), "ad-data"), Der.Tag.octetString, "ad-data").rest()
    elements.push({ adType, adData })
  }
  return elements
}

/** AD-AND-OR: `count` of its elements must hold. */
const readAndOr = (r: Reader): { readonly count: number; readonly elements: ReadonlyArray<Element> } => {
  const fields = Der.open(r, sequence, "AD-AND-OR")
  const count = integer(fields, 0, "condition-count")
  return { count, elements: readElements(Der.open(fields, Der.context(1), "elements")) }
}

/** AD-KDCIssued: the ticket's bearer also has the key of the checksum, so its elements give no rights. */
const readKdcIssued = (r: Reader): ReadonlyArray<Element> => {
  const fields = Der.open(r, sequence, "AD-KDCIssued")
  Der.open(fields, Der.context(0), "ad-checksum")
  Der.optional(fields, 1, Der.Tag.generalString, "i-realm")
  if (Der.peek(fields) === Der.context(2)) Der.open(fields, Der.context(2), "i-sname")
  return readElements(Der.open(fields, Der.context(3), "elements"))
}

/** The deepest nesting of elements: no KDC nests them deeper. */
const deepest = 8

const objectionTo = ({ adData, adType }: Element, depth: number): string | undefined => {
  const inside = <A>(read: (r: Reader) => A, judge: (value: A) => string | undefined): string | undefined => {
    if (depth === deepest) return "authorization data are too deep one in another"
    const found = Codec.attempt("authorization data", () => read(new Reader(adData)))
    return found._tag === "Failure" ? `authorization data of type ${adType} cannot be read` : judge(found.success)
  }
  switch (adType) {
    case AdType.AD_IF_RELEVANT:
    case AdType.AD_MANDATORY_FOR_KDC:
    case AdType.AD_WIN2K_PAC:
      return undefined
    case AdType.AD_KDC_ISSUED:
      return inside(readKdcIssued, (elements) => firstObjection(elements, depth + 1))
    case AdType.AD_AND_OR:
      return inside(readAndOr, ({ count, elements }) => {
        const objections = elements.map((one) => objectionTo(one, depth + 1))
        const held = objections.filter((one) => one === undefined).length
        return held >= count ? undefined : `${held} of ${count} conditions are known to hold`
      })
    default:
      return `the ticket has authorization data of type ${adType}, which the server does not know and must not ignore`
  }
}

const firstObjection = (elements: ReadonlyArray<Element>, depth: number): string | undefined => {
  for (const element of elements) {
    const objection = objectionTo(element, depth)
    if (objection !== undefined) return objection
  }
  return undefined
}

/** Why a ticket with these elements is refused; `undefined` if it is accepted. */
export const objection = (elements: ReadonlyArray<Element>): string | undefined => firstObjection(elements, 0)
