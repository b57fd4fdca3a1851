/** Passwords in words that the user has typed: a message must not show them. Pure. */

/** A URL's text before its last `@`, if it may hold a password. */
const secret = /:\/\/(?=[^\s@]*(?::|%3a))\S*@/gi

/** The same for `smb:` with a slash too few. A blank in the password does not end it. */
const secretOfScheme = /\bsmb:(?![\\/]{2})(?=[^@\n]*[:%])[^\n]*@/gi

/** The same without a scheme, in either direction of the separators. A later part of a path is no password. */
const secretOfPath = /([\\/]{2})[^\\/\s@"]*(?::|%3a)[^\\/\s@]*@/gi

/** `name:password@` without the separators in front of it, in a word that the command cannot use. */
const secretOfWord = /(?<=^|[\s"'=])[^\s"'=:\\/@]+:[^\s\\/@]+@/g

/** `name%password` of smbclient, in a word that the command cannot use. The zone of an IPv6 address is no password. */
const secretOfUser = /(?<=^|[\s"'=])((?:smb:\/\/)?[^\s"'=:%]+%)[^\s"']+/gi

/**
 * The text without what may be a password in a URL or path. A password that is written wrongly can have any character.
 * `usage`: the text repeats words of the command line, where a password can be in a wrong place.
 */
export const withoutSecrets = (text: string, { usage = false }: { readonly usage?: boolean } = {}): string => {
  const paths = text.replace(secret, "://...@").replace(secretOfScheme, "smb:...@").replace(secretOfPath, "$1...@")
  return usage ? paths.replace(secretOfWord, "...@").replace(secretOfUser, "$1...") : paths
}
