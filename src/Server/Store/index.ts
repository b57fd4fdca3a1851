/** The public modules of `effect-smb/Server, Store`. Written by `npm run format`. */
export * as FileSystemStore from "./FileSystemStore.ts"
export * as LocalStore from "./LocalStore.ts"
export * as MemoryStore from "./MemoryStore.ts"
export * as NamespaceStore from "./NamespaceStore.ts"
export * as ObjectStore from "./ObjectStore.ts"
export * as SqliteClient from "./SqliteClient.ts"
