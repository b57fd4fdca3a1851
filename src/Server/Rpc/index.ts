/** The public modules of `effect-smb/Server, Rpc`. Written by `npm run format`. */
export * as Accounts from "./Accounts.ts"
export * as Interface from "./Interface.ts"
export * as Lsarpc from "./Lsarpc.ts"
export * as Srvsvc from "./Srvsvc.ts"
export * as Wkssvc from "./Wkssvc.ts"
