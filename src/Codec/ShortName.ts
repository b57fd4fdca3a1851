/**
 * Short names: names of 8 characters, a dot and 3 characters (8.3, MS-FSCC 2.1.5.2.1), for programs that know no other
 * names.
 *
 * The short name of a long name is computed from that name alone, as Samba's `mangling method = hash2` does: the first
 * character, five digits of a hash, `~`, one more digit, and the extension. So it needs no memory and no look at the
 * directory, it stays the same on each server, and a client can keep it. The hash has 31 bits: two names of one
 * directory have the same short name by chance in one of some two thousand directories with a thousand names.
 */
import { fold } from "./UpCase.ts"

const known = /^[!#$%&'()\-0-9@A-Z^_`{}~]{1,8}(?:\.[!#$%&'()\-0-9@A-Z^_`{}~]{1,3})?$/i

/** Names of devices: a program that knows only short names would open the device. */
const device = /^(?:AUX|CON|NUL|PRN|COM[1-9]|LPT[1-9])(?:\.|$)/i

/** The form of a generated name. */
const generated = /^[\w\-$~][0-9A-Z]{5}~[0-9A-Z](?:\.[\w\-$~]{1,3})?$/i

/** The extension of a long name, if the short name can have it too. */
const extension = /\.([\w\-$~]{1,3})$/

const firstCharacter = /^[\w\-$~]/

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// oxlint-disable-next-line no-control-regex
const ascii = /^[\0-\x7f]*$/

/** FNV-1 of the folded name in UTF-8, with Samba's initial value and signed bytes, cut to 31 bits. */
const hash = (name: string): number => {
  const folded = fold(name)
  let value = 0xa6b9_3095 | 0
  if (ascii.test(folded)) {
    for (let i = 0; i < folded.length; i++) value = Math.imul(value, 0x0100_0193) ^ folded.charCodeAt(i)
  } else {
    for (const byte of Buffer.from(folded, "utf8")) value = Math.imul(value, 0x0100_0193) ^ (byte << 24 >> 24)
  }
  return value & 0x7fff_ffff
}

/**
 * Whether a name is a valid short name itself. Such a name has no other short name.
 *
 * @since 0.2.0
 */
export const isShort = (name: string): boolean => known.test(name) && !device.test(name)

/**
 * Whether a name has the form of a generated short name.
 *
 * @since 0.2.0
 */
export const isGenerated = (name: string): boolean => generated.test(name)

/**
 * The generated short name of a name; empty if the name is a short name already. At most 12 UTF-16 code units.
 *
 * @category conversions
 * @since 0.2.0
 */
export const generate = (name: string): string => {
  if (isShort(name)) return ""
  const end = extension.exec(name)
  let value = hash(end === null ? name : name.slice(0, end.index))
  const digit = () => {
    const one = digits[value % 36]!
    value = Math.floor(value / 36)
    return one
  }
  const last = digit()
  let middle = ""
  for (let i = 0; i < 5; i++) middle = digit() + middle
  const first = firstCharacter.test(name) ? name[0]!.toUpperCase() : "_"
  return `${first}${middle}~${last}${end === null ? "" : `.${end[1]!.toUpperCase()}`}`
}
