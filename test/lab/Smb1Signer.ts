/**
 * Signs SMB 1 for an smbd that does not sign: a hook for a proxy. It checks the signature of each request, and signs each
 * response (MS-CIFS 3.1.4.1, 3.2.5.3).
 *
 * smbd 4.17 signs only after a logon by SPNEGO. With this proxy, connections are also signed after a logon without
 * SPNEGO, whose response to the challenge is a part of the key. Samba's smbclient shows that these signatures are right.
 * Of `src/Smb1` this module uses only the decoder of the logon.
 */
import { NtlmCrypto } from "effect-smb/Auth"
import { Codec } from "effect-smb/Codec"
import { createHash, createHmac } from "node:crypto"
import { Command, Flags2, SecurityMode } from "../../src/Smb1/Message/Constants.ts"
import * as SessionSetup from "../../src/Smb1/Message/SessionSetup.ts"
import type { Packet } from "./Proxy.ts"

const {
  SMB_COM_NEGOTIATE: negotiate,
  SMB_COM_NT_CANCEL: ntCancel,
  SMB_COM_SESSION_SETUP_ANDX: sessionSetup
} = Command
/** The MID of oplock breaks and of their acknowledgements. */
const unsolicited = 0xffff

interface Connection {
  /** The key of the logon under way. */
  offered: Buffer | undefined
  key: Buffer | undefined
  next: number
  readonly numbers: Map<number, number>
}

/** A packet's signature: the first 8 bytes of MD5 over the key and the packet with its number. */
const signature = (key: Buffer, packet: Buffer, number: number): Buffer => {
  const copy = Buffer.from(packet)
  copy.fill(0, 14, 22)
  copy.writeUInt32LE(number, 14)
  return createHash("md5").update(key).update(copy).digest().subarray(0, 8)
}

/** The key of signatures: the session key of NTLMv2, followed by the whole response. */
const keyOf = (packet: Buffer, password: string): Buffer | undefined => {
  // 13 words: a logon without SPNEGO.
  if (packet[32] !== 13) return undefined
  const unicode = (packet.readUInt16LE(10) & Flags2.SMB_FLAGS2_UNICODE) !== 0
  const decoded = Codec.decode("request", Codec.at(32, SessionSetup.PlainRequest(unicode)))(packet)
  if (decoded._tag === "Failure") throw new Error(decoded.failure.message)
  const { accountName, primaryDomain, unicodePassword } = decoded.success
  if (unicodePassword.length < 24) return undefined
  const owf = NtlmCrypto.ntowfV2(NtlmCrypto.ntHash(password), accountName, primaryDomain)
  const sessionKey = createHmac("md5", owf).update(unicodePassword.subarray(0, 16)).digest()
  return Buffer.concat([sessionKey, unicodePassword])
}

/** The hook, the number of signatures that it has checked, and the requests with wrong ones. */
export const make = (password: string) => {
  const connections = new Map<number, Connection>()
  const wrong: Array<string> = []
  let checked = 0

  const request = (of: Connection, packet: Buffer): void => {
    const command = packet[4]!
    const mid = packet.readUInt16LE(30)
    if (of.key === undefined) {
      if (command === sessionSetup) of.offered = keyOf(packet, password)
      return
    }
    const number = of.next
    of.next += command === ntCancel ? 1 : 2
    if (command !== ntCancel && mid !== unsolicited) of.numbers.set(mid, number)
    checked++
    if ((packet.readUInt16LE(10) & 4) === 0 || !signature(of.key, packet, number).equals(packet.subarray(14, 22))) {
      wrong.push(`command ${command} with number ${number}`)
    }
  }

  const answer = (of: Connection, packet: Buffer): void => {
    const command = packet[4]!
    if (command === negotiate) {
      packet[35]! |= SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_ENABLED |
        SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_REQUIRED
    }
    let number = of.numbers.get(packet.readUInt16LE(30))
    if (command === sessionSetup && of.key === undefined && of.offered !== undefined && packet.readUInt32LE(5) === 0) {
      of.key = of.offered
      of.next = 2
      number = 0
    }
    if (of.key === undefined || number === undefined) return
    packet.writeUInt16LE(packet.readUInt16LE(10) | 4, 10)
    signature(of.key, packet, number + 1).copy(packet, 14)
  }

  return {
    onPacket: ({ bytes, connection, direction }: Packet): Uint8Array => {
      let of = connections.get(connection)
      if (of === undefined) {
        connections.set(connection, of = { offered: undefined, key: undefined, next: 0, numbers: new Map() })
      }
      const packet = bytes.subarray(4)
      if (packet.length > 32 && packet.readUInt32LE(0) === 0x424d53ff) {
        if (direction === "toServer") request(of, packet)
        else answer(of, packet)
      }
      return bytes
    },
    wrong: (): ReadonlyArray<string> => wrong,
    checked: (): number => checked
  }
}
