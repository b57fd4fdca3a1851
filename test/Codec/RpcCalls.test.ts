/**
 * RPC calls of LSAD, LSAT, SRVS and WKST against recorded calls of rpcclient and impacket to smbd and a Samba domain
 * controller: the same bytes again, and the values that these programs printed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Lsad from "../../src/Codec/Rpc/Lsad.ts"
import * as Lsat from "../../src/Codec/Rpc/Lsat.ts"
import * as Srvsvc from "../../src/Codec/Rpc/Srvsvc.ts"
import * as Wkssvc from "../../src/Codec/Rpc/Wkssvc.ts"
import { hostile } from "./hostile.ts"

interface Call {
  readonly client: "rpcclient" | "impacket"
  readonly server: "smbd" | "samba"
  readonly interface: string
  readonly operation: number
  readonly request: string
  readonly response: string
}

const { calls }: { readonly calls: ReadonlyArray<Call> } = JSON.parse(
  readFileSync(new URL("./fixtures/rpc-calls.json", import.meta.url), "utf8")
)

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

const { Operation: D } = Lsad
const { Operation: T } = Lsat
const { Operation: S } = Srvsvc

/** The codecs of both stubs of each operation. */
const codecs: Record<string, Record<number, readonly [Codec.Codec<any>, Codec.Codec<any>]>> = {
  lsarpc: {
    [D.LsarClose]: [Lsad.CloseRequest, Lsad.HandleResponse],
    [D.LsarOpenPolicy]: [Lsad.OpenPolicyRequest, Lsad.HandleResponse],
    [D.LsarOpenPolicy2]: [Lsad.OpenPolicy2Request, Lsad.HandleResponse],
    [D.LsarQueryInformationPolicy]: [Lsad.QueryInformationPolicyRequest, Lsad.QueryInformationPolicyResponse],
    [D.LsarQueryInformationPolicy2]: [Lsad.QueryInformationPolicyRequest, Lsad.QueryInformationPolicyResponse],
    [T.LsarLookupNames]: [Lsat.LookupNamesRequest, Lsat.LookupNamesResponse],
    [T.LsarLookupNames2]: [Lsat.LookupNames2Request, Lsat.LookupNames2Response],
    [T.LsarLookupNames3]: [Lsat.LookupNames3Request, Lsat.LookupNames3Response],
    [T.LsarLookupSids]: [Lsat.LookupSidsRequest, Lsat.LookupSidsResponse],
    [T.LsarLookupSids2]: [Lsat.LookupSids2Request, Lsat.LookupSids2Response],
    [T.LsarGetUserName]: [Lsat.GetUserNameRequest, Lsat.GetUserNameResponse]
  },
  srvsvc: {
    [S.NetrShareEnum]: [Srvsvc.ShareEnumRequest, Srvsvc.ShareEnumResponse],
    [S.NetrShareEnumSticky]: [Srvsvc.ShareEnumRequest, Srvsvc.ShareEnumResponse],
    [S.NetrShareGetInfo]: [Srvsvc.ShareGetInfoRequest, Srvsvc.ShareGetInfoResponse],
    [S.NetrServerGetInfo]: [Srvsvc.ServerGetInfoRequest, Srvsvc.ServerGetInfoResponse],
    [S.NetrRemoteTOD]: [Srvsvc.RemoteTodRequest, Srvsvc.RemoteTodResponse]
  },
  wkssvc: { [Wkssvc.Operation.NetrWkstaGetInfo]: [Wkssvc.WkstaGetInfoRequest, Wkssvc.WkstaGetInfoResponse] }
}

const read = <A>(codec: Codec.Codec<A>, bytes: string): A => {
  const result = Codec.decode("stub", codec)(hex(bytes))
  assert(Result.isSuccess(result), Result.isFailure(result) ? result.failure.message : "")
  return result.success
}

// The numbers of pointers have no meaning if they are not 0 (C706 14.3.10): each side counts in its own way.
const words = (bytes: string) =>
  bytes.match(/.{1,8}/g)!.map((word) => (/^..0[01]0200$/.test(word) ? "pointer" : word)).join(" ")

const again = <A>(codec: Codec.Codec<A>, bytes: string): string =>
  words(Buffer.from(Codec.encode(codec)(read(codec, bytes))).toString("hex"))

/** The response of an operation to a request. */
const answer = <Q, A>(
  operation: number,
  [request, response]: readonly [Codec.Codec<Q>, Codec.Codec<A>],
  by: Partial<Call>,
  where: (question: Q) => boolean
): A => {
  const found = calls.filter((call) =>
    call.operation === operation && Object.entries(by).every(([key, value]) => call[key as keyof Call] === value) &&
    where(read(request, call.request))
  )
  assert.isNotEmpty(found)
  return read(response, found[0]!.response)
}

describe("recorded calls of rpcclient and impacket to Samba", () => {
  it("are decoded, and encoded to the same bytes where client and server write NDR as we do", () => {
    const operations = new Set<string>()
    for (const call of calls) {
      const [request, response] = codecs[call.interface]![call.operation]!
      operations.add(`${call.interface} ${call.operation}`)
      // impacket pads with arbitrary bytes and numbers its pointers at random.
      const question = again(request, call.request)
      if (call.client === "rpcclient") assert.strictEqual(question, words(call.request))
      // As a domain controller, Samba gives null pointers for empty names, and another size for domains.
      const reply = again(response, call.response)
      if (call.server === "smbd") assert.strictEqual(reply, words(call.response))
    }
    const all = Object.entries(codecs).flatMap(([name, some]) => Object.keys(some).map((key) => `${name} ${key}`))
    assert.sameMembers([...operations], all)
  })

  const own = "S-1-5-21-3818204146-3801656547-151973193"

  it("have the policy that lsaquery and impacket printed", () => {
    const codec = [Lsad.QueryInformationPolicyRequest, Lsad.QueryInformationPolicyResponse] as const
    const policy = (server: Call["server"], level: number) =>
      answer(
        D.LsarQueryInformationPolicy,
        codec,
        { interface: "lsarpc", server },
        ({ informationClass }) => informationClass === level
      ).information
    assert.deepStrictEqual(policy("smbd", 3), { level: 3, value: { name: "LAB", sid: undefined } })
    assert.deepStrictEqual(policy("smbd", 5), { level: 5, value: { name: "LAB-0-32-8", sid: own } })
    assert.deepStrictEqual(policy("smbd", 6), { level: 6, value: { role: Lsad.PolicyServerRolePrimary } })
    const dns = policy("samba", 12)
    assert(dns?.level === 12 && dns.value !== undefined)
    const { domainGuid, sid, ...names } = dns.value
    assert.deepStrictEqual(names, { name: "CORP", dnsDomainName: "corp.test", dnsForestName: "corp.test" })
    assert.match(domainGuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    assert.match(sid!, /^S-1-5-21(-\d+){3}$/)
  })

  it("have the names of SIDs that impacket printed", () => {
    const { mappedCount, referencedDomains, returnValue, translatedNames } = answer(
      T.LsarLookupSids2,
      [Lsat.LookupSids2Request, Lsat.LookupSids2Response],
      { interface: "lsarpc", server: "smbd" },
      ({ sidEnumBuffer }) => sidEnumBuffer.length > 20
    )
    assert.strictEqual(mappedCount, 21)
    assert.strictEqual(returnValue, 0x107)
    const shown = translatedNames.map(({ domainIndex, name, use }) =>
      `${referencedDomains![domainIndex]?.name ?? "?"}\\${name} ${use}`
    )
    assert.includeMembers(shown, [
      "\\Everyone 5",
      "NT Authority\\SYSTEM 5",
      "BUILTIN\\Administrators 4",
      "BUILTIN\\BUILTIN 3",
      "LAB-0-32-8\\smbtest 1",
      "LAB-0-32-8\\None 2",
      "?\\S-1-5-21-1-2-3-4 8"
    ])
  })

  it("have the SIDs of names that lookupnames printed", () => {
    const { referencedDomains, translatedSids } = answer(
      T.LsarLookupNames,
      [Lsat.LookupNamesRequest, Lsat.LookupNamesResponse],
      { interface: "lsarpc", client: "rpcclient" },
      ({ names }) => names.length === 4
    )
    const sids = translatedSids.map(({ domainIndex, relativeId, use }) =>
      `${referencedDomains![domainIndex]?.sid ?? "?"}-${relativeId} ${use}`
    )
    assert.deepStrictEqual(sids, [`${own}-1000 1`, "S-1-1-0 5", "S-1-5-18 5", "?-0 8"])
    const whole = answer(
      T.LsarLookupNames3,
      [Lsat.LookupNames3Request, Lsat.LookupNames3Response],
      { interface: "lsarpc", server: "smbd" },
      ({ names }) => names.length === 1
    )
    assert.strictEqual(whole.translatedSids[0]?.sid, `${own}-1000`)
    const { domainName, userName } = answer(
      T.LsarGetUserName,
      [Lsat.GetUserNameRequest, Lsat.GetUserNameResponse],
      { client: "rpcclient" },
      () => true
    )
    assert.deepStrictEqual([domainName?.value, userName], ["LAB-0-32-8", "smbtest"])
  })

  it("have the server's name, version, time and shares", () => {
    const wksta = [Wkssvc.WkstaGetInfoRequest, Wkssvc.WkstaGetInfoResponse] as const
    assert.deepStrictEqual(answer(0, wksta, { interface: "wkssvc" }, ({ level }) => level === 101).info, {
      level: 101,
      value: {
        platformId: 500,
        computerName: "LAB-0-32-8",
        lanGroup: "LAB",
        versionMajor: 6,
        versionMinor: 1,
        lanRoot: ""
      }
    })
    const server = [Srvsvc.ServerGetInfoRequest, Srvsvc.ServerGetInfoResponse] as const
    assert.deepStrictEqual(answer(21, server, { interface: "srvsvc" }, ({ level }) => level === 102).info, {
      level: 102,
      value: {
        platformId: 500,
        name: "LAB-0-32-8",
        versionMajor: 6,
        versionMinor: 1,
        type: 0x809a03,
        comment: "Samba 4.17.12-Debian",
        users: 0xffff_ffff,
        disconnectTime: 15,
        hidden: 0,
        announce: 240,
        announceDelta: 3000,
        licenses: 100_000,
        userPath: "C:\\"
      }
    })
    const share = [Srvsvc.ShareGetInfoRequest, Srvsvc.ShareGetInfoResponse] as const
    const info = (of: number) =>
      answer(16, share, { interface: "srvsvc" }, ({ level, netName }) => level === of && netName === "dfs").info
    const { SHI1005_FLAGS_DFS, SHI1005_FLAGS_DFS_ROOT } = Srvsvc.ShareInfoFlags
    assert.deepStrictEqual(info(1005), { level: 1005, value: { flags: SHI1005_FLAGS_DFS | SHI1005_FLAGS_DFS_ROOT } })
    assert.deepStrictEqual(info(501), { level: 501, value: { netName: "dfs", type: 0, remark: "", flags: 0 } })
    const time = answer(28, [Srvsvc.RemoteTodRequest, Srvsvc.RemoteTodResponse], { client: "impacket" }, () => true)
    assert.deepStrictEqual(time.info, {
      elapsed: Date.UTC(2026, 10, 21, 12, 44, 19) / 1000,
      milliseconds: 0,
      hours: 12,
      minutes: 44,
      seconds: 19,
      hundredths: 0,
      timezone: 0,
      interval: 10_000,
      day: 21,
      month: 11,
      year: 2026,
      weekday: 6
    })
  })

  it("give a value or Malformed when they are truncated, changed or random", () => {
    for (const [name, some] of Object.entries(codecs)) {
      for (const [operation, [request, response]] of Object.entries(some)) {
        const of = calls.filter((call) => call.interface === name && call.operation === Number(operation)).slice(0, 2)
        hostile(request, of.map((call) => hex(call.request)), () => {}, 40)
        hostile(response, of.map((call) => hex(call.response)), () => {}, 40)
      }
    }
  })
})
