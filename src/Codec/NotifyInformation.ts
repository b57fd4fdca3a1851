/**
 * FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1): the changes in a watched directory.
 */
import * as Codec from "./Codec.ts"

/**
 * One change: `fileName` is relative to the watched directory.
 *
 * @category models
 * @since 0.1.0
 */
export const FileNotifyInformation = Codec.struct({
  /** FILE_ACTION_*. */
  action: Codec.u32,
  fileNameLength: Codec.lengthOf("fileName"),
  fileName: Codec.buffer(Codec.utf16)
})
export type FileNotifyInformation = Codec.Type<typeof FileNotifyInformation>

/**
 * The changes of one response.
 *
 * @since 0.1.0
 */
export const FileNotifyInformations = Codec.chained(FileNotifyInformation, 4)
