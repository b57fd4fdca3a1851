/**
 * Settings of the test suites (`*.deployment.ptfconfig`): writes the features of this server into the files of the suites.
 * A setting is found by its groups and its name, such as `Common.SutIPAddress`.
 */

/** The server's address, and its users. */
export interface Place {
  readonly host: string
  /** The address from which the tests come. */
  readonly client: string
  readonly name: string
  readonly administrator: string
  readonly user: string
  readonly password: string
}

/** The settings by file. A blank value stands for something that the server does not have. */
export const settings = (place: Place): Readonly<Record<string, Readonly<Record<string, string>>>> => ({
  "CommonTestSuite.deployment.ptfconfig": {
    "Common.SutComputerName": place.host,
    "Common.SutIPAddress": place.host,
    "Common.DomainName": place.name,
    "Common.AdminUserName": place.administrator,
    "Common.NonAdminUserName": place.user,
    "Common.GuestUserName": "",
    "Common.PasswordForAllUsers": place.password,
    "Common.BasicFileShare": "SMBBasic",
    "Common.EncryptedFileShare": "SMBEncrypted",
    "Common.MaxSmbVersionSupported": "Smb311",
    "Common.IsLeasingSupported": "true",
    "Common.IsDirectoryLeasingSupported": "true",
    "Common.IsMultiChannelCapable": "false",
    "Common.IsPersistentHandlesSupported": "false",
    "Common.IsEncryptionSupported": "true",
    "Common.IsMultiCreditSupported": "true",
    "Common.UnsupportedIoCtlCodes":
      "FSCTL_LMR_REQUEST_RESILIENCY;FSCTL_OFFLOAD_READ;FSCTL_OFFLOAD_WRITE;FSCTL_FILE_LEVEL_TRIM;" +
      "FSCTL_GET_INTEGRITY_INFORMATION;FSCTL_SET_INTEGRITY_INFORMATION",
    "Common.UnsupportedCreateContexts": "SMB2_CREATE_APP_INSTANCE_ID;SMB2_CREATE_APP_INSTANCE_VERSION",
    "Common.CAShareName": "",
    "Common.CAShareServerName": "",
    "Common.ClientNic1IPAddress": place.client,
    "Common.ClientNic2IPAddress": place.client,
    "Common.Platform": "NonWindows",
    "Common.SupportedSecurityPackage": "Ntlm",
    "Common.SupportedEncryptionAlgorithms":
      "ENCRYPTION_AES128_GCM;ENCRYPTION_AES128_CCM;ENCRYPTION_AES256_GCM;ENCRYPTION_AES256_CCM",
    "Common.IsRequireMessageSigning": "false",
    "Common.IsGlobalEncryptDataEnabled": "false",
    "Common.IsGlobalRejectUnencryptedAccessEnabled": "false"
  },
  "MS-SMB2_ServerTestSuite.deployment.ptfconfig": {
    "SMB2.SutAlternativeIPAddress": place.host,
    "SMB2.FileShareSupportingIntegrityInfo": "",
    "SMB2.Symboliclink": "",
    "SMB2.SymboliclinkInSubFolder": "",
    "SMB2.NumberOfPreviousVersions": ""
  }
})

const escape = (value: string): string =>
  value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\"", "&quot;")

/** A file's text with these settings, and the settings that the file does not have. */
export const apply = (
  text: string,
  values: Readonly<Record<string, string>>
): { readonly text: string; readonly unknown: ReadonlyArray<string> } => {
  const groups: Array<string> = []
  const used = new Set<string>()
  // Comments stay unchanged: text in a comment is not a setting.
  const changed = text.replace(
    /<!--[\s\S]*?-->|<Group\s+name="([^"]*)"[^>]*>|<\/Group\s*>|(<Property\s+name="([^"]*)"\s+value=")([^"]*)(")/g,
    (whole: string, group: string | undefined, before: string | undefined, name: string, _: string, after: string) => {
      if (whole.startsWith("<!--")) return whole
      if (group !== undefined) groups.push(group)
      else if (before === undefined) groups.pop()
      else {
        const path = [...groups, name].join(".")
        const value = values[path]
        if (value === undefined) return whole
        used.add(path)
        return `${before}${escape(value)}${after}`
      }
      return whole
    }
  )
  return { text: changed, unknown: Object.keys(values).filter((path) => !used.has(path)) }
}
