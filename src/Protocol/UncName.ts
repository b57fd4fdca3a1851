/**
 * How a place on a network is called: `\\server\share\path`, with the server's port only where it is not that of SMB.
 * On the wire goes the name without a port; what people and programs are told can be opened as it stands.
 */
import { isIPv6 } from "node:net"

/** The port of SMB over TCP. */
export const defaultPort = 445

/** A server, by its name or address, and its TCP port. */
export interface Server {
  readonly server: string
  readonly port: number
}

/**
 * An IPv6 address as Windows writes it in UNC paths, where a colon cannot stand: `fe80--1s4.ipv6-literal.net` is
 * `fe80::1%4`.
 */
const literal = /^([0-9a-f-]+)(?:s([0-9a-z._~-]+))?\.ipv6-literal\.net$/i

/** What to connect to for a server's name: an IPv6 address is taken out of its brackets, or out of Windows' words. */
export const host = (name: string): string => {
  if (name.startsWith("[") && name.endsWith("]")) return name.slice(1, -1)
  const [, digits, zone] = literal.exec(name) ?? []
  if (digits === undefined) return name
  const address = digits.replaceAll("-", ":")
  if (!isIPv6(address)) return name
  return zone === undefined ? address : `${address}%${zone}`
}

/** An IPv6 address, with or without a zone, in Windows' words; any other name as it is. */
export const toLiteral = (server: string): string =>
  server.includes(":") ? `${server.replaceAll(":", "-").replace("%", "s")}.ipv6-literal.net` : server

/** The name of a server, or of what `components` lead to there; an empty one counts for none. */
export const format = ({ port, server }: Server, ...components: ReadonlyArray<string>): string => {
  const host = server.includes(":") ? `[${server}]` : server
  const first = port === defaultPort ? host : `${host}:${port}`
  return `\\\\${[first, ...components].filter((component) => component !== "").join("\\")}`
}
