/** The public modules of `effect-smb/Codec`. Written by `npm run format`. */
export * as Codec from "./Codec.ts"
export * as Cursor from "./Cursor.ts"
export * as Malformed from "./Malformed.ts"
