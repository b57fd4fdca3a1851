/** The public modules of `effect-smb/Codec, Rpc`. Written by `npm run format`. */
export * as DceRpc from "./DceRpc.ts"
export * as Lsad from "./Lsad.ts"
export * as Lsat from "./Lsat.ts"
export * as Ndr from "./Ndr.ts"
export * as Srvsvc from "./Srvsvc.ts"
export * as SrvsvcLists from "./SrvsvcLists.ts"
export * as Wkssvc from "./Wkssvc.ts"
