/**
 * What a browser is told about the content of a file: its type, and whether it can be shown in the page's place.
 *
 * Files come from any user who can write to the share. So a file that could run a script in the origin of the pages is
 * only downloaded, a browser never guesses the type, and what it shows has no rights. Pure.
 */
import * as Mime from "effect/http/Mime"
import * as Option from "effect/Option"
import { more } from "./MediaTypes.ts"

const unknown = "application/octet-stream"

/** The type by the extension of the name. Texts count as UTF-8. */
export const typeOf = (name: string): string => {
  // With a slash before it, a name without a dot has no extension.
  const known = Mime.getType(`/${name}`)
  const extension = /[^.]\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? ""
  const type = Option.getOrElse(known, () => Object.hasOwn(more, extension) ? more[extension]! : unknown)
  return /^text\/|[/+](?:json|xml)$|javascript$/.test(type) ? `${type}; charset=utf-8` : type
}

const images = /^image\/(?:png|apng|jpeg|gif|webp|avif|bmp|x-icon|vnd\.microsoft\.icon)$/

/** Whether a browser shows this type without giving it rights. HTML, SVG and XML can hold scripts. */
export const isShown = (type: string): boolean => {
  const essence = type.replace(/;.*$/, "")
  return images.test(essence) || /^(?:audio|video)\//.test(essence) || essence === "application/json" ||
    essence === "application/pdf" || (essence.startsWith("text/") && !/html|xml|xsl|mathml/.test(essence))
}

/** A name in a header (RFC 6266, RFC 8187): characters of ASCII for old programs, and the whole name in UTF-8. */
const named = (name: string): string => {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, "_")
  const whole = encodeURIComponent(name.toWellFormed()).replace(
    /['()*!]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `filename="${ascii}"; filename*=UTF-8''${whole}`
}

/**
 * The policy of a file that a browser shows (CSP Level 3): no script, and nothing but the file itself.
 *
 * A browser's own player and its viewer of PDF get the bytes by further requests from the origin of the page. In a
 * sandbox, which has no origin, these are refused. Neither runs scripts of the file in the page's origin.
 */
const policyOf = (type: string): string => {
  const shown = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
  if (/^(?:audio|video)\//.test(type)) return `${shown}; media-src 'self'`
  return type === "application/pdf" ? `${shown}; object-src 'self'` : `${shown}; img-src 'self'; sandbox`
}

/** The headers of a file, in addition to those of its size and version. */
export const headersOf = (name: string, download: boolean): Readonly<Record<string, string>> => {
  const type = typeOf(name)
  return {
    "content-disposition": `${!download && isShown(type) ? "inline" : "attachment"}; ${named(name)}`,
    "content-security-policy": policyOf(type)
  }
}
