/**
 * The names by which a browser may call this server. A page of another site can give its own name the address of this
 * machine (DNS rebinding): then its scripts could read the share with the rights of the command's user. The browser
 * still sends the other site's name, so the server answers only to its own.
 */
import { isIP } from "node:net"
import { hostname } from "node:os"

/** The name in a Host header (RFC 9110, 7.2), without its port, in lower case. */
const nameOf = (host: string): string =>
  /^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase()

/** The name of this machine, and that name in a domain, such as `nas` and `nas.local`. */
const isMachine = (name: string): boolean => {
  const [own] = hostname().toLowerCase().split(".", 1)
  return name === own || name === hostname().toLowerCase() || name === `${own}.local`
}

/** Whether a request with this Host header is for this server: by an address, or by a name of this machine. */
export const isOwn = (host: string, allowed: ReadonlyArray<string>): boolean => {
  const name = nameOf(host)
  return isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost") || isMachine(name) ||
    allowed.some((one) => one.toLowerCase() === name)
}
