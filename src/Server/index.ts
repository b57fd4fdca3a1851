/** The public modules of `effect-smb/Server`. Written by `npm run format`. */
export * as Events from "./Events.ts"
export * as IdentityStore from "./IdentityStore.ts"
export * as Limits from "./Limits.ts"
export * as PrivateFile from "./PrivateFile.ts"
export * as ShareStore from "./ShareStore.ts"
export * as SmbServer from "./SmbServer.ts"
export * as Store from "./Store/index.ts"
export * as UserStore from "./UserStore.ts"
