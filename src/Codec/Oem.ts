/**
 * Text of peers without Unicode: code page 850, the default of Windows and Samba.
 *
 * The code page is not negotiated. It lacks some characters: `encode` replaces them by `?`, and `canEncode` finds them
 * beforehand.
 */

const upper = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤" +
  "ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0"

const codes = new Map<string, number>([...upper].map((character, i) => [character, 0x80 + i]))

const code = (unit: string): number | undefined => unit.charCodeAt(0) < 0x80 ? unit.charCodeAt(0) : codes.get(unit)

/**
 * Whether the code page has all characters of a text.
 *
 * @since 0.1.0
 */
export const canEncode = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (code(text[i]!) === undefined) return false
  return true
}

/**
 * A text in the code page, without a terminator.
 *
 * @since 0.1.0
 */
export const encode = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = code(text[i]!) ?? 0x3f
  return bytes
}

/**
 * Bytes of the code page as a text.
 *
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += byte < 0x80 ? String.fromCharCode(byte) : upper[byte - 0x80]!
  return text
}
