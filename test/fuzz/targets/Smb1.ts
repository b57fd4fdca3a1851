/** SMB 1: messages both ways by their codecs, chains of ANDX, transactions, listings. */
import { Result } from "effect"
import type * as Codec from "../../../src/Codec/Codec.ts"
import * as AndX from "../../../src/Smb1/AndX.ts"
import * as Listing from "../../../src/Smb1/Listing.ts"
import * as Block from "../../../src/Smb1/Message/Block.ts"
import * as Negotiate from "../../../src/Smb1/Message/Negotiate.ts"
import * as NtCreate from "../../../src/Smb1/Message/NtCreate.ts"
import * as NtTransact from "../../../src/Smb1/Message/NtTransact.ts"
import * as ReadWrite from "../../../src/Smb1/Message/ReadWrite.ts"
import * as SessionSetup from "../../../src/Smb1/Message/SessionSetup.ts"
import * as Simple from "../../../src/Smb1/Message/Simple.ts"
import * as Trans2 from "../../../src/Smb1/Message/Trans2.ts"
import * as Transaction from "../../../src/Smb1/Message/Transaction.ts"
import * as TreeConnect from "../../../src/Smb1/Message/TreeConnect.ts"
import { codecOf, packets } from "../../Smb1/Message/packets.ts"
import { codec, codecBehind, family, isJustified, type Member } from "../Promises.ts"

const headerSize = 32

type Structure = Codec.Codec<any>

/** The codecs of a module: values, and functions of whether the text is Unicode. */
const codecsOf = (modules: Readonly<Record<string, object>>): ReadonlyArray<readonly [string, Structure]> =>
  Object.entries(modules).flatMap(([module, exports]) =>
    Object.entries(exports).flatMap(([name, value]): ReadonlyArray<readonly [string, Structure]> => {
      if (typeof value === "object" && value !== null && "minimumSize" in value) {
        return [[`${module}.${name}`, value as Structure]]
      }
      // The names of layouts begin with a capital, those of functions do not.
      if (typeof value !== "function" || !/^[A-Z]/.test(name)) return []
      const either = value as (unicode: boolean) => Structure
      return [[`${module}.${name} Unicode`, either(true)], [`${module}.${name} OEM`, either(false)]]
    })
  )

const bodies = codecsOf({
  Negotiate,
  NtCreate,
  ReadWrite,
  SessionSetup,
  Simple,
  Transaction,
  TreeConnect,
  Block: { Empty: Block.Empty }
})

const seedsOf = (structure: Structure): ReadonlyArray<Uint8Array> =>
  packets.filter((packet) => codecOf(packet) === structure).map(({ packet }) => packet.subarray(headerSize))

const chains: Member = {
  name: "ANDX chain",
  run: (packet) => {
    const parts = AndX.parts(packet)
    if (Result.isSuccess(parts)) isJustified(parts.success, packet)
    AndX.unsound(packet)
  },
  seeds: packets.map(({ packet }) => packet)
}

const classes = [1, 2, 3, 12, 37, 38]

const listing: Member = {
  name: "FIND2 entries",
  run: (input) => {
    const [informationClass = 0, count = 0, unicode = 0] = input
    const data = input.subarray(3)
    const page = Listing.read(classes[informationClass % classes.length]!, data, count, unicode % 2 === 0)
    // Names without Unicode take twice their bytes.
    if (Result.isSuccess(page)) isJustified(page.success, data)
  }
}

export const smb1 = family("smb1", [
  ...bodies.map(([name, structure]) => codecBehind(name, headerSize, structure, seedsOf(structure))),
  ...codecsOf({ Trans2, NtTransact }).map(([name, structure]) => codec(name, structure)),
  chains,
  listing
])
