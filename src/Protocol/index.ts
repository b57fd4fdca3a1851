/** The public modules of `effect-smb/Protocol`. Written by `npm run format`. */
export * as ConnectionErrors from "./ConnectionErrors.ts"
export * as DfsError from "./DfsError.ts"
export * as Errors from "./Errors.ts"
export * as FrameReader from "./FrameReader.ts"
export * as Multiplexer from "./Multiplexer.ts"
export * as Operation from "./Operation.ts"
export * as Share from "./Share.ts"
export * as Transport from "./Transport.ts"
