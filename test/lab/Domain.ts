/**
 * A whole Active Directory domain for the length of a scope: a Samba domain controller with its DNS and KDC, and a
 * member server, in a new network namespace that this process reaches over a pair of virtual interfaces.
 *
 * The namespace and the private /run/samba are needed because winbindd's socket is at a fixed place: a controller next
 * to other smbds would break all their logons. Nothing outlives the scope: processes, namespace, folder, files in /etc.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, openSync } from "node:fs"
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { connect, type LookupFunction } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { which } from "../../scripts/lab.mjs"
import {
  attempt,
  endAllWith,
  execute,
  guard,
  type LabError,
  mustExecute,
  type Output,
  pause,
  serves,
  signal,
  start
} from "./Process.ts"

/** The domain's names, and a user of it. The passwords are no secrets: the domain lives for seconds, on this machine. */
export const domain = {
  dns: "corp.test",
  netbios: "CORP",
  realm: "CORP.TEST",
  controller: "dc1.corp.test",
  secondController: "dc2.corp.test",
  member: "fs1.corp.test",
  /** A name for a server of a test. The domain has an account for it. */
  server: "server.corp.test",
  user: { name: "alice", password: "Lab-9f3!kqZ2w" },
  administrator: { name: "Administrator", password: "Adm-9f3!kqZ2w" }
} as const

/** A running domain. */
export interface Domain {
  /** The controller's address: SMB, LDAP, DNS and the KDC. */
  readonly address: string
  /** How this process finds the domain's hosts: it does not ask the domain's DNS. */
  readonly lookup: LookupFunction
  /** The file for KRB5_CONFIG. This process has it in its own KRB5_CONFIG until the scope closes. */
  readonly krb5Config: string
  /** Keys of the user. */
  readonly keytab: string
  /** The address for a server of a test, and its keys of the service `cifs/`. */
  readonly server: { readonly address: string; readonly keytab: string }
  /** The path of a file for a test. */
  readonly scratch: (name: string) => string
  /** The path of a share's files on this machine: `dfs` and `data` of the controller, `far` of the member. */
  readonly path: (share: "dfs" | "data" | "far", ...names: ReadonlyArray<string>) => string
  /**
   * Gets a ticket into a cache. Returns the cache's path. `only`: no ticket for getting others, but one for this
   * service, which lives for some seconds. The KDC takes no ticket for getting others that ends within two minutes.
   */
  readonly kinit: (
    cache: string,
    user?: { readonly name: string; readonly password: string },
    only?: { readonly service: string; readonly lifetime: number }
  ) => Effect.Effect<string, LabError>
  /** The network namespace of the domain's hosts. */
  readonly namespace: string
  /** Runs a program in the namespace, where the domain's DNS resolves names. */
  readonly execute: (
    name: string,
    args: ReadonlyArray<string>,
    env?: Readonly<Record<string, string>>
  ) => Effect.Effect<Output, LabError>
  /**
   * Starts a second controller and joins it to the domain. It serves the same namespace from the same folder, as a
   * replica would. It has a KDC and no name server. Referrals name it from now on. Takes 10 to 20 seconds.
   */
  readonly joinSecondController: Effect.Effect<void, LabError>
  /** Ends the first controller at once: SMB, LDAP, DNS and KDC. It does not come back. */
  readonly killController: Effect.Effect<void, LabError>
  /** Stops the member as if it had gone down, and starts it again. */
  readonly member: { readonly stop: Effect.Effect<void, LabError>; readonly start: Effect.Effect<void, LabError> }
}

/** The member gives its users fixed numbers: this and the last part of their SID. */
const firstUid = 300_000

const krb5Conf = (address: string, second: string) =>
  `[libdefaults]
  default_realm = ${domain.realm}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  ${domain.realm} = {
    kdc = ${address}
    kdc = ${second}
  }
[domain_realm]
  ${domain.dns} = ${domain.realm}
  .${domain.dns} = ${domain.realm}
`

const memberConf = (folder: string, address: string) =>
  `[global]
  workgroup = ${domain.netbios}
  realm = ${domain.realm}
  security = ads
  server role = member server
  netbios name = FS1
  disable netbios = yes
  smb ports = 445
  interfaces = ${address}/24
  bind interfaces only = yes
${
    ["private", "state", "lock", "cache", "pid", "ncalrpc"].map((name) =>
      `  ${name}${name === "ncalrpc" ? " dir" : name === "private" ? " dir" : " directory"} = ${folder}/${name}`
    ).join("\n")
  }
  log file = ${folder}/log/log.%m
  idmap config * : backend = tdb
  idmap config * : range = 100000-199999
  idmap config ${domain.netbios} : backend = rid
  idmap config ${domain.netbios} : range = ${firstUid}-399999
  winbind scan trusted domains = no
  server smb3 encryption algorithms = AES-256-GCM
  server min protocol = NT1
  server signing = auto
  disable spoolss = yes
  load printers = no

[far]
  path = ${folder}/shares/far
  read only = no
`

interface Place {
  readonly folder: string
  readonly namespace: string
  readonly subnet: string
  readonly outside: string
  readonly inside: string
}

/** Runs a command in the namespace, with a private /run/samba and the domain's Kerberos configuration. */
const within = ({ folder, namespace }: Place, ...command: ReadonlyArray<string>) => [
  "netns",
  "exec",
  namespace,
  "unshare",
  "-m",
  "sh",
  "-c",
  `mount --make-rprivate /; mount -t tmpfs -o mode=755 tmpfs /run/samba; export KRB5_CONFIG=${folder}/krb5.conf; ` +
  "exec \"$@\"",
  "sh",
  ...command
]

const removal = ({ namespace, outside }: Place) =>
  `for id in $(ip netns pids ${namespace} 2>/dev/null); do kill -KILL $id; done; ip netns del ${namespace} 2>/dev/null; ` +
  `ip link del ${outside} 2>/dev/null; rm -rf /etc/netns/${namespace}; rmdir /etc/netns 2>/dev/null; true`

const makeNetwork = async ({ inside, namespace, outside, subnet }: Place): Promise<void> => {
  const ip = (line: string) => mustExecute("ip", line.split(" "))
  await mkdir(`/etc/netns/${namespace}`, { recursive: true })
  const file = (name: string, text: string) => writeFile(`/etc/netns/${namespace}/${name}`, text)
  await file("resolv.conf", `nameserver ${subnet}.2\nsearch ${domain.dns}\n`)
  await file(
    "hosts",
    `127.0.0.1 localhost\n${subnet}.2 ${domain.controller} dc1 ${domain.dns} ${domain.netbios}\n${subnet}.3 ${domain.member} fs1\n` +
      `${subnet}.4 ${domain.secondController} dc2\n${subnet}.1 ${domain.server} server\n`
  )
  // The member needs a system account for each user: Administrator is 500, users count from 1103.
  const users = [500, 1103, 1104, 1105, 1106].map((id) => `lab${id}:x:${firstUid + id}:65534::/:/bin/false\n`)
  await file("passwd", (await readFile("/etc/passwd", "utf8")) + users.join(""))
  await ip(`netns add ${namespace}`)
  await ip(`link add ${outside} type veth peer name ${inside} netns ${namespace}`)
  await ip(`addr add ${subnet}.1/24 dev ${outside}`)
  await ip(`link set ${outside} up`)
  await ip(`-n ${namespace} addr add ${subnet}.2/24 dev ${inside}`)
  await ip(`-n ${namespace} addr add ${subnet}.3/24 dev ${inside}`)
  await ip(`-n ${namespace} addr add ${subnet}.4/24 dev ${inside}`)
  await ip(`-n ${namespace} link set ${inside} up`)
  await ip(`-n ${namespace} link set lo up`)
}

const keepRunning = (place: Place, log: string, ...command: ReadonlyArray<string>) => {
  const output = openSync(join(place.folder, log), "a")
  const child = start("ip", within(place, ...command), output)
  closeSync(output)
  // The caller that waits for the program notices the failure.
  child.on("error", () => {})
  child.unref()
  return child.pid
}

/** Options of a controller that listens on these addresses only, with the files of root. */
const controllerOptions = (interfaces: string, folder: string) => [
  `--option=interfaces=${interfaces}`,
  "--option=bind interfaces only=yes",
  "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
  "--option=acl_xattr:ignore system acls=yes",
  "--option=load printers=no",
  "--option=disable spoolss=yes",
  `--option=log file=${folder}/log.%m`
]

const controllerShares = (folder: string) =>
  `\n[dfs]\n  path = ${folder}/shares/dfs\n  msdfs root = yes\n  read only = no\n` +
  `\n[data]\n  path = ${folder}/shares/data\n  read only = no\n`

const provision = async (place: Place): Promise<void> => {
  const { folder, subnet } = place
  const run = (...command: ReadonlyArray<string>) => mustExecute("ip", within(place, ...command), { timeout: 180_000 })
  await run(
    "samba-tool",
    "domain",
    "provision",
    `--realm=${domain.realm}`,
    `--domain=${domain.netbios}`,
    "--server-role=dc",
    "--dns-backend=SAMBA_INTERNAL",
    `--adminpass=${domain.administrator.password}`,
    "--host-name=dc1",
    `--host-ip=${subnet}.2`,
    `--targetdir=${folder}/dc`,
    ...controllerOptions(`lo ${subnet}.2/24`, `${folder}/dc`),
    // For clients that ask for NT1. All other clients begin with SMB 2.
    "--option=server min protocol=NT1"
  )
  const conf = `${folder}/dc/etc/smb.conf`
  // It would forward to the namespace's resolver, which is itself. Some programs can only bind to LDAP by a plain password.
  await writeFile(
    conf,
    (await readFile(conf, "utf8")).replace(/^\s*dns forwarder = .*$/m, "  ldap server require strong auth = no")
  )
  await appendFile(conf, controllerShares(folder))
  const { name, password } = domain.user
  await run("samba-tool", "user", "create", name, password, "-s", conf)
  const service = `cifs/${domain.server}`
  await run("samba-tool", "user", "create", "server", `Svc-${password}`, "-s", conf)
  await run("samba-tool", "spn", "add", service, "server", "-s", conf)
  for (const [file, principal] of [[name, name], ["server", service]]) {
    await run(
      "samba-tool",
      "domain",
      "exportkeytab",
      `${folder}/${file}.keytab`,
      `--principal=${principal}`,
      "-s",
      conf
    )
  }
}

const makeShares = async (folder: string): Promise<void> => {
  for (const path of ["shares/dfs", "shares/data", "member/shares/far"]) {
    await mkdir(join(folder, path), { recursive: true })
    await chmod(join(folder, path), 0o777)
  }
  for (const name of ["private", "state", "lock", "cache", "pid", "ncalrpc", "log"]) {
    await mkdir(join(folder, "member", name))
  }
  const link = async (name: string, target: string) => {
    const place = join(folder, "shares/dfs", name)
    await mkdir(dirname(place), { recursive: true })
    await symlink(`msdfs:${target}`, place)
  }
  await link("link", `${domain.member}\\far`)
  await link("both", `${domain.member}\\far,${domain.controller}\\data`)
}

const accepts = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 })
    const end = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.on("connect", end(true)).on("error", end(false)).on("timeout", end(false))
  })

const until = async (what: string, test: () => Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 60_000
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`${what} does not come up`)
    await pause(100)
  }
}

const isReady = async (address: string): Promise<boolean> => {
  for (const port of [88, 389, 445]) if (!(await accepts(address, port))) return false
  return serves(address, 445)
}

const login = async (
  folder: string,
  cache: string,
  user: { readonly name: string; readonly password: string } = domain.user,
  only?: { readonly service: string; readonly lifetime: number }
): Promise<Output> =>
  execute("kinit", [
    ...(only === undefined ? [] : ["-S", only.service, "-l", `${only.lifetime}s`]),
    "-c",
    cache,
    `${user.name}@${domain.realm}`
  ], {
    input: `${user.password}\n`,
    env: { KRB5_CONFIG: `${folder}/krb5.conf` }
  })

const joinSecond = async (place: Place): Promise<void> => {
  const { folder, subnet } = place
  const { name, password } = domain.administrator
  await mustExecute(
    "ip",
    within(
      place,
      "samba-tool",
      "domain",
      "join",
      domain.dns,
      "DC",
      `--server=${domain.controller}`,
      `--targetdir=${folder}/dc2`,
      "--dns-backend=NONE",
      "-U",
      `${name}%${password}`,
      "--option=netbios name=DC2",
      ...controllerOptions(`${subnet}.4/24`, `${folder}/dc2`)
    ),
    { timeout: 90_000 }
  )
  const conf = `${folder}/dc2/etc/smb.conf`
  await appendFile(conf, controllerShares(folder))
  keepRunning(place, "dc2/start", "samba", "-s", conf, "-i", "--no-process-group")
  await until("the second domain controller", () => isReady(`${subnet}.4`))
}

const startMember = async (place: Place): Promise<void> => {
  const conf = `${place.folder}/member/smb.conf`
  keepRunning(
    place,
    "member/log/start",
    "sh",
    "-c",
    `winbindd -s ${conf} -D; exec smbd -s ${conf} -F --no-process-group`
  )
  await until("the member server", () => serves(`${place.subnet}.3`, 445))
}

/** Starts everything. Returns the controller's first process. */
const build = async (place: Place): Promise<number> => {
  const { folder, subnet } = place
  await makeNetwork(place)
  await makeShares(folder)
  await writeFile(join(folder, "krb5.conf"), krb5Conf(`${subnet}.2`, `${subnet}.4`))
  await writeFile(join(folder, "member/smb.conf"), memberConf(`${folder}/member`, `${subnet}.3`))
  await provision(place)
  const controller = keepRunning(
    place,
    "dc/start",
    "samba",
    "-s",
    `${folder}/dc/etc/smb.conf`,
    "-i",
    "--no-process-group"
  )
  await until("the domain controller", () => isReady(`${subnet}.2`))
  await until("the KDC", async () => (await login(folder, `${folder}/first`)).code === 0)
  const { name, password } = domain.administrator
  const joining = within(
    place,
    "net",
    "ads",
    "join",
    "-s",
    `${folder}/member/smb.conf`,
    "-U",
    `${name}%${password}`,
    "--no-dns-updates"
  )
  await until("the member's place in the domain", async () => (await execute("ip", joining)).code === 0)
  await startMember(place)
  if (controller === undefined) throw new Error("the domain controller has not been started")
  return controller
}

/** Starts a domain, which is ready afterwards. Takes 15 to 25 seconds. */
export const make: Effect.Effect<Domain, LabError, Scope.Scope> = Effect.gen(function*() {
  // Concurrent test runs get different namespaces and networks.
  const place: Place = yield* Effect.acquireRelease(
    attempt(async () => {
      const folder = await mkdtemp(join(tmpdir(), "smb-lab-"))
      await chmod(folder, 0o755)
      const id = process.pid
      return {
        folder,
        namespace: `smblab${id}`,
        subnet: `10.99.${id % 250}`,
        outside: `smbo${id}`,
        inside: `smbi${id}`
      }
    }),
    (place) =>
      Effect.promise(async () => {
        await execute("sh", ["-c", removal(place)])
        await rm(place.folder, { recursive: true, force: true, maxRetries: 3 })
      })
  )
  const { folder, namespace, subnet } = place
  yield* Effect.acquireRelease(
    Effect.sync(() => guard(folder, undefined, removal(place))),
    (callOff) => Effect.sync(callOff)
  )
  const controller = yield* Effect.uninterruptible(attempt(() => build(place)))
  const krb5Config = `${folder}/krb5.conf`
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env.KRB5_CONFIG
      process.env.KRB5_CONFIG = krb5Config
      return before
    }),
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env.KRB5_CONFIG
        else process.env.KRB5_CONFIG = before
      })
  )
  const address = `${subnet}.2`
  const hosts: Readonly<Record<string, string>> = {
    [domain.controller]: address,
    dc1: address,
    [domain.dns]: address,
    [domain.netbios.toLowerCase()]: address,
    [domain.secondController]: `${subnet}.4`,
    dc2: `${subnet}.4`,
    [domain.member]: `${subnet}.3`,
    fs1: `${subnet}.3`,
    [domain.server]: `${subnet}.1`
  }
  const lookup: LookupFunction = (name, options, done) => {
    const found = hosts[name.toLowerCase()]
    if (found === undefined) {
      done(Object.assign(new Error(`${name} is not of the domain`), { code: "ENOTFOUND" }), "", 4)
    } else if (options.all === true) done(null, [{ address: found, family: 4 }])
    else done(null, found, 4)
  }
  const scratch = (name: string) => join(folder, name)
  return {
    address,
    lookup,
    krb5Config,
    namespace,
    keytab: `${folder}/${domain.user.name}.keytab`,
    server: { address: `${subnet}.1`, keytab: `${folder}/server.keytab` },
    scratch,
    path: (share, ...names) => join(folder, share === "far" ? "member/shares/far" : `shares/${share}`, ...names),
    kinit: (cache, user, only) =>
      attempt(async () => {
        const { code, stderr } = await login(folder, scratch(cache), user, only)
        if (code !== 0) throw new Error(`kinit: ${stderr}`)
        return scratch(cache)
      }),
    execute: (name, args, env) =>
      attempt(() =>
        execute("ip", ["netns", "exec", namespace, which(name) ?? name, ...args], {
          env: { KRB5_CONFIG: krb5Config, ...env }
        })
      ),
    joinSecondController: attempt(() => joinSecond(place)),
    killController: attempt(async () => {
      signal(-controller, "SIGKILL")
      // Its smbd leads another process group, and is found by its configuration.
      await endAllWith(`${folder}/dc/etc/smb.conf`, "SIGKILL")
    }),
    member: {
      stop: attempt(() => endAllWith(`${folder}/member/smb.conf`)),
      start: attempt(() => startMember(place))
    }
  }
})
