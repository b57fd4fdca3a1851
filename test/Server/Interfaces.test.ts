/**
 * Proves which addresses FSCTL_QUERY_NETWORK_INTERFACE_INFO tells (MS-SMB2 3.3.5.15.11), for each way to listen.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Codec } from "effect-smb/Codec"
import type { NetworkInterfaceInfo } from "node:os"
import * as Interfaces from "../../src/Server/internal/Command/Interfaces.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"

const at = (address: string, internal = false): NetworkInterfaceInfo => {
  const common = { address, netmask: "", mac: "", internal, cidr: null }
  return address.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" }
}

const interfaces = {
  "lo/no-file": [at("127.0.0.1", true), at("::1", true)],
  "eth/no-file": [at("192.0.2.7"), at("2001:db8::7"), at("fe80::1"), at("febf::1")],
  "wlan/no-file": [at("198.51.100.7"), at("2001:db8:1:2:3:4:5:6")]
}

/** The index of each interface, with its address in hexadecimal. */
const told = (host: string, local: string) =>
  Effect.map(
    Interfaces.encode(host, local, interfaces),
    (bytes) =>
      Result.getOrThrow(Codec.decode("NETWORK_INTERFACE_INFO", Fsctl.NetworkInterfaceInfos)(bytes)).map(
        ({ ifIndex, sockAddrStorage: address }) => {
          assert(address._tag !== "Unknown")
          const bytes = address._tag === "SockAddrIn" ? address.ipv4Address : address.ipv6Address
          return `${ifIndex} ${Buffer.from(bytes).toString("hex")}`
        }
      )
  )

const ofIpv4 = ["2 c0000207", "3 c6336407"]
const ofBoth = ["2 c0000207", "2 20010db8000000000000000000000007", "3 c6336407", "3 20010db8000100020003000400050006"]

it.effect("a server on all addresses tells those of the family that it listens on, IPv4 and IPv6 with `::`", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* told("0.0.0.0", "192.0.2.7"), ofIpv4)
    for (const host of ["::", "0:0:0:0:0:0:0:0", "::0", "::0.0.0.0"]) {
      assert.deepStrictEqual(yield* told(host, "::ffff:192.0.2.7"), ofBoth, host)
    }
    // The client's own address is told also if other clients cannot use it.
    assert.deepStrictEqual(yield* told("0.0.0.0", "127.0.0.1"), ["1 7f000001", ...ofIpv4])
    assert.include(yield* told("::", "fe80::1"), "2 fe800000000000000000000000000001")
  }))

it.effect("a server on one address, or on a name, tells the address that the client used", () =>
  Effect.gen(function*() {
    for (const host of ["192.0.2.7", "files.example", "::1"]) {
      assert.deepStrictEqual(yield* told(host, "192.0.2.7"), ["2 c0000207"])
    }
    // An address that no list shows.
    assert.deepStrictEqual(yield* told("127.0.9.9", "127.0.9.9"), ["1 7f000909"])
  }))
