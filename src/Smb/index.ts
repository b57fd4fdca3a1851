/** The public modules of `effect-smb/Smb`. Written by `npm run format`. */
export * as Smb from "./Smb.ts"
