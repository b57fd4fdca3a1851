/**
 * The addresses of a server for clients that want several channels (FSCTL_QUERY_NETWORK_INTERFACE_INFO, MS-SMB2
 * 3.3.5.15.11): the address that the client used, and if the server listens on all addresses, also the machine's
 * others.
 */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import { isIP, isIPv4, isIPv6 } from "node:net"
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os"
import * as Codec from "../../../Codec/Codec.ts"
import * as Fsctl from "../../../Smb2/Message/Fsctl.ts"

/** Bits per second, if the link's speed is not known. */
const usualSpeed = 1_000_000_000n

/** The speed of a link, as Linux reports it. */
const speedOf = (name: string): Effect.Effect<bigint> =>
  Effect.promise(async () => {
    const megabits = Number(await readFile(`/sys/class/net/${encodeURIComponent(name)}/speed`, "utf8").catch(() => ""))
    return megabits > 0 ? BigInt(megabits) * 1_000_000n : usualSpeed
  })

/** The 16 bytes of an IPv6 address, which may end with an IPv4 address or a zone. */
const bytesOf = (address: string): Uint8Array => {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number)
  const [before = "", after] = new URL(`http://[${address.replace(/%.*$/, "")}]`).hostname.slice(1, -1).split("::")
  const words = (text: string) => (text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16)))
  const left = words(before)
  const right = after === undefined ? [] : words(after)
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}

/** A socket for both address families shows an IPv4 address as an IPv6 one. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "")

/** Whether other clients can use an address: link-local addresses mean nothing without their zone. */
const isOpen = ({ address, internal }: NetworkInterfaceInfo): boolean => !internal && !/^fe[89ab]/i.test(address)

/** Whether a server that listens on this address listens on all addresses: `0.0.0.0`, or `::` in any of its forms. */
const isAny = (host: string): boolean => isIP(host) !== 0 && bytesOf(host).every((byte) => byte === 0)

/**
 * The response's buffer. `host` is the address that the server listens on, `local` the one that the client used. A
 * server that listens on `::` has the IPv4 addresses, too. Default: the machine's own `interfaces`.
 */
export const encode = (
  host: string,
  local: string,
  interfaces: NodeJS.Dict<ReadonlyArray<NetworkInterfaceInfo>> = networkInterfaces()
): Effect.Effect<Uint8Array> =>
  Effect.gen(function*() {
    const own = plain(local)
    const all = isAny(host)
    const found: Array<Fsctl.NetworkInterfaceInfo> = []
    for (const [i, [name, addresses = []]] of Object.entries(interfaces).entries()) {
      const chosen = addresses.filter((one) =>
        one.address === own || all && isOpen(one) && (isIPv6(host) || one.family === "IPv4")
      )
      if (chosen.length === 0) continue
      const linkSpeed = yield* speedOf(name)
      for (const { address } of chosen) found.push(info(address, i + 1, linkSpeed))
    }
    // Loopback has more addresses than any list shows.
    if (found.length === 0) found.push(info(own, 1, usualSpeed))
    return Codec.encode(Fsctl.NetworkInterfaceInfos)(found)
  })

const info = (address: string, ifIndex: number, linkSpeed: bigint): Fsctl.NetworkInterfaceInfo => ({
  ifIndex,
  capability: 0,
  linkSpeed,
  sockAddrStorage: isIPv4(address)
    ? { _tag: "SockAddrIn", ipv4Address: bytesOf(address) }
    : { _tag: "SockAddrIn6", ipv6Address: bytesOf(address) }
})
