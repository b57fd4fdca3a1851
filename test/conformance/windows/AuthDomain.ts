/**
 * The domain for the suite Auth, in its own namespace: the lab's Samba domain with the suite's users and groups, and
 * this server as a member that checks tickets with a keytab.
 */
import { Effect, Redacted, type Scope } from "effect"
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as KerberosKeys from "../../../src/Auth/KerberosKeys.ts"
import * as NtlmCrypto from "../../../src/Auth/NtlmCrypto.ts"
import { fold } from "../../../src/Codec/UpCase.ts"
import type * as UserStore from "../../../src/Server/UserStore.ts"
import * as Domain from "../../lab/Domain.ts"
import { attempt, type LabError } from "../../lab/Process.ts"
import type * as Ptfconfig from "./Ptfconfig.ts"
import type { Setting } from "./Results.ts"
import type { Surroundings } from "./Suites.ts"
import type { Additions } from "./TestServer.ts"

/** A domain for the suite: where the server is, what it has in addition, and where the suite runs. */
export interface AuthDomain {
  readonly place: Ptfconfig.Place
  readonly additions: Additions
  readonly surroundings: Surroundings
}

const { domain } = Domain
/** The suite has one password for all its users. */
const { password } = domain.administrator

/** The suite's own names with all kinds of characters (Auth_ServerTestSuite.deployment.ptfconfig). */
const specialNames = [
  "9L7!MNZ%}wq4iZ",
  "p9jwB3A@U)i2z~LzTd",
  "XJ(x1SjZ{INM!RpPrQ^c",
  "$I1Q73_VjdSJ!vGn7Q",
  "@0o2^w@w^-t%abwos31"
]

/**
 * Adds the users, and gives the server's account keys of AES alone, since the suite makes its own tickets with them. Prints
 * each user's SID and groups: the server reads no PAC.
 */
const script = `
import json, sys
from ldb import FLAG_MOD_REPLACE, Message, MessageElement, SCOPE_BASE, binary_encode
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

given = json.load(open(sys.argv[1]))
lp = LoadParm()
lp.load(given["conf"])
db = SamDB(session_info=system_session(), lp=lp)

def find(name):
    return db.search(base=db.domain_dn(), expression="(sAMAccountName=%s)" % binary_encode(name), attrs=["objectSid"])[0]

def sid(value):
    return str(ndr_unpack(security.dom_sid, value))

server = Message(find("server").dn)
server["types"] = MessageElement("24", FLAG_MOD_REPLACE, "msDS-SupportedEncryptionTypes")
db.modify(server)
db.setpassword("(sAMAccountName=server)", given["service"], force_change_at_next_login=False)
db.newgroup("AzGroup01")
for i, name in enumerate(given["users"]):
    # Not by newuser, which makes a principal of the name: some names have an @. The suite finds AzUser01 by its CN.
    named = "(sAMAccountName=%s)" % binary_encode(name)
    common = name if name.isalnum() else "special%d" % i
    db.add({
        "dn": "CN=%s,CN=Users,%s" % (common, db.domain_dn()),
        "objectClass": "user",
        "sAMAccountName": name,
        "userPrincipalName": "%s@%s" % (common, given["dns"]),
    })
    db.setpassword(named, given["password"], force_change_at_next_login=False)
    db.enable_account(named)
db.add_remove_group_members("AzGroup01", ["AzUser01"], add_members_operation=True)
users = {}
for name in given["users"] + ["Administrator"]:
    found = find(name)
    groups = db.search(base=found.dn, scope=SCOPE_BASE, attrs=["tokenGroups"])[0]["tokenGroups"]
    users[name] = {"sid": sid(found["objectSid"][0]), "groups": [sid(one) for one in groups]}
print(json.dumps(users))
`

interface Account {
  readonly sid: string
  readonly groups: ReadonlyArray<string>
}

/** .NET looks for the library of another version of OpenLDAP. Returns the folder for LD_LIBRARY_PATH. */
const ldapLibrary = (folder: string): string => {
  mkdirSync(folder)
  const libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
    .map((path) => join(path, "libldap-2.5.so.0")).filter((path) => existsSync(path))
  for (const path of libraries.slice(0, 1)) symlinkSync(path, join(folder, "libldap.so.2"))
  return folder
}

/** Makes the domain until the scope closes. `securityPackage` is `Kerberos`, `Ntlm`, or `Negotiate` for both. */
export const make = (setting: Setting, securityPackage: string): Effect.Effect<AuthDomain, LabError, Scope.Scope> =>
  Effect.gen(function*() {
    const world = yield* Domain.make
    const conf = world.scratch("dc/etc/smb.conf")
    const service = `Svc-${password}`
    const run = (program: string, ...args: ReadonlyArray<string>) =>
      Effect.flatMap(
        world.execute(program, args),
        ({ code, stderr, stdout }) =>
          attempt(() =>
            code === 0 ? Promise.resolve(stdout) : Promise.reject(new Error(`${program}: ${stdout}${stderr}`))
          )
      )
    const input = world.scratch("auth.json")
    writeFileSync(
      input,
      JSON.stringify({ conf, dns: domain.dns, password, service, users: ["AzUser01", "nonadmin", ...specialNames] })
    )
    // Not the first in PATH: Samba's modules belong to the system's Python.
    const output = yield* run("/usr/bin/python3", "-c", script, input)
    const accounts = JSON.parse(output.trim().split("\n").at(-1)!) as Readonly<Record<string, Account>>
    const keytab = world.scratch("auth.keytab")
    yield* run(
      "samba-tool",
      "domain",
      "exportkeytab",
      keytab,
      `--principal=cifs/${domain.server}`,
      "-s",
      conf
    )
    const ntHash = Redacted.make<Uint8Array>(NtlmCrypto.ntHash(password))
    const users = new Map<string, UserStore.User>(
      Object.entries(accounts).map(([name, { groups, sid }]) => [
        fold(name),
        { name, sid, groups, ntHash, administrator: groups.includes("S-1-5-32-544") }
      ])
    )
    // The replay cache is a file that all services of the machine share by default.
    const cache = world.scratch("rcache")
    mkdirSync(cache)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const before = process.env.KRB5RCACHEDIR
        process.env.KRB5RCACHEDIR = cache
        return before
      }),
      (before) =>
        Effect.sync(() => {
          if (before === undefined) delete process.env.KRB5RCACHEDIR
          else process.env.KRB5RCACHEDIR = before
        })
    )
    const kerberos = yield* Effect.orDie(KerberosKeys.fromKeytab(keytab))
    return {
      place: {
        host: world.server.address,
        clients: [world.address, world.address],
        name: domain.netbios,
        administrator: domain.administrator.name,
        user: "nonadmin",
        guest: "Guest",
        password,
        features: setting.features,
        domain: {
          // In capitals: the KDC refuses a ticket whose realm has another case.
          dns: domain.realm,
          controller: domain.controller,
          server: domain.server,
          securityPackage,
          settings: {
            "Auth_ServerTestSuite.deployment.ptfconfig": {
              "Auth.Authentication.KeytabFile": keytab,
              "Auth.Authentication.ServicePassword": service,
              "Auth.Authentication.ServiceSaltString": `${domain.realm}server`,
              "Auth.Authentication.SpecialUserNames": specialNames.join(";"),
              "Auth.Authentication.SpecialUserPasswords": specialNames.map(() => password).join(";")
            }
          }
        }
      },
      additions: {
        options: { kerberos, users: { find: (name) => Effect.succeed(users.get(fold(name))) } },
        shares: ["AzFile", "AzFolder", "AzShare", "AzCBAC"]
      },
      surroundings: {
        command: ["ip", "netns", "exec", world.namespace],
        env: { KRB5_CONFIG: world.krb5Config, LD_LIBRARY_PATH: ldapLibrary(world.scratch("lib")) }
      }
    }
  })
