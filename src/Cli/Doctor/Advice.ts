/** What a person can do after a step of `doctor` has failed, by the error. Pure. */
import * as Predicate from "effect/Predicate"

/** A step of `doctor`, in their order. */
export const steps = ["name", "port", "dialect", "clock", "logon", "signing", "share", "DFS", "path", "rights"] as const
export type Step = typeof steps[number]

const reasonOf = (error: unknown): string =>
  Predicate.hasProperty(error, "reason") && Predicate.hasProperty(error.reason, "_tag")
    ? String(error.reason._tag)
    : ""

const tagOf = (error: unknown): string => Predicate.hasProperty(error, "_tag") ? String(error._tag) : ""

/** Failures of a logon that are about the security of the session: the server accepted the user. */
const ofSecurity: ReadonlySet<string> = new Set([
  "SigningUnavailable",
  "EncryptionUnavailable",
  "NotSigned",
  "BadSignature",
  "NotEncrypted",
  "DecryptionFailed",
  "Downgrade"
])

/** The step that an error belongs to, if it came up in `step`: a negotiation or a logon can fail for their security. */
export const stepOf = (step: Step, error: unknown): Step =>
  tagOf(error) === "ProtocolError" && ofSecurity.has(reasonOf(error)) ? "signing" : step

const ofTransport: Readonly<Record<string, string>> = {
  HostNotFound:
    "Check the spelling. If the name is right, name the address: -I ADDRESS; or the name server: --dns SERVER.",
  ConnectionRefused:
    "Start the SMB server there (smbd, on Windows the service \"Server\"), or name its port: //host:port/share.",
  HostUnreachable: "Check the address, the cable or the VPN, and the routes of this machine.",
  TimedOut:
    "A firewall on the way drops the packets, or no machine has this address. Ask the people who run the network.",
  ConnectionClosed: "The server hung up. Look into its log: it may refuse the address of this machine.",
  ConnectionFailed: "Check the network of this machine."
}

const ofDialect: Readonly<Record<string, string>> = {
  TimedOut:
    "The port accepts connections, and nothing answers behind it. Restart the SMB server, or wait longer: --timeout SECONDS.",
  ConnectionClosed:
    "The server hangs up at the first message. It may refuse this machine's address (\"hosts allow\"), or have no dialect in common: leave --dialect out.",
  Smb1Only: "Turn SMB 2 or 3 on at the server. If it has no newer protocol: --dialect nt1, which is insecure.",
  DialectRefused: "Offer other dialects (--dialect LIST), or leave --dialect out.",
  NotSmb: "Another program listens at this port. Check the port.",
  NotSupported: "Offer other dialects (--dialect LIST), or leave --dialect out.",
  AccessDenied: "The server refuses this machine. Look into its log, or at its list of allowed addresses."
}

const ofLogon: Readonly<Record<string, string>> = {
  LogonFailure:
    "Check the user, the domain (--user 'DOMAIN\\name') and the password. Do not try often: the account may be locked.",
  WrongPassword: "Check the password. Do not try often: the account may be locked.",
  NoSuchUser: "Check the user and the domain: --user 'DOMAIN\\name'.",
  AccountLockedOut:
    "Wait until the lock ends, or ask an administrator to unlock the account. More attempts extend the lock.",
  AccountDisabled: "Ask an administrator to enable the account.",
  AccountExpired: "Ask an administrator to extend the account.",
  PasswordExpired: "Set a new password for the account, and try again.",
  PasswordMustChange: "Set a new password for the account, and try again.",
  AccountRestriction:
    "The account may not log on in this way, for instance with an empty password. Ask an administrator.",
  InvalidLogonHours: "The account may not log on at this hour. Ask an administrator.",
  InvalidWorkstation: "The account may not log on from this machine. Ask an administrator.",
  LogonTypeNotGranted: "The account may not log on over the network. Ask an administrator for that right.",
  NoLogonServers: "The server reaches no controller of the domain. Look at its network and its DNS.",
  TrustedRelationshipFailure: "The server has lost its trust to the domain. Join it to the domain again.",
  ClockSkew: "Set the clock of this machine (chronyc, w32tm), and compare it with that of the domain controllers.",
  NoCommonMechanism: "The server wants another way to log on: try --kerberos, or allow NTLM on the server.",
  NoCredential: "Get a ticket with kinit, or give a user and a password.",
  MechanismUnavailable: "Install what the message names, or log on by a password instead of Kerberos.",
  ServerUnknown:
    "Use the server's full name, as the domain knows it, and not an address: Kerberos has no service for an address.",
  IntegrityFailure: "Check the password. If it is right, the messages are changed on the way."
}

const ofSigning: Readonly<Record<string, string>> = {
  SigningUnavailable:
    "A guest's session cannot be signed: give a user with a password that the server knows. --signing if-required goes on without signatures.",
  EncryptionUnavailable: "Allow encryption on the server (SMB 3), or leave --encryption required out.",
  NotSigned:
    "The server does not sign what it must. Update it; and look for a device on the way that changes messages.",
  BadSignature:
    "A device on the way changes messages, or the server signs wrongly. Do not go on before you know which.",
  Downgrade: "A device on the way has changed the negotiation. Do not go on before you know which."
}

const ofShare: Readonly<Record<string, string>> = {
  AccessDenied: "Ask for access to the share: the permissions of the share itself, not only those of its files.",
  LogonFailure: "Ask for access to the share.",
  BadNetworkName: "Check the name of the share."
}

const ofDfs: Readonly<Record<string, string>> = {
  NoTargetLeft: "Start one of the servers that the link names, or change the link's targets.",
  NoDomainController: "Check that this machine's DNS knows the domain (--dns SERVER), and that a controller runs.",
  NamespaceNotFound: "Repair the link, or the namespace that it leads into.",
  ReferralRefused: "Look at the namespace on its server (dfsutil, dfsmgmt.msc).",
  ReferralUnavailable: "Open IPC$ of the server to this account.",
  DfsLoop: "Repair the links: they lead in a circle.",
  NotDfsCapable: "Use --dfs fallback, or name a server that has DFS.",
  Overflow: "The referral is too large: reduce the targets of the link."
}

const ofPath: Readonly<Record<string, string>> = {
  AccessDenied: "Ask the owner of the folder for access: this user may not look into it.",
  NotADirectory: "A name in the middle of the path is a file.",
  StoppedOnSymlink: "The link leads to a place that this client cannot follow. Name the target itself.",
  SharingViolation: "Another program has it open in a way that excludes this. Close it there."
}

const words: Readonly<Record<Step, Readonly<Record<string, string>>>> = {
  name: ofTransport,
  port: ofTransport,
  dialect: { ...ofTransport, ...ofDialect },
  clock: {},
  logon: { ...ofTransport, ...ofLogon },
  signing: ofSigning,
  share: { ...ofTransport, ...ofShare },
  DFS: { ...ofTransport, ...ofLogon, ...ofDfs },
  path: { ...ofTransport, ...ofPath },
  rights: {
    ...ofTransport,
    AccessDenied: "Ask the owner, or an administrator of the server, for the right that is missing."
  }
}

/** What to do next; `undefined` if the error's own message says all. */
export const of = (step: Step, error: unknown): string | undefined =>
  words[step][reasonOf(error)] ?? words[step][tagOf(error)]
