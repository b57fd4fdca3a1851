/**
 * How to reach a share that is served here, from each system's own tools.
 */
import * as UncName from "../Protocol/UncName.ts"

/** A share, and whoever may come in. */
export interface Place {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  readonly share: string
  readonly user: string
}

/** A host in a URL: an IPv6 address in brackets, the % of its zone as RFC 6874 has it. */
const inUrl = (host: string): string => host.includes(":") ? `[${host.replace("%", "%25")}]` : host

/** One command for each system. An IPv6 address has a form of its own in each of them. */
export const lines = ({ host, port, share, user }: Place): string => {
  const usual = port === UncName.defaultPort
  const isV6 = host.includes(":")
  const name = UncName.toLiteral(host)
  const windows = usual
    ? `\\\\${name}\\${share}`
    : `net use Z: \\\\${name}\\${share} /user:${user} /tcpport:${port}`
  const mac = `open smb://${encodeURIComponent(user)}@${inUrl(host)}${usual ? "" : `:${port}`}/${
    encodeURIComponent(share)
  }`
  const options = [...(isV6 ? [`ip=${host}`] : []), ...(usual ? [] : [`port=${port}`]), `username=${user}`].join()
  return [
    `  Windows  ${windows}${usual ? "" : "   (Windows 11 24H2 and later; older ones know port 445 alone)"}`,
    `  macOS    ${mac}`,
    `  Linux    sudo mount -t cifs //${name}/${share} /mnt -o ${options}`,
    `           smbclient //${host}/${share}${usual ? "" : ` -p ${port}`} -U ${user}`,
    ...(host.includes("%")
      ? [`  What follows the % is this machine's name for its network: each other one has its own (Windows: a number).`]
      : [])
  ].join("\n")
}
