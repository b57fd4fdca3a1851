/** The public modules of `effect-smb/Transfer`. Written by `npm run format`. */
export * as Difference from "./Difference.ts"
export * as Incomplete from "./Incomplete.ts"
export * as LocalError from "./LocalError.ts"
export * as LocalNames from "./LocalNames.ts"
export * as PlannedFolders from "./PlannedFolders.ts"
export * as Transfer from "./Transfer.ts"
export * as TransferEvent from "./TransferEvent.ts"
export * as UnfinishedFiles from "./UnfinishedFiles.ts"
