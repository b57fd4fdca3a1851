/** DFS: referrals both ways, and what domain controllers and name servers answer. */
import { Result } from "effect"
import * as Ldapts from "ldapts"
import * as LdapPing from "../../../src/Dfs/LdapPing.ts"
import * as Namespace from "../../../src/Dfs/Namespace.ts"
import * as Netlogon from "../../../src/Dfs/Netlogon.ts"
import * as ReferralRequest from "../../../src/Dfs/ReferralRequest.ts"
import * as ReferralResponse from "../../../src/Dfs/ReferralResponse.ts"
import * as SrvQuery from "../../../src/Dfs/SrvQuery.ts"
import { samba, sambaDomain, vectors } from "../../Dfs/vectors.ts"
import { family, holds, isStable, type Member } from "../Promises.ts"

const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"))

const named = (part: string) =>
  Object.entries(vectors).filter(([name]) => name.includes(part)).map(([, bytes]) => bytes)

const referrals = [...samba, ...sambaDomain]

/** What a Samba 4.17 domain controller answers to a ping. */
const controller =
  "17000000fd130000dfbaa0534f18fb428398485a3697047004636f7270047465737400c01803646331c01804434f5250000344" +
  "433100001744656661756c742d46697273742d536974652d4e616d6500c03705000000ffffffff"

const requests = [...named("request"), ...referrals.map(({ request }) => hex(request))]

const namespace: Namespace.Namespace = Result.getOrThrow(Namespace.fromJson(JSON.stringify({
  roots: {
    public: { targets: ["\\\\server\\public"], links: { docs: { targets: ["\\\\fs1\\docs", "\\\\fs2\\docs"] } } }
  }
})))

const request = (
  name: string,
  decode: (bytes: Uint8Array) => Result.Result<any, any>,
  encode: (value: any) => Result.Result<Uint8Array, any>
): Member => ({
  name,
  run: (input) => {
    const value = isStable(input, decode, (value) => Result.getOrThrow(encode(value)))
    if (value === undefined) return
    const { maxReferralLevel, requestFileName } = value as ReferralRequest.ReferralRequestEx
    Namespace.answer(namespace, { maxReferralLevel, requestFileName }, { maximumOutput: 8192 })
  },
  seeds: requests
})

const response: Member = {
  name: "RESP_GET_DFS_REFERRAL",
  run: (input) => {
    const decoded = ReferralResponse.decodeReferralResponse(input)
    if (Result.isFailure(decoded)) return
    isStable(input, ReferralResponse.decodeReferralResponse)
    const encoded = ReferralResponse.encodeReferralResponse(decoded.success)
    if (Result.isFailure(encoded)) return
    const again = ReferralResponse.decodeReferralResponse(encoded.success)
    holds(Result.isSuccess(again), "a referral that was decoded is refused after it was encoded")
  },
  seeds: [...named("response"), ...referrals.map(({ response: bytes }) => hex(bytes))]
}

const netlogon: Member = {
  name: "NETLOGON_SAM_LOGON_RESPONSE_EX",
  // A controller's names can have dots, or bytes that are no UTF-8: as text they are no names of labels any more.
  run: (input) =>
    void isStable(input, Netlogon.decode, (value) =>
      Result.getOrElse(
        Result.try({ try: () => Netlogon.encode(value), catch: (error) => error as Error }),
        (error) => holds(error instanceof RangeError, String(error))
      ) ?? undefined),
  seeds: [hex(controller)]
}

const ldap: Member = {
  name: "the answer to an LDAP ping",
  run: (input) => {
    const found = LdapPing.netlogonOf(Ldapts, input, 1)
    if (Result.isFailure(found)) holds(found.failure._tag === "Malformed", "the failure is no typed error")
    else if (found.success !== undefined) isStable(Uint8Array.from(found.success), Netlogon.decode)
  },
  seeds: [
    hex(`3073020101646e0400306a306804086e65746c6f676f6e315c045a${controller}300c02010165070a010004000400`),
    hex("300c02010165070a010004000400")
  ]
}

/** A question to Samba 4.17, and its answer. */
const question = { id: 0x1234, name: "_ldap._tcp.dc._msdcs.corp.test" }
const answer = "123485000001000100010000055f6c646170045f746370026463065f6d7364637304636f7270047465737400002100" +
  "01c00c0021000100000384000c00000064018503646331c021c01a0006000100000e100023c0420a686f73746d6173746572c021" +
  "0000000100000384000002580001518000000e10"

const dns: Member = {
  name: "the answer to a DNS query",
  run: (input) => void isStable(input, (bytes) => SrvQuery.decodeAnswer(bytes, question)),
  seeds: [hex(answer)]
}

export const dfs = family("dfs", [
  request(
    "REQ_GET_DFS_REFERRAL",
    ReferralRequest.decodeReferralRequest,
    ReferralRequest.encodeReferralRequest
  ),
  request(
    "REQ_GET_DFS_REFERRAL_EX",
    ReferralRequest.decodeReferralRequestEx,
    ReferralRequest.encodeReferralRequestEx
  ),
  response,
  netlogon,
  ldap,
  dns
])
