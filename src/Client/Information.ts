/** Operations with the structures of MS-FSCC: they query and set information by the document's names. */
import * as Codec from "../Codec/Codec.ts"
import * as DirectoryInformation from "../Codec/DirectoryInformation.ts"
import * as FileInformation from "../Codec/FileInformation.ts"
import * as FileSystemInformation from "../Codec/FileSystemInformation.ts"
import type * as Operation from "../Protocol/Operation.ts"

type Value<C> = C extends { readonly codec: Codec.Codec<infer A> } ? A : never
type Entry<C> = Value<C> extends ReadonlyArray<infer A> ? A : never

type FileClasses = typeof FileInformation.classes
type FileSystemClasses = typeof FileSystemInformation.classes
type DirectoryClasses = typeof DirectoryInformation.classes

/** The maximum size of a response in bytes, for classes without a fixed size. */
const maximum = 65536

/**
 * Queries a class of file information: `queryFile("FileStandardInformation")`.
 *
 * @since 0.1.0
 */
export const queryFile = <N extends keyof FileClasses>(
  name: N,
  options?: { readonly maximum?: number | undefined; readonly input?: Uint8Array | undefined }
): Operation.QueryInfo<Value<FileClasses[N]>> => {
  const { codec, number } = FileInformation.classes[name]
  return {
    _tag: "QueryInfo",
    information: { _tag: "File", fileInformationClass: number },
    maximum: options?.maximum ?? maximum,
    decode: Codec.decode(name, codec as unknown as Codec.Codec<Value<FileClasses[N]>>),
    ...(options?.input === undefined ? {} : { input: options.input })
  }
}

/**
 * Sets a class of file information: `setFile("FileEndOfFileInformation", { endOfFile: 0n })`.
 *
 * @since 0.1.0
 */
export const setFile = <N extends keyof FileClasses>(name: N, value: Value<FileClasses[N]>): Operation.SetInfo => {
  const { codec, number } = FileInformation.classes[name]
  return {
    _tag: "SetInfo",
    information: { _tag: "File", fileInformationClass: number },
    data: Codec.encode(codec as unknown as Codec.Codec<Value<FileClasses[N]>>)(value)
  }
}

/**
 * FileBasicInformation with which a server changes nothing (MS-FSCC 2.4.7).
 *
 * @since 0.2.0
 */
export const unchanged: Value<FileClasses["FileBasicInformation"]> = {
  creationTime: 0n,
  lastAccessTime: 0n,
  lastWriteTime: 0n,
  changeTime: 0n,
  fileAttributes: 0
}

/**
 * Queries a class of file-system information: `queryFileSystem("FileFsFullSizeInformation")`.
 *
 * @since 0.1.0
 */
export const queryFileSystem = <N extends keyof FileSystemClasses>(
  name: N
): Operation.QueryInfo<Value<FileSystemClasses[N]>> => {
  const { codec, number } = FileSystemInformation.classes[name]
  return {
    _tag: "QueryInfo",
    information: { _tag: "FileSystem", fileSystemInformationClass: number },
    maximum,
    decode: Codec.decode(name, codec as unknown as Codec.Codec<Value<FileSystemClasses[N]>>)
  }
}

/**
 * The next entries of a directory: `queryDirectory("FileIdFullDirectoryInformation", { pattern: "*", ... })`.
 *
 * @since 0.1.0
 */
export const queryDirectory = <N extends keyof DirectoryClasses>(
  name: N,
  options: { readonly pattern: string; readonly restart: boolean; readonly maximum: number }
): Operation.QueryDirectory<Entry<DirectoryClasses[N]>> => {
  const { codec, number } = DirectoryInformation.classes[name]
  return {
    _tag: "QueryDirectory",
    fileInformationClass: number,
    ...options,
    decode: Codec.decode(name, codec as unknown as Codec.Codec<ReadonlyArray<Entry<DirectoryClasses[N]>>>)
  }
}
