/**
 * Numbers of SMB 1 (MS-CIFS 2.2, MS-SMB 2.2), by the documents' names.
 */

/**
 * SMB_Header.Command (MS-CIFS 2.2.2.1).
 *
 * @since 0.1.0
 */
export const Command = {
  SMB_COM_CREATE_DIRECTORY: 0x00,
  SMB_COM_DELETE_DIRECTORY: 0x01,
  SMB_COM_CLOSE: 0x04,
  SMB_COM_FLUSH: 0x05,
  SMB_COM_DELETE: 0x06,
  SMB_COM_RENAME: 0x07,
  SMB_COM_LOCKING_ANDX: 0x24,
  SMB_COM_TRANSACTION: 0x25,
  SMB_COM_TRANSACTION_SECONDARY: 0x26,
  SMB_COM_ECHO: 0x2b,
  SMB_COM_READ_ANDX: 0x2e,
  SMB_COM_WRITE_ANDX: 0x2f,
  SMB_COM_TRANSACTION2: 0x32,
  SMB_COM_TRANSACTION2_SECONDARY: 0x33,
  SMB_COM_FIND_CLOSE2: 0x34,
  SMB_COM_TREE_DISCONNECT: 0x71,
  SMB_COM_NEGOTIATE: 0x72,
  SMB_COM_SESSION_SETUP_ANDX: 0x73,
  SMB_COM_LOGOFF_ANDX: 0x74,
  SMB_COM_TREE_CONNECT_ANDX: 0x75,
  SMB_COM_NT_TRANSACT: 0xa0,
  SMB_COM_NT_TRANSACT_SECONDARY: 0xa1,
  SMB_COM_NT_CREATE_ANDX: 0xa2,
  SMB_COM_NT_CANCEL: 0xa4,
  SMB_COM_NT_RENAME: 0xa5,
  SMB_COM_NO_ANDX_COMMAND: 0xff
} as const

const names = Object.fromEntries(
  Object.entries(Command).map(([name, number]) => [number, name.slice("SMB_COM_".length)])
)

/**
 * The name of a command number without its prefix, for errors.
 *
 * @since 0.1.0
 */
export const commandName = (command: number): string => names[command] ?? `command ${command}`

/**
 * SMB_Header.Flags (MS-CIFS 2.2.3.1).
 *
 * @since 0.1.0
 */
export const Flags = {
  SMB_FLAGS_CASE_INSENSITIVE: 0x08,
  SMB_FLAGS_CANONICALIZED_PATHS: 0x10,
  SMB_FLAGS_REPLY: 0x80
} as const

/**
 * SMB_Header.Flags2 (MS-CIFS 2.2.3.1, MS-SMB 2.2.3.1).
 *
 * @since 0.1.0
 */
export const Flags2 = {
  SMB_FLAGS2_LONG_NAMES: 0x0001,
  SMB_FLAGS2_EAS: 0x0002,
  SMB_FLAGS2_SMB_SECURITY_SIGNATURE: 0x0004,
  SMB_FLAGS2_SMB_SECURITY_SIGNATURE_REQUIRED: 0x0010,
  SMB_FLAGS2_IS_LONG_NAME: 0x0040,
  SMB_FLAGS2_REPARSE_PATH: 0x0400,
  SMB_FLAGS2_EXTENDED_SECURITY: 0x0800,
  SMB_FLAGS2_DFS: 0x1000,
  SMB_FLAGS2_PAGING_IO: 0x2000,
  SMB_FLAGS2_NT_STATUS: 0x4000,
  SMB_FLAGS2_UNICODE: 0x8000
} as const

/**
 * Capabilities of NEGOTIATE and SESSION_SETUP_ANDX (MS-CIFS 2.2.4.52.2, MS-SMB 2.2.4.5.2.1).
 *
 * @since 0.1.0
 */
export const Capabilities = {
  CAP_RAW_MODE: 0x0000_0001,
  CAP_MPX_MODE: 0x0000_0002,
  CAP_UNICODE: 0x0000_0004,
  CAP_LARGE_FILES: 0x0000_0008,
  CAP_NT_SMBS: 0x0000_0010,
  CAP_RPC_REMOTE_APIS: 0x0000_0020,
  CAP_STATUS32: 0x0000_0040,
  CAP_LEVEL_II_OPLOCKS: 0x0000_0080,
  CAP_LOCK_AND_READ: 0x0000_0100,
  CAP_NT_FIND: 0x0000_0200,
  CAP_DFS: 0x0000_1000,
  CAP_INFOLEVEL_PASSTHRU: 0x0000_2000,
  CAP_LARGE_READX: 0x0000_4000,
  CAP_LARGE_WRITEX: 0x0000_8000,
  CAP_EXTENDED_SECURITY: 0x8000_0000
} as const

/**
 * SecurityMode of NEGOTIATE (MS-CIFS 2.2.4.52.2).
 *
 * @since 0.1.0
 */
export const SecurityMode = {
  NEGOTIATE_USER_SECURITY: 0x01,
  NEGOTIATE_ENCRYPT_PASSWORDS: 0x02,
  NEGOTIATE_SECURITY_SIGNATURES_ENABLED: 0x04,
  NEGOTIATE_SECURITY_SIGNATURES_REQUIRED: 0x08
} as const

/**
 * Action of SESSION_SETUP_ANDX (MS-CIFS 2.2.4.53.2).
 *
 * @since 0.1.0
 */
export const SetupAction = { SMB_SETUP_GUEST: 0x0001 } as const

/**
 * Flags of TREE_CONNECT_ANDX (MS-SMB 2.2.4.7.1).
 *
 * @since 0.1.0
 */
export const TreeConnectFlags = { TREE_CONNECT_ANDX_EXTENDED_RESPONSE: 0x0008 } as const

/**
 * OptionalSupport of TREE_CONNECT_ANDX (MS-SMB 2.2.4.7.2).
 *
 * @since 0.1.0
 */
export const OptionalSupport = { SMB_SUPPORT_SEARCH_BITS: 0x0001, SMB_SHARE_IS_IN_DFS: 0x0002 } as const

/**
 * Flags of NT_CREATE_ANDX (MS-CIFS 2.2.4.64.1, MS-SMB 2.2.4.9.1).
 *
 * @since 0.1.0
 */
export const NtCreateFlags = {
  NT_CREATE_REQUEST_OPLOCK: 0x0000_0002,
  NT_CREATE_REQUEST_OPBATCH: 0x0000_0004,
  NT_CREATE_OPEN_TARGET_DIR: 0x0000_0008,
  NT_CREATE_REQUEST_EXTENDED_RESPONSE: 0x0000_0010
} as const

/**
 * TypeOfLock of LOCKING_ANDX (MS-CIFS 2.2.4.32.1).
 *
 * @since 0.1.0
 */
export const TypeOfLock = {
  READ_WRITE_LOCK: 0x00,
  SHARED_LOCK: 0x01,
  OPLOCK_RELEASE: 0x02,
  CHANGE_LOCKTYPE: 0x04,
  CANCEL_LOCK: 0x08,
  LARGE_FILES: 0x10
} as const

/**
 * WriteMode of WRITE_ANDX (MS-CIFS 2.2.4.43.1).
 *
 * @since 0.1.0
 */
export const WriteMode = { WritethroughMode: 0x0001, NAMED_PIPE_MSG_START: 0x0008 } as const

/**
 * Subcommands of TRANSACTION on a named pipe (MS-CIFS 2.2.5).
 *
 * @since 0.1.0
 */
export const TransSubcommand = { TRANS_TRANSACT_NMPIPE: 0x0026 } as const

/**
 * Subcommands of TRANSACTION2 (MS-CIFS 2.2.6).
 *
 * @since 0.1.0
 */
export const Trans2Subcommand = {
  TRANS2_FIND_FIRST2: 0x0001,
  TRANS2_FIND_NEXT2: 0x0002,
  TRANS2_QUERY_FS_INFORMATION: 0x0003,
  TRANS2_SET_FS_INFORMATION: 0x0004,
  TRANS2_QUERY_PATH_INFORMATION: 0x0005,
  TRANS2_SET_PATH_INFORMATION: 0x0006,
  TRANS2_QUERY_FILE_INFORMATION: 0x0007,
  TRANS2_SET_FILE_INFORMATION: 0x0008,
  TRANS2_GET_DFS_REFERRAL: 0x0010
} as const

/**
 * Subcommands of NT_TRANSACT (MS-CIFS 2.2.7).
 *
 * @since 0.1.0
 */
export const NtTransactSubcommand = {
  NT_TRANSACT_CREATE: 0x0001,
  NT_TRANSACT_IOCTL: 0x0002,
  NT_TRANSACT_SET_SECURITY_DESC: 0x0003,
  NT_TRANSACT_NOTIFY_CHANGE: 0x0004,
  NT_TRANSACT_QUERY_SECURITY_DESC: 0x0006
} as const

/**
 * Levels of FIND_FIRST2 and FIND_NEXT2 (MS-CIFS 2.2.2.3.1, MS-SMB 2.2.2.3.1), by the class that has their layout.
 *
 * @since 0.1.0
 */
export const FindLevel: { readonly [fileInformationClass: number]: number } = {
  /** FileDirectoryInformation: SMB_FIND_FILE_DIRECTORY_INFO. */
  1: 0x0101,
  /** FileFullDirectoryInformation: SMB_FIND_FILE_FULL_DIRECTORY_INFO. */
  2: 0x0102,
  /** FileNamesInformation: SMB_FIND_FILE_NAMES_INFO. */
  12: 0x0103,
  /** FileBothDirectoryInformation: SMB_FIND_FILE_BOTH_DIRECTORY_INFO. */
  3: 0x0104,
  /** FileIdFullDirectoryInformation: SMB_FIND_FILE_ID_FULL_DIRECTORY_INFO. */
  38: 0x0105,
  /** FileIdBothDirectoryInformation: SMB_FIND_FILE_ID_BOTH_DIRECTORY_INFO. */
  37: 0x0106
}

/**
 * Levels of QUERY_FILE_INFORMATION that have the layout of a class (MS-CIFS 2.2.2.3.3).
 *
 * @since 0.1.0
 */
export const QueryFileLevel: { readonly [fileInformationClass: number]: number } = {
  /** FileBasicInformation: SMB_QUERY_FILE_BASIC_INFO. */
  4: 0x0101,
  /** FileStandardInformation: SMB_QUERY_FILE_STANDARD_INFO. */
  5: 0x0102,
  /** FileEaInformation: SMB_QUERY_FILE_EA_INFO. */
  7: 0x0103,
  /** FileNameInformation: SMB_QUERY_FILE_NAME_INFO. */
  9: 0x0104,
  /** FileAlternateNameInformation: SMB_QUERY_FILE_ALT_NAME_INFO. */
  21: 0x0108,
  /** FileStreamInformation: SMB_QUERY_FILE_STREAM_INFO. */
  22: 0x0109,
  /** FileCompressionInformation: SMB_QUERY_FILE_COMPRESSION_INFO. */
  28: 0x010b
}

/**
 * Levels of SET_FILE_INFORMATION that have the layout of a class (MS-CIFS 2.2.2.3.4).
 *
 * @since 0.1.0
 */
export const SetFileLevel: { readonly [fileInformationClass: number]: number } = {
  /** FileBasicInformation: SMB_SET_FILE_BASIC_INFO. */
  4: 0x0101,
  /** FileDispositionInformation: SMB_SET_FILE_DISPOSITION_INFO. */
  13: 0x0102,
  /** FileAllocationInformation: SMB_SET_FILE_ALLOCATION_INFO. */
  19: 0x0103,
  /** FileEndOfFileInformation: SMB_SET_FILE_END_OF_FILE_INFO. */
  20: 0x0104
}

/**
 * Levels of QUERY_FS_INFORMATION that have the layout of a class (MS-CIFS 2.2.2.3.2).
 *
 * @since 0.1.0
 */
export const QueryFsLevel: { readonly [fileSystemInformationClass: number]: number } = {
  /** FileFsVolumeInformation: SMB_QUERY_FS_VOLUME_INFO. */
  1: 0x0102,
  /** FileFsSizeInformation: SMB_QUERY_FS_SIZE_INFO. */
  3: 0x0103,
  /** FileFsDeviceInformation: SMB_QUERY_FS_DEVICE_INFO. */
  4: 0x0104,
  /** FileFsAttributeInformation: SMB_QUERY_FS_ATTRIBUTE_INFO. */
  5: 0x0105
}

/**
 * Added to the number of an information class of MS-FSCC to pass it through unchanged (MS-SMB 2.2.2.3.5).
 *
 * @since 0.1.0
 */
export const SMB_INFO_PASSTHROUGH = 1000

/**
 * NT_RENAME with this level gives a file one more name (MS-CIFS 2.2.4.66.1).
 *
 * @since 0.1.0
 */
export const SMB_NT_RENAME_SET_LINK_INFO = 0x0103

/**
 * The level of all extended attributes (MS-CIFS 2.2.8.3.5): an SMB_FEA_LIST.
 *
 * @since 0.1.0
 */
export const SMB_INFO_QUERY_ALL_EAS = 0x0004

/**
 * The level that sets extended attributes (MS-CIFS 2.2.8.4.2): an SMB_FEA_LIST.
 *
 * @since 0.1.0
 */
export const SMB_INFO_SET_EAS = 0x0002

/**
 * Flags of FIND_FIRST2 and FIND_NEXT2 (MS-CIFS 2.2.6.2.1).
 *
 * @since 0.1.0
 */
export const FindFlags = {
  SMB_FIND_CLOSE_AFTER_REQUEST: 0x0001,
  SMB_FIND_CLOSE_AT_EOS: 0x0002,
  SMB_FIND_RETURN_RESUME_KEYS: 0x0004,
  SMB_FIND_CONTINUE_FROM_LAST: 0x0008
} as const

/**
 * SMB_FILE_ATTRIBUTES (MS-CIFS 2.2.1.2.4).
 *
 * @since 0.1.0
 */
export const SearchAttributes = {
  SMB_FILE_ATTRIBUTE_READONLY: 0x0001,
  SMB_FILE_ATTRIBUTE_HIDDEN: 0x0002,
  SMB_FILE_ATTRIBUTE_SYSTEM: 0x0004,
  SMB_FILE_ATTRIBUTE_DIRECTORY: 0x0010,
  SMB_FILE_ATTRIBUTE_ARCHIVE: 0x0020
} as const

/**
 * The attributes with which a search finds all files and directories, not plain files only.
 *
 * @since 0.1.0
 */
export const everything = SearchAttributes.SMB_FILE_ATTRIBUTE_HIDDEN | SearchAttributes.SMB_FILE_ATTRIBUTE_SYSTEM |
  SearchAttributes.SMB_FILE_ATTRIBUTE_DIRECTORY
