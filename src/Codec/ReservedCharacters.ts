/**
 * Characters that no name in SMB can have (MS-FSCC 2.1.5.2), in Unicode's private use area.
 *
 * A file system of Unix keeps names such as `11:05.jpg`, `what?` and `end.`. Linux' client (`mapposix`), macOS' client
 * and Samba's `vfs_fruit` write them in SMB with the code points of Services for Macintosh: U+F001 to U+F01F for the
 * control characters U+0001 to U+001F, and U+F020 to U+F029 for `"`, `*`, `:`, `<`, `>`, `?`, `\`, `|`, a blank at the
 * end and a dot at the end.
 *
 * A plain name can contain such a code point itself. It then has U+F07F before it in SMB, as U+F07F itself has. So two
 * plain names never have the same name in SMB, and each one is found again: `toPlain(toPrivateUse(name))` is `name`.
 */

const escape = "\uf07f"

const plain = "\"*:<>?\\| ."
const mapped = "\uf020\uf021\uf022\uf023\uf024\uf025\uf026\uf027\uf028\uf029"

/** Everything that `toPrivateUse` changes. */
// oxlint-disable-next-line no-control-regex -- they are what a name in SMB cannot have
const changed = /[\u0001-\u001f"*:<>?\\|\uf001-\uf027\uf07f]|[ .\uf028\uf029]$/g

/** Everything that `toPlain` changes. */
const changedBack = /\uf07f(?:[\uf001-\uf027\uf07f]|[\uf028\uf029]$)|[\uf001-\uf027]|[\uf028\uf029]$/g

/**
 * The name of a file in SMB, from its plain name.
 *
 * @category conversions
 * @since 0.2.0
 */
export const toPrivateUse = (name: string): string =>
  name.replace(changed, (one) => {
    const code = one.charCodeAt(0)
    if (code >= 0xf000) return escape + one
    return code < 0x20 ? String.fromCharCode(0xf000 + code) : mapped[plain.indexOf(one)]!
  })

/**
 * The plain name of a file, from its name in SMB. Names that `toPrivateUse` never gives have a plain name too: `end.` is
 * the plain name of itself, and a U+F07F with nothing to protect stands for itself.
 *
 * @category conversions
 * @since 0.2.0
 */
export const toPlain = (name: string): string =>
  name.replace(changedBack, (one) => {
    if (one.length > 1) return one[1]!
    const code = one.charCodeAt(0)
    return code < 0xf020 ? String.fromCharCode(code - 0xf000) : plain[mapped.indexOf(one)]!
  })

/**
 * Whether a name has characters that no name in SMB can have. Dots and blanks at the end are possible in SMB, but not in
 * most programs of Windows.
 *
 * @since 0.2.0
 */
// oxlint-disable-next-line no-control-regex -- they are what a name in SMB cannot have
export const areIn = (name: string): boolean => /[\u0001-\u001f"*:<>?\\|]/.test(name)
