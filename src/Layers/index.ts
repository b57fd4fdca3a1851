/** The public modules of `effect-smb/Layers`. Written by `npm run format`. */
export * as TcpTransport from "./TcpTransport.ts"
