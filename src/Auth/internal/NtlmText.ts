/** Text in NTLM messages. */

/** UTF-16LE as text. A last odd byte is ignored. */
export const unicode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~1).toString("utf16le")
