/**
 * The state of one connection of the test kit's peer, and its usual response to each request: negotiation, sessions,
 * trees, opens. `TestPeer` carries requests and responses, `TestLogon` decides which users can log on, and `TestFiles`
 * holds the files of a share.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Codec from "../../Codec/Codec.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { fold } from "../../Codec/UpCase.ts"
import * as Dialects from "../../Smb2/Dialects.ts"
import type * as Encryption from "../../Smb2/Encryption.ts"
import { anyFileId } from "../../Smb2/Message/Common.ts"
import {
  Dialect,
  HeaderFlags,
  ShareCapabilities,
  ShareFlags,
  ShareType,
  SigningAlgorithm
} from "../../Smb2/Message/Constants.ts"
import * as Fsctl from "../../Smb2/Message/Fsctl.ts"
import type * as Message from "../../Smb2/Message/Message.ts"
import type * as Negotiate from "../../Smb2/Message/Negotiate.ts"
import { extendPreauthHash } from "../../Smb2/Negotiate.ts"
import type * as Signing from "../../Smb2/Signing.ts"
import type { Received } from "../TestServer.ts"
import { type Natural, type Related, verify } from "./TestExchange.ts"
import * as TestFiles from "./TestFiles.ts"
import * as TestLogon from "./TestLogon.ts"
import * as TestNegotiation from "./TestNegotiation.ts"
import * as TestReferrals from "./TestReferrals.ts"
import type { State } from "./TestState.ts"

interface Tree {
  /** In lower case. */
  readonly share: string
  /** As requested. */
  readonly path: string
  readonly pipe: boolean
  readonly encrypted: boolean
}

type Body<C extends Message.CommandName> = Extract<Message.Request, { readonly _tag: C }>["body"]

const { refuse } = TestFiles

/**
 * The usual responses on one connection.
 *
 * @category models
 */
export class TestService {
  readonly sessions = new Map<bigint, TestLogon.Session>()
  private readonly number: number
  private readonly state: State
  private readonly trees = new Map<number, Tree>()
  private readonly opens = new Map<bigint, TestFiles.Handle>()
  private nextId = 1
  private dialect: number = 0
  private cipher: Encryption.Algorithm | undefined
  private signing: Signing.Algorithm = SigningAlgorithm.HMAC_SHA256
  private preauthHash: Uint8Array = new Uint8Array(64)
  private said: Negotiate.Response | undefined
  private asked: Negotiate.Request | undefined

  constructor(number: number, state: State) {
    this.number = number
    this.state = state
  }

  /** The path of a tree as its client requested it. */
  treePath(treeId: number): string | undefined {
    return this.trees.get(treeId)?.path
  }

  /** The response to SMB 1's multi-protocol NEGOTIATE. */
  multiProtocol(packet: Uint8Array): Message.Response {
    const text = Buffer.from(packet).toString("latin1")
    const newest = Dialects.revisions[this.state.options.dialect ?? "3.1.1"]
    const dialectRevision = newest > Dialect.SMB_2_0_2 && text.includes("SMB 2.???")
      ? Dialect.SMB_2_WILDCARD
      : Dialect.SMB_2_0_2
    if (dialectRevision === Dialect.SMB_2_0_2) {
      this.dialect = dialectRevision
      this.asked = {
        securityMode: 0,
        capabilities: 0,
        clientGuid: new Uint8Array(16),
        dialects: [],
        negotiateContexts: []
      }
    }
    this.said = TestNegotiation.respond(this.state.options, dialectRevision, undefined, [])
    return { _tag: "NEGOTIATE", body: this.said }
  }

  /** The usual response to a request. `decryptedBy` is the session that decrypted it, if it was encrypted. */
  answer(
    received: Received,
    related: Related,
    decryptedBy: TestLogon.Session | undefined
  ): Effect.Effect<Natural> {
    const { request } = received
    if (request._tag === "NEGOTIATE") return Effect.sync(() => this.negotiate(request.body, received.packet))
    if (request._tag === "ECHO") return Effect.succeed({ status: 0, response: { _tag: "ECHO", body: {} } })
    if (request._tag === "SESSION_SETUP") return this.logOn(received, request.body.securityBuffer)
    const session = this.sessions.get(related.sessionId)
    if (session === undefined || !session.established) {
      return Effect.succeed(refuse(NtStatus.STATUS_USER_SESSION_DELETED))
    }
    if (received.signed && !received.encrypted && session.sign !== undefined && !verify(session.sign, received)) {
      return Effect.succeed(refuse(NtStatus.STATUS_ACCESS_DENIED))
    }
    if (session.encryptsAll && decryptedBy !== session) return Effect.succeed(refuse(NtStatus.STATUS_ACCESS_DENIED))
    return Effect.map(
      Clock.currentTimeMillis,
      (millis) => this.onSession(received, session, related, FileTime.fromMillis(millis))
    )
  }

  /** Keeps the bytes of the negotiation and the logon: the keys of 3.1.1 depend on them. */
  remember(received: Received, natural: Natural, packet: Uint8Array): void {
    if (received.command === "NEGOTIATE") this.preauthHash = extendPreauthHash(this.preauthHash, packet)
    if (received.command !== "SESSION_SETUP" || natural.status !== NtStatus.STATUS_MORE_PROCESSING_REQUIRED) return
    const session = this.sessions.get(natural.sessionId!)
    if (session !== undefined) session.preauthHash = extendPreauthHash(session.preauthHash, packet)
  }

  private negotiate(asked: Negotiate.Request, packet: Uint8Array): Natural {
    const agreed = TestNegotiation.agree(this.state.options, asked)
    if (agreed === undefined) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    this.asked = asked
    this.dialect = agreed.dialect
    this.cipher = agreed.cipher
    this.signing = agreed.signing
    this.said = agreed.response
    this.preauthHash = extendPreauthHash(new Uint8Array(64), packet)
    return { status: 0, response: { _tag: "NEGOTIATE", body: agreed.response } }
  }

  private logOn(received: Received, token: Uint8Array): Effect.Effect<Natural> {
    const known = this.sessions.get(received.header.sessionId)
    if (known?.established === true) return Effect.succeed(refuse(NtStatus.STATUS_REQUEST_NOT_ACCEPTED))
    const { options } = this.state
    const session = known ?? TestLogon.make(options, BigInt(0x1000 * this.number + this.nextId++), this.preauthHash)
    this.sessions.set(session.id, session)
    session.preauthHash = extendPreauthHash(session.preauthHash, received.packet)
    const { cipher, dialect, signing } = this
    return Effect.map(TestLogon.step(session, token, options, { cipher, dialect, signing }), (natural) => {
      if (natural.status === NtStatus.STATUS_LOGON_FAILURE) this.sessions.delete(session.id)
      return natural
    })
  }

  private onSession(received: Received, session: TestLogon.Session, related: Related, now: bigint): Natural {
    const { request } = received
    if (request._tag === "LOGOFF") {
      session.established = false
      return { status: 0, response: { _tag: "LOGOFF", body: {} } }
    }
    if (request._tag === "TREE_CONNECT") return this.connectTree(request.body.path)
    const tree = this.trees.get(related.treeId)
    if (tree === undefined) return refuse(NtStatus.STATUS_NETWORK_NAME_DELETED)
    if (tree.encrypted && !received.encrypted) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    switch (request._tag) {
      case "TREE_DISCONNECT":
        this.trees.delete(related.treeId)
        return { status: 0, response: { _tag: "TREE_DISCONNECT", body: {} } }
      case "CREATE":
        return this.create(received, tree, request.body, now)
      case "IOCTL":
        if (request.body.fileId.volatile === anyFileId.volatile && related.fileId.volatile === anyFileId.volatile) {
          return this.control(request.body)
        }
    }
    if (related.status !== 0) return refuse(related.status)
    const named = "fileId" in request.body ? request.body.fileId : anyFileId
    const fileId = named.volatile === anyFileId.volatile ? related.fileId : named
    const handle = this.opens.get(fileId.volatile)
    if (handle === undefined) return refuse(NtStatus.STATUS_FILE_CLOSED)
    if (request._tag === "CLOSE") {
      this.opens.delete(fileId.volatile)
      return TestFiles.close(handle)
    }
    return TestFiles.run(handle, request, now)
  }

  private connectTree(path: string): Natural {
    const { options, referrals } = this.state
    const share = fold(path.slice(path.lastIndexOf("\\") + 1))
    const pipe = share === "IPC$"
    if (!pipe && !this.state.shares.has(share)) return refuse(NtStatus.STATUS_BAD_NETWORK_NAME)
    const encrypted = typeof options.encryption === "object" &&
      options.encryption.shares.some((name) => fold(name) === share)
    const namespace = !pipe && referrals?.isNamespace(share) === true
    const treeId = this.nextId++
    this.trees.set(treeId, { share, path, pipe, encrypted })
    return {
      status: 0,
      treeId,
      response: {
        _tag: "TREE_CONNECT",
        body: {
          shareType: pipe ? ShareType.SMB2_SHARE_TYPE_PIPE : ShareType.SMB2_SHARE_TYPE_DISK,
          shareFlags: (encrypted ? ShareFlags.SMB2_SHAREFLAG_ENCRYPT_DATA : 0) |
            (namespace ? ShareFlags.SMB2_SHAREFLAG_DFS | ShareFlags.SMB2_SHAREFLAG_DFS_ROOT : 0),
          capabilities: namespace ? ShareCapabilities.SMB2_SHARE_CAP_DFS : 0,
          maximalAccess: 0x1f01ff
        }
      }
    }
  }

  private create(received: Received, tree: Tree, body: Body<"CREATE">, now: bigint): Natural {
    if (tree.pipe) return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
    const path = (received.header.flags & HeaderFlags.SMB2_FLAGS_DFS_OPERATIONS) === 0
      ? body.name
      : body.name.split("\\").slice(2).join("\\")
    if (this.state.referrals?.isCovered(tree.share, path) === false) return refuse(NtStatus.STATUS_PATH_NOT_COVERED)
    const id = BigInt(this.nextId++)
    const root = this.state.shares.get(tree.share)!
    const { handle, outcome } = TestFiles.create(root, body, path, { persistent: id, volatile: id }, this.dialect, now)
    if (handle !== undefined) this.opens.set(id, handle)
    return outcome
  }

  /** A control of the server itself. */
  private control(body: Body<"IOCTL">): Natural {
    switch (body.ctlCode) {
      case Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS:
      case Fsctl.Fsctl.FSCTL_DFS_GET_REFERRALS_EX: {
        const answer = this.state.referrals?.answer(body.ctlCode, body.input, body.maxOutputResponse) ??
          NtStatus.STATUS_FS_DRIVER_REQUIRED
        return typeof answer === "number"
          ? refuse(answer)
          : { status: 0, response: TestReferrals.ioctl(body.ctlCode, body.fileId, answer) }
      }
      case Fsctl.Fsctl.FSCTL_VALIDATE_NEGOTIATE_INFO: {
        const { asked, said } = this
        const heard = TestReferrals.heard(body.input)
        const newest = Dialects.revisions[this.state.options.dialect ?? "3.1.1"]
        if (
          heard === undefined || asked === undefined || said === undefined ||
          heard.capabilities !== asked.capabilities || heard.securityMode !== asked.securityMode ||
          Buffer.compare(heard.guid, asked.clientGuid) !== 0 ||
          Math.max(...heard.dialects.filter((dialect) => dialect <= newest)) !== this.dialect
        ) return refuse(NtStatus.STATUS_ACCESS_DENIED)
        const output = Codec.encode(Fsctl.ValidateNegotiateInfoResponse)({
          capabilities: said.capabilities,
          guid: said.serverGuid,
          securityMode: said.securityMode,
          dialect: said.dialectRevision
        })
        return { status: 0, response: TestReferrals.ioctl(body.ctlCode, body.fileId, output) }
      }
      default:
        return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    }
  }
}
