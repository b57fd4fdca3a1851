/**
 * The name of a place on a network: `\\server\share\path`, with the server's port only if it is not that of SMB. The
 * name on the wire has no port; the name in messages to people and programs can be opened unchanged.
 */
import { isIPv6 } from "node:net"

/**
 * The port of SMB over TCP.
 *
 * @since 0.1.0
 */
export const defaultPort = 445

/**
 * A server, by its name or address, and its TCP port.
 *
 * @since 0.1.0
 */
export interface Server {
  readonly server: string
  readonly port: number
}

/**
 * An IPv6 address as Windows writes it in UNC paths, where a colon cannot stand: `fe80--1s4.ipv6-literal.net` is
 * `fe80::1%4`.
 */
const literal = /^([0-9a-f-]+)(?:s([0-9a-z._~-]+))?\.ipv6-literal\.net$/i

/**
 * The host to connect to for a server's name: without the brackets of an IPv6 address, or from Windows' name for it.
 *
 * @since 0.1.0
 */
export const host = (name: string): string => {
  if (name.startsWith("[") && name.endsWith("]")) return name.slice(1, -1)
  const [, digits, zone] = literal.exec(name) ?? []
  if (digits === undefined) return name
  const address = digits.replaceAll("-", ":")
  if (!isIPv6(address)) return name
  return zone === undefined ? address : `${address}%${zone}`
}

/**
 * Windows' name for an IPv6 address, with or without a zone; any other name unchanged.
 *
 * @since 0.1.0
 */
export const toLiteral = (server: string): string =>
  server.includes(":") ? `${server.replaceAll(":", "-").replace("%", "s")}.ipv6-literal.net` : server

/**
 * The name of a server, or of the place that `components` lead to there; empty components are ignored.
 *
 * @since 0.1.0
 */
export const format = ({ port, server }: Server, ...components: ReadonlyArray<string>): string => {
  const host = server.includes(":") ? `[${server}]` : server
  const first = port === defaultPort ? host : `${host}:${port}`
  return `\\\\${[first, ...components].filter((component) => component !== "").join("\\")}`
}
