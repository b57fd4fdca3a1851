/**
 * Settings of the test suites (`*.ptfconfig`): writes the features of this server into the files of the suites. A setting
 * is found by its groups and its name, such as `Common.SutIPAddress`.
 */

/** The server's address, its users, and its domain. */
export interface Place {
  readonly host: string
  /** The addresses from which the tests come. A test of several channels uses both. */
  readonly clients: readonly [string, string]
  /** The NetBIOS name of the users' domain. */
  readonly name: string
  readonly administrator: string
  readonly user: string
  readonly guest: string
  readonly password: string
  /** Without it, the suites skip the tests that need a domain. */
  readonly domain?: Domain | undefined
  /** FSA: `claimed` are the features of a file system that this server announces, `ntfs` are all of NTFS. */
  readonly features: Features
}

export type Features = "claimed" | "ntfs"

/** The domain for the tests of DFSC and Auth. */
export interface Domain {
  readonly dns: string
  /** The controller's name, as the tests connect to it. */
  readonly controller: string
  /** The server's name in tests that need a name instead of an address. */
  readonly server: string
  /** The DFS namespace of the domain, if it has one. */
  readonly namespace?: string | undefined
  /** `Kerberos`, `Ntlm`, or `Negotiate` for both in SPNEGO. */
  readonly securityPackage?: string | undefined
  /** Other settings of the suites. */
  readonly settings?: Settings | undefined
}

/** The settings by file. A blank value means that the server does not have the feature. */
export type Settings = Readonly<Record<string, Readonly<Record<string, string>>>>

/** The features of NTFS that this server does not announce. The suites expect refusals for them. */
const notClaimed = [
  "Compression",
  "Encryption",
  "Integrity",
  "MarkHandle",
  "Offload",
  "QueryFileObjectIdInformation",
  "QueryFileQuotaInformation",
  "Quota",
  "RedundantStorage",
  "SingleInstanceStorage",
  "StreamSnapshotManagement"
]

export const settings = (place: Place): Settings => {
  const { domain } = place
  return merge({
    "CommonTestSuite.deployment.ptfconfig": {
      "Common.SutComputerName": domain?.server ?? place.host,
      "Common.SutIPAddress": place.host,
      "Common.DomainName": domain?.dns ?? place.name,
      "Common.DCServerComputerName": domain?.controller ?? "",
      "Common.AdminUserName": place.administrator,
      "Common.NonAdminUserName": place.user,
      "Common.GuestUserName": place.guest,
      "Common.PasswordForAllUsers": place.password,
      "Common.BasicFileShare": "SMBBasic",
      "Common.EncryptedFileShare": "SMBEncrypted",
      "Common.CompressedFileShare": "",
      "Common.MaxSmbVersionSupported": "Smb311",
      "Common.IsLeasingSupported": "true",
      "Common.IsDirectoryLeasingSupported": "true",
      "Common.IsMultiChannelCapable": "true",
      "Common.IsPersistentHandlesSupported": "true",
      "Common.IsEncryptionSupported": "true",
      "Common.IsMultiCreditSupported": "true",
      "Common.UnsupportedIoCtlCodes": "FSCTL_OFFLOAD_READ;FSCTL_OFFLOAD_WRITE;FSCTL_FILE_LEVEL_TRIM;" +
        "FSCTL_GET_INTEGRITY_INFORMATION;FSCTL_SET_INTEGRITY_INFORMATION",
      "Common.CAShareName": "SMBAvailable",
      "Common.CAShareServerName": domain?.server ?? place.host,
      "Common.ClientNic1IPAddress": place.clients[0],
      "Common.ClientNic2IPAddress": place.clients[1],
      "Common.Platform": "NonWindows",
      "Common.SupportedSecurityPackage": domain?.securityPackage ?? "Ntlm",
      "Common.UseServerGssToken": "false",
      "Common.SutSupportedEncryptionAlgorithms":
        "ENCRYPTION_AES128_GCM;ENCRYPTION_AES128_CCM;ENCRYPTION_AES256_GCM;ENCRYPTION_AES256_CCM",
      "Common.DisableVerifySignature": "false",
      // Milliseconds. A test waits so long, and half of it again: the suites' own value is five minutes.
      "Common.MaxResiliencyTimeout": "40000",
      "Common.IsRequireMessageSigning": "false",
      "Common.IsGlobalEncryptDataEnabled": "false",
      "Common.IsGlobalRejectUnencryptedAccessEnabled": "false"
    },
    "MS-SMB2_ServerTestSuite.deployment.ptfconfig": {
      "SMB2.SutAlternativeIPAddress": place.host,
      "SMB2.FileShareSupportingIntegrityInfo": "",
      "SMB2.NumberOfPreviousVersions": "0",
      "SMB2.ClusteredInfrastructureFileServerName": "",
      "SMB2.InfrastructureRootShare": "",
      "SMB2.DriverComputerName": "CLIENT",
      "HVRS.SharePath": `\\\\${place.host}\\SMBBasic`
    },
    "MS-FSA_ServerTestSuite.deployment.ptfconfig": place.features === "ntfs" ? {} : Object.fromEntries(
      // Not blank: the suite takes a blank for a setting that is missing.
      notClaimed.map((feature) => [`FSA.WhichFileSystemSupport_${feature}`, "REFS"])
    ),
    "MS-DFSC_ServerTestSuite.deployment.ptfconfig": {
      "DFSC.DomainNetBIOSName": place.name,
      "DFSC.DomainFQDNName": domain?.dns ?? `${place.name.toLowerCase()}.test`,
      "DFSC.StorageServerName": domain?.server ?? place.host,
      "DFSC.DomainNamespace": domain?.namespace ?? ""
    }
  }, domain?.settings ?? {})
}

const merge = (some: Settings, more: Settings): Settings => ({
  ...some,
  ...Object.fromEntries(Object.entries(more).map(([file, values]) => [file, { ...some[file], ...values }]))
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

/**
 * The text of `CommonTestSuite.ptfconfig` with the adapter that needs no PowerShell on the server. The file has both, one
 * of them in a comment. Throws if the file does not have this form.
 */
export const withoutPowerShell = (text: string): string => {
  const form =
    /<Adapter xsi:type="powershell" name="(\w+)"[^>]*\/>(\s*)<!--\s*(<Adapter xsi:type="managed" name="\1"[^>]*\/>)\s*-->/
  if (!form.test(text)) throw new Error("CommonTestSuite.ptfconfig has no managed adapter next to that of PowerShell")
  return text.replace(form, "$3")
}
