/**
 * Proves the RPC interfaces of this project's server (lsarpc, srvsvc, wkssvc) with rpcclient, smbcacls and impacket.
 * tshark must accept each packet.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials, OpenMode } from "effect-smb"
import { join } from "node:path"
import * as ServerUse from "../../src/Client/ServerUse.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { client } from "./Clients.ts"
import * as Lab from "./Lab.ts"
import { attempt } from "./Process.ts"

const host = "127.0.32.11"

const { name, password } = Lab.user
const login = `${name}%${password}`

/** Lets impacket translate SIDs, by the call of its lookupsid.py, over an encrypted session. */
const lookupsid = `
import sys
from impacket.dcerpc.v5 import transport, lsat, lsad
host, user, password = sys.argv[1:4]
pipe = transport.SMBTransport(host, 445, "\\\\lsarpc", user, password).get_dce_rpc()
pipe.connect()
pipe.bind(lsat.MSRPC_UUID_LSAT)
handle = lsad.hLsarOpenPolicy2(pipe, 0x02000000)["PolicyHandle"]
found = lsad.hLsarQueryInformationPolicy2(pipe, handle, lsad.POLICY_INFORMATION_CLASS.PolicyAccountDomainInformation)
domain = found["PolicyInformation"]["PolicyAccountDomainInfo"]["DomainSid"].formatCanonical()
try:
    answer = lsat.hLsarLookupSids(pipe, handle, [domain + "-" + str(rid) for rid in range(498, 1003)])
except lsat.DCERPCSessionError as error:
    answer = error.get_packet()
for i, item in enumerate(answer["TranslatedNames"]["Names"]):
    if item["Use"] != lsat.SID_NAME_USE.SidTypeUnknown:
        domainName = answer["ReferencedDomains"]["Domains"][item["DomainIndex"]]["Name"]
        print(498 + i, domainName + "\\\\" + item["Name"], item["Use"])
`

/** Asks for the statistics of the server. */
const statistics = `
import sys
from impacket.dcerpc.v5 import transport, srvs
host, user, password = sys.argv[1:4]
pipe = transport.SMBTransport(host, 445, "\\\\srvsvc", user, password).get_dce_rpc()
pipe.connect()
pipe.bind(srvs.MSRPC_UUID_SRVS)
info = srvs.hNetrServerStatisticsGet(pipe, "SRVSVC\\0", 0, 0)["InfoStruct"]
print(info["sts0_start"], info["sts0_bytesrcvd_low"], info["sts0_bytessent_low"], info["sts0_pwerrors"])
`

const namespaces = { roots: { dfs: { links: { link: [`\\\\${host}\\data`] } } } }

it.live(
  "a server gives rpcclient, smbcacls and impacket SIDs, names and shares, without an objection of tshark",
  () =>
    Effect.gen(function*() {
      const capture = yield* Lab.capture({ addresses: [host] })
      yield* SmbServer.make({
        host,
        port: 445,
        users: UserStore.inMemory({
          [name]: { password: Redacted.make(password), administrator: true },
          ann: Redacted.make("secret")
        }),
        shares: {
          data: { store: MemoryStore.make(), comment: "A share – for tests" },
          some: { store: MemoryStore.make(), security: "O:BAG:BAD:(A;;FR;;;AU)" }
        },
        namespaces
      })
      const rpc = (command: string) =>
        Effect.map(
          attempt(() => Lab.mustExecute("rpcclient", [host, "-U", login, "-c", command])),
          ({ stdout }) => stdout
        )
      const fails = (command: string) =>
        Effect.map(attempt(() => Lab.execute("rpcclient", [host, "-U", login, "-c", command])), ({ stderr, stdout }) =>
          stdout + stderr)

      const domain = /Domain Sid: (S-1-5-21(?:-\d+){3})/.exec(yield* rpc("lsaquery 5"))![1]!
      assert.match(yield* rpc("lsaquery"), /Domain Name: WORKGROUP\nDomain Sid: S-1-5-21-/)
      assert.match(yield* rpc("lsaquery 12"), /Domain NetBios Name: WORKGROUP\nDomain DNS Name: \n/)
      assert.deepStrictEqual(
        (yield* rpc(`lookupnames ${name} ann Everyone SYSTEM Administrators nobodyhere`)).split("\n"),
        [
          `${name} ${domain}-1000 (User: 1)`,
          `ann ${domain}-1001 (User: 1)`,
          "Everyone S-1-1-0 (Well-known Group: 5)",
          "SYSTEM S-1-5-18 (Well-known Group: 5)",
          "Administrators S-1-5-32-544 (Local Group: 4)",
          "nobodyhere S-0-0 (UNKNOWN: 8)",
          ""
        ]
      )
      assert.deepStrictEqual((yield* rpc(`lookupsids S-1-3-0 S-1-5-11 ${domain}-1001 ${domain}-77`)).split("\n"), [
        "S-1-3-0 \\CREATOR OWNER (5)",
        "S-1-5-11 NT AUTHORITY\\Authenticated Users (5)",
        `${domain}-1001 EFFECTSMB\\ann (1)`,
        `${domain}-77 *unknown*\\*unknown* (8)`,
        ""
      ])
      assert.include(yield* fails("lookupsids3 S-1-1-0"), "NT_STATUS_ACCESS_DENIED")
      assert.include(yield* rpc("getusername"), `Account Name: ${name}, Authority Name: EFFECTSMB`)
      assert.match(
        yield* rpc("srvinfo"),
        /EFFECTSMB +Wk Sv NT SNT[\s\S]*os version +:\t10\.0\n\tserver type +:\t0x809003/
      )
      assert.include(yield* rpc("netshareenum"), "netname: data\n\tremark:\tA share – for tests")
      assert.include(yield* rpc("netshareenumall 502"), "netname: IPC$")
      assert.include(yield* rpc("netsharegetinfo data 1005"), "flags: 0x0")
      assert.match(yield* rpc("netsharegetinfo some 502"), /Permissions: 0x120089:[\s\S]*SID: S-1-5-11\n/)
      // A level that the server does not know: the client can read the error.
      for (const level of [502, 503]) {
        assert.include(yield* fails(`srvinfo ${level}`), "WERR_INVALID_LEVEL")
      }
      // SHI1005_FLAGS_DFS and SHI1005_FLAGS_DFS_ROOT.
      assert.include(yield* rpc("netsharegetinfo dfs 1005"), "flags: 0x3")
      for (
        const command of [
          "netremotetod",
          "wkssvc_wkstagetinfo 100",
          "wkssvc_wkstagetinfo 101",
          "wkssvc_wkstagetinfo 102"
        ]
      ) {
        assert.strictEqual(yield* fails(command), "", command)
      }

      const acl = (...args: ReadonlyArray<string>) =>
        Effect.map(
          attempt(() =>
            Lab.mustExecute("smbcacls", [`//${host}/data`, "file", "-U", login, ...args])
          ),
          ({ stdout }) => stdout
        )
      yield* Lab.smbclient(`//${host}/data`, "put /etc/hostname file")
      yield* acl("-a", "ACL:ann:ALLOWED/0x0/READ")
      const shown = yield* acl()
      assert.include(shown, `OWNER:EFFECTSMB\\${name}\nGROUP:EFFECTSMB\\None\n`)
      assert.include(shown, "ACL:Everyone:ALLOWED/0x0/FULL")
      assert.include(shown, "ACL:EFFECTSMB\\ann:ALLOWED/0x0/READ")
      assert.include(yield* acl("--sddl"), "(A;;0x001200a9;;;")
      assert.include(yield* acl("--numeric"), `ACL:${domain}-1001:0/0x0/0x001200a9`)

      const { stdout } = yield* attempt(() =>
        Lab.mustExecute("/usr/bin/python3", ["-c", lookupsid, host, name, password])
      )
      assert.deepStrictEqual(stdout.trim().split("\n"), [
        "501 EFFECTSMB\\Guest 1",
        "513 EFFECTSMB\\None 2",
        `1000 EFFECTSMB\\${name} 1`,
        "1001 EFFECTSMB\\ann 1"
      ])

      const { objections, packets } = yield* capture.analyse()
      assert.deepStrictEqual(objections, [])
      assert.isAbove(packets, 300)
    }).pipe(Effect.scoped),
  60_000
)

it.live("a server gives impacket the bytes since its start", () =>
  Effect.gen(function*() {
    yield* SmbServer.make({
      host,
      port: 445,
      users: UserStore.inMemory({ [name]: { password: Redacted.make(password), administrator: true } }),
      shares: { data: MemoryStore.make() }
    })
    const smb = yield* client({ credential: Credentials.password(name, Redacted.make(password)) })
    const size = 1_000_000
    yield* smb.writeFile(`//${host}/data/file`, new Uint8Array(size))
    const { stdout } = yield* attempt(() =>
      Lab.mustExecute("/usr/bin/python3", ["-c", statistics, host, name, password])
    )
    const [start, received, sent, refused] = stdout.trim().split(" ").map(Number)
    assert.isBelow(Math.abs(Date.now() / 1000 - start!), 120)
    assert.isAbove(received!, size)
    assert.isBelow(received!, size + 100_000)
    assert.isAbove(sent!, 1000)
    assert.isBelow(sent!, 100_000)
    assert.strictEqual(refused, 0)
  }).pipe(Effect.scoped))

it.live("smbd tells its administrator the sessions and the open files with their locks, and refuses other users", () =>
  Effect.gen(function*() {
    const address = "127.0.32.12"
    const root = { name: "root", password: "Lab-root-7d" }
    const server = yield* Lab.server({ address, users: [root], shares: [{ name: "data" }] })
    // smbd asks for the membership, and not for the number of the user.
    const conf = join(server.path("data"), "../../smb.conf")
    const groups = ["ntgroup=Administrators", "unixgroup=root", "sid=S-1-5-32-544", "type=builtin"]
    yield* attempt(() => Lab.mustExecute("net", ["-s", conf, "groupmap", "add", ...groups]))
    const as = (user: string, password: string) =>
      client({ credential: Credentials.password(user, Redacted.make(password)) })
    const administrator = yield* as(root.name, root.password)
    const user = yield* as(name, password)
    yield* user.writeFile(`//${address}/data/film.mkv`, "film")
    const file = yield* user.open(`//${address}/data/film.mkv`, OpenMode.readWrite)
    yield* file.lock([{ offset: 0n, length: 1n }], { exclusive: true })
    const files = yield* administrator.openFiles(`//${address}`)
    const film = files.find(({ path }) => path.endsWith("\\film.mkv"))
    assert.deepInclude(film, { user: name, locks: 1, canRead: true, canWrite: true })
    const sessions = yield* administrator.sessions(`//${address}`)
    assert.sameMembers(sessions.map((session) => session.user), [name, root.name])
    const ipc = yield* administrator.connect({ server: address, port: 445, share: "IPC$", path: "" })
    const [one] = sessions
    const connections = yield* ServerUse.connections(ipc, one!.client)
    // smbd does not name all shares of a client, and has no statistics.
    assert.includeMembers(connections.map(({ share }) => share), ["IPC$"])
    assert.isUndefined(yield* ServerUse.statistics(ipc))
    for (const list of [Effect.asVoid(user.openFiles(`//${address}`)), Effect.asVoid(user.sessions(`//${address}`))]) {
      const denied = yield* Effect.flip(list)
      assert.deepInclude(denied, { _tag: "SmbError", statusName: "STATUS_ACCESS_DENIED" })
    }
  }).pipe(Effect.scoped))
