/** How to connect to a share of this server with each system's own tools. */
import * as UncName from "../Protocol/UncName.ts"

/** A share, and the user that can log on. */
export interface Place {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  readonly share: string
  readonly user: string
}

/** A host in a URL: an IPv6 address is in brackets, and the % of its zone is as RFC 6874 has it. */
const inUrl = (host: string): string => host.includes(":") ? `[${host.replace("%", "%25")}]` : host

/** One command for each system. Each system has its own form of an IPv6 address. */
export const lines = ({ host, port, share, user }: Place): string => {
  const usual = port === UncName.defaultPort
  const isV6 = host.includes(":")
  const name = UncName.toLiteral(host)
  const windows = usual
    ? `\\\\${name}\\${share}`
    : `net use Z: \\\\${name}\\${share} /user:${user} /tcpport:${port}`
  // A URL is UTF-8, which has no half of a surrogate pair.
  const mac = user.isWellFormed() && share.isWellFormed()
    ? `open smb://${encodeURIComponent(user)}@${inUrl(host)}${usual ? "" : `:${port}`}/${encodeURIComponent(share)}`
    : "(no URL can carry this name, which has half of a surrogate pair: rename the share or the user)"
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
