/** The public modules of `effect-smb/FileSystem`. Written by `npm run format`. */
export * as SmbFileSystem from "./SmbFileSystem.ts"
