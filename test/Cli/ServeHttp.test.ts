/**
 * `serve http` on loopback, over the project's own server: what a browser gets. Requests are those of Node's own client,
 * which sends paths and headers unchanged.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Duration,
  Effect,
  Exit,
  Layer,
  Redacted,
  Ref,
  References,
  Schedule,
  Scope,
  Stream,
  SubscriptionRef
} from "effect"
import { type Namespace, OpenMode, SmbClient, type SmbError, UncPath, UserStore } from "effect-smb"
import { spawn } from "node:child_process"
import * as Http from "node:http"
import * as Net from "node:net"
import { contentSecurityPolicy } from "../../src/Cli/Http/Page.ts"
import * as ServeHttp from "../../src/Cli/ServeHttp.ts"
import { status } from "../../src/Cli/ServeStatus.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import { main } from "../command.ts"
import * as Served from "./served.ts"

interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

const request = (
  port: number,
  path: string,
  { headers = {}, method = "GET" }: { readonly method?: string; readonly headers?: Record<string, string> } = {}
): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const sent = Http.request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => {
        const body = Buffer.concat(chunks)
        resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, body, text: String(body) }))
      })
      response.on("error", (error) => resume(Effect.die(error)))
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end()
  })

const usual: ServeHttp.Options = { host: "127.0.0.1", port: 0, connections: 100, allowedNames: [], json: false }

/** A site that says nothing. */
const listen = (path: string, how: Partial<ServeHttp.Options> = {}) =>
  Effect.provideService(
    ServeHttp.listen(Served.path(path), { ...usual, ...how }),
    References.MinimumLogLevel,
    "Error"
  )

/** A site over a share, and a client that can change the share. */
const site = (
  how: Partial<ServeHttp.Options> = {},
  below = ""
): Effect.Effect<
  { readonly port: number; readonly smb: SmbClient.Client; readonly share: string },
  unknown,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const server = yield* Served.server()
    const context = yield* Layer.build(Served.client({ port: server.port }))
    const share = `//127.0.0.1:${server.port}/data`
    const smb = Context.get(context, SmbClient.SmbClient).withNames("mapped")
    const { port } = yield* Effect.provide(listen(`${share}${below}`, how), context)
    return { port, smb, share }
  })

/** The links of a page with their texts, as a browser understands them. */
const linksOf = (page: string): ReadonlyArray<{ readonly href: string; readonly text: string }> => {
  const plain = (text: string) =>
    text.replace(
      /&(amp|lt|gt|quot|#39);/g,
      (_, name: string) => ({ amp: "&", lt: "<", gt: ">", quot: "\"", "#39": "'" })[name]!
    )
  return [...page.matchAll(/<a href="([^"]*)"[^>]*>([^<]*)<\/a>/g)].map(([, href, text]) => ({
    href: plain(href!),
    text: plain(text!)
  }))
}

/** The names of the rows, from top to bottom. */
const rows = (page: string) => [...page.matchAll(/<td class="name">.*?<a [^>]*>([^<]*)<\/a>/g)].map(([, name]) => name!)

describe("a listing", () => {
  it.live("has folders first, and is sorted by the column that the address names", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      for (const [name, size, time] of [["b10.txt", 10, 2], ["B9.txt", 30, 1], ["a.txt", 20, 3]] as const) {
        yield* smb.writeFile(`${share}/${name}`, new Uint8Array(size), {
          lastWriteTime: FileTime.fromMillis(Date.UTC(2026, 0, time))
        })
      }
      yield* smb.makeDirectory(`${share}/z`)
      yield* smb.makeDirectory(`${share}/c`)
      const listed = (query: string) => Effect.map(request(port, `/${query}`), ({ text }) => rows(text))
      assert.deepStrictEqual(yield* listed(""), ["c/", "z/", "a.txt", "B9.txt", "b10.txt"])
      assert.deepStrictEqual(yield* listed("?sort=name&order=desc"), ["z/", "c/", "b10.txt", "B9.txt", "a.txt"])
      assert.deepStrictEqual(yield* listed("?sort=size"), ["c/", "z/", "b10.txt", "a.txt", "B9.txt"])
      assert.deepStrictEqual(yield* listed("?sort=time&order=desc"), ["c/", "z/", "a.txt", "b10.txt", "B9.txt"])
      assert.deepStrictEqual(yield* listed("?sort=%3Cscript%3E"), ["c/", "z/", "a.txt", "B9.txt", "b10.txt"])
      const { headers, text } = yield* request(port, "/?sort=size&order=desc")
      assert.include(text, "<th scope=\"col\" class=\"size\" aria-sort=\"descending\">")
      assert.include(text, "2 folders, 3 files, 60 B")
      assert.include(text, `<time datetime="2026-01-02T00:00:00.000Z">`)
      // The order stays on the way into a folder.
      assert.include(text, "href=\"./c/?sort=size&amp;order=desc\"")
      assert.deepInclude(headers, {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": contentSecurityPolicy,
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin"
      })
      assert.notInclude(text, "http://")
      assert.notInclude(text, "https://")
    }))

  it.live("shows the way back, in a folder that the command names too", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site({}, "/base")
      yield* smb.makeDirectory(`${share}/base/one/two`, { recursive: true })
      yield* smb.writeFile(`${share}/outside.txt`, "no")
      const { text } = yield* request(port, "/one/two/")
      const [first, second] = linksOf(text)
      assert.deepStrictEqual([first!.href, second!.href], ["../../", "../"])
      assert.match(first!.text, /\\data\\base$/)
      assert.include(text, "<b>two</b>")
      assert.include(text, "This folder is empty.")
      const redirect = yield* request(port, "/one/two?sort=time&order=desc")
      assert.strictEqual(redirect.status, 302)
      assert.strictEqual(redirect.headers.location, "./two/?sort=time&order=desc")
      for (
        const path of ["/../outside.txt", "/%2e%2e/outside.txt", "/..%5coutside.txt", "/one/..%2f..%2foutside.txt"]
      ) {
        assert.strictEqual((yield* request(port, path)).status, 404, path)
      }
    }))

  it.live("follows links within the folder, and none out of it", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site({}, "/base")
      yield* smb.makeDirectory(`${share}/base/in`, { recursive: true })
      yield* smb.makeDirectory(`${share}/private`)
      yield* smb.writeFile(`${share}/private/secret.txt`, "the secret")
      yield* smb.writeFile(`${share}/base/in/file.txt`, "the file")
      yield* smb.makeLink(`${share}/base/good`, "in\\file.txt")
      yield* smb.makeLink(`${share}/base/evil`, "..\\private\\secret.txt")
      yield* smb.makeLink(`${share}/base/folder`, "..\\private", { directory: true })
      assert.strictEqual((yield* request(port, "/good")).text, "the file")
      for (const path of ["/evil", "/folder", "/folder/", "/folder/secret.txt"]) {
        const { status, text } = yield* request(port, path)
        assert.strictEqual(status, 403, path)
        assert.include(text, "leads out of", path)
        assert.notInclude(text, "the secret", path)
      }
    }))

  it.live("ends after a number of entries, and says so", () =>
    Effect.gen(function*() {
      for (const [maximumEntries, isCut] of [[2, true], [3, false]] as const) {
        const { port, share, smb } = yield* site({ maximumEntries })
        for (const name of ["a", "b", "c"]) yield* smb.writeFile(`${share}/${name}`, name)
        const { text } = yield* request(port, "/")
        assert.lengthOf(rows(text), maximumEntries)
        assert.strictEqual(text.includes("the first 2 that the server"), isCut)
      }
    }))

  it.live("of a large folder is made in parts, as fast as the browser takes them", () =>
    Effect.gen(function*() {
      const server = yield* Served.server()
      const context = yield* Layer.build(Served.client({ port: server.port }))
      const share = `//127.0.0.1:${server.port}/data`
      const smb = Context.get(context, SmbClient.SmbClient)
      yield* smb.writeFile(`${share}/one`, "one")
      const entry = yield* smb.stat(`${share}/one`)
      const count = 20_000
      const names = Array.from({ length: count }, (_, i) => `file ${String(i).padStart(5, "0")} of a large folder`)
      const large: SmbClient.Client = {
        ...smb,
        withNames: () => large,
        confinedTo: () => large,
        list: () => Stream.map(Stream.fromIterable(names), (name) => ({ ...entry, name }))
      }
      const { port } = yield* Effect.provideService(listen(share), SmbClient.SmbClient, large)

      // Each part that the site gives to Node, and whether Node said before that it is full.
      const parts: Array<{ readonly length: number; readonly wasFull: boolean }> = []
      const full = new Set<Http.ServerResponse>()
      const isFull = Promise.withResolvers<void>()
      const { write } = Http.ServerResponse.prototype
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          Http.ServerResponse.prototype.write = function(this: Http.ServerResponse, chunk: Uint8Array) {
            parts.push({ length: chunk.length, wasFull: full.has(this) })
            const hasRoom = write.call(this, chunk, "utf8")
            if (hasRoom) return true
            full.add(this)
            this.prependOnceListener("drain", () => full.delete(this))
            isFull.resolve()
            return false
          }
        }),
        () => Effect.sync(() => Http.ServerResponse.prototype.write = write)
      )
      const text = yield* Effect.promise(async () => {
        const response = await new Promise<Http.IncomingMessage>((resolve, reject) =>
          Http.get({ host: "127.0.0.1", port, path: "/", agent: false }, resolve).on("error", reject)
        )
        // Nothing is read until Node cannot take more.
        await isFull.promise
        const chunks: Array<Buffer> = []
        for await (const chunk of response) chunks.push(chunk as Buffer)
        return String(Buffer.concat(chunks))
      })
      assert.deepStrictEqual(rows(text), names)
      assert.isTrue(text.endsWith("</html>\n"))
      assert.isAbove(parts.length, count / 100)
      assert.isBelow(Math.max(...parts.map(({ length }) => length)), 100_000)
      assert.deepStrictEqual(parts.filter(({ wasFull }) => wasFull), [])
      assert.strictEqual((yield* request(port, "/", { method: "HEAD" })).text, "")
    }))

  it.live("has a link to every name, and no name becomes a part of the page", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      const names = [
        "<script>alert(1)<b>.txt",
        "\"onmouseover='alert(1)'.txt",
        "a&amp;b.txt",
        "#?%2e%25.txt",
        "javascript:alert(1)",
        "11:05 *|.txt",
        "日本語 😀.txt",
        "\u202etxt.exe",
        "\ud800 alone.txt",
        // A backslash that is part of the name, as the client has it.
        "a\uf026b.txt",
        "end. "
      ]
      const base = yield* Effect.fromResult(UncPath.parseInShare(share))
      for (const name of names) yield* smb.writeFile({ ...base, path: name }, `content of ${name}`)
      const { text } = yield* request(port, "/")
      const links = linksOf(text).filter(({ href }) => href.startsWith("./") && !href.includes("?"))
      assert.lengthOf(links, names.length)
      assert.sameMembers(
        yield* Effect.forEach(links, ({ href }) =>
          Effect.map(request(port, new URL(href, "http://127.0.0.1/").pathname), ({ text }) => text)),
        names.map((name) =>
          `content of ${name}`.toWellFormed()
        )
      )
      assert.isTrue(links.some((link) => link.text === "a\\b.txt"))
      assert.notInclude(text, "<script")
      assert.notInclude(text, "\u202e")
      // Elements of the page are those that it has without these files.
      const elements = (page: string) => new Set([...page.matchAll(/<([a-z!]+)/g)].map(([, name]) => name))
      assert.deepStrictEqual(
        [...elements(text)].toSorted(),
        [
          "!doctype",
          "a",
          "b",
          "body",
          "footer",
          "head",
          "header",
          "html",
          "link",
          "main",
          "meta",
          "nav",
          "path",
          "style"
        ]
          .concat("svg", "symbol", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "use").toSorted()
      )
    }))
})

describe("a file", () => {
  const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff)
  const old = FileTime.fromMillis(Date.UTC(2026, 0, 2))

  it.live("is sent whole, in parts, or not at all if the browser has it", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      yield* smb.writeFile(`${share}/film.mp4`, bytes, { lastWriteTime: old })
      const whole = yield* request(port, "/film.mp4")
      assert.strictEqual(whole.status, 200)
      assert.isTrue(whole.body.equals(bytes))
      assert.deepInclude(whole.headers, {
        "content-type": "video/mp4",
        "content-length": "300000",
        "accept-ranges": "bytes",
        "last-modified": "Fri, 02 Jan 2026 00:00:00 GMT",
        "content-disposition": "inline; filename=\"film.mp4\"; filename*=UTF-8''film.mp4",
        "x-content-type-options": "nosniff"
      })
      const etag = whole.headers.etag!
      assert.match(etag, /^"[0-9a-f]+-[0-9a-f]+"$/)

      const head = yield* request(port, "/film.mp4", { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.body.length, head.headers["content-length"], head.headers.etag], [
        200,
        0,
        "300000",
        etag
      ])
      const part = (range: string, more: Record<string, string> = {}) =>
        request(port, "/film.mp4", { headers: { range, ...more } })
      for (
        const [range, from, to] of [
          ["bytes=100000-100009", 100_000, 100_010],
          ["bytes=299990-", 299_990, 300_000],
          ["bytes=-5", 299_995, 300_000],
          ["bytes=0-999999", 0, 300_000]
        ] as const
      ) {
        const answer = yield* part(range)
        assert.strictEqual(answer.status, 206, range)
        assert.strictEqual(answer.headers["content-range"], `bytes ${from}-${to - 1}/300000`)
        assert.isTrue(answer.body.equals(bytes.subarray(from, to)), range)
      }
      const beyond = yield* part("bytes=300000-")
      assert.deepStrictEqual([beyond.status, beyond.headers["content-range"]], [416, "bytes */300000"])
      assert.strictEqual((yield* part("bytes=0-0", { "if-range": etag })).status, 206)
      assert.strictEqual((yield* part("bytes=0-0", { "if-range": "\"other\"" })).status, 200)

      for (
        const headers of [
          { "if-none-match": etag },
          { "if-none-match": `"a", W/${etag}` },
          { "if-modified-since": whole.headers["last-modified"]! }
        ]
      ) {
        const same = yield* request(port, "/film.mp4", { headers })
        assert.deepStrictEqual([same.status, same.body.length, same.headers.etag], [304, 0, etag])
      }
      yield* smb.writeFile(`${share}/film.mp4`, "new")
      const changed = yield* request(port, "/film.mp4", { headers: { "if-none-match": etag } })
      assert.deepStrictEqual([changed.status, changed.text], [200, "new"])
      // It was written a moment ago, and can change again without another time.
      assert.match(changed.headers.etag!, /^W\//)
      const weak = yield* part("bytes=0-0", { "if-range": changed.headers.etag! })
      assert.deepStrictEqual([weak.status, weak.text], [200, "new"])
    }))

  it.live("without bytes is sent too", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      yield* smb.writeFile(`${share}/empty`, "")
      const empty = yield* request(port, "/empty")
      assert.deepStrictEqual([empty.status, empty.body.length, empty.headers["content-length"]], [200, 0, "0"])
    }))

  it.live("that can hold a script is downloaded, has no rights, and is never guessed to be something else", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      const hostile = "<html><script>fetch('/')</script></html>"
      for (const name of ["a.html", "a.svg", "a.txt", "noextension", "a.png"]) {
        yield* smb.writeFile(`${share}/${name}`, hostile)
        const { headers } = yield* request(port, `/${name}`)
        assert.strictEqual(headers["x-content-type-options"], "nosniff")
        assert.match(headers["content-security-policy"] as string, /default-src 'none';.* sandbox$/)
        assert.strictEqual(
          headers["content-disposition"]!.split(";")[0],
          {
            "a.html": "attachment",
            "a.svg": "attachment",
            noextension: "attachment"
          }[name] ?? "inline",
          name
        )
      }
      const download = yield* request(port, "/a.txt?download")
      assert.match(download.headers["content-disposition"]!, /^attachment; filename="a.txt"/)
    }))

  it.live("that a slow browser reads, is closed when the browser goes away", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      yield* smb.writeFile(`${share}/large`, new Uint8Array(24 * 1024 * 1024))
      const socket = Net.connect(port, "127.0.0.1")
      yield* Effect.callback<void>((resume) => {
        socket.on("error", () => {})
        socket.write("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        socket.once("data", () => resume(Effect.sync(() => socket.pause())))
      })
      // The site has the file open for the browser: no other program can have it without sharing it.
      const alone = { ...OpenMode.read, shareAccess: 0 }
      const open = Effect.scoped(smb.open(`${share}/large`, alone))
      assert.strictEqual((yield* Effect.flip(open) as Effect.Effect<SmbError>).reason._tag, "SharingViolation")
      socket.destroy()
      yield* open.pipe(Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 200 }))
    }))
})

describe("a request that gets nothing", () => {
  it.live("is answered with a page that says what happened", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      yield* smb.writeFile(`${share}/file.txt`, "text")
      const refused = (path: string, how?: Parameters<typeof request>[2]) =>
        Effect.map(request(port, path, how), ({ headers, status, text }) => {
          assert.strictEqual(headers["content-security-policy"], contentSecurityPolicy)
          assert.include(text, `HTTP status ${status}.`)
          return [status, /<h1>(.*)<\/h1>/.exec(text)?.[1], /<p class="notice">(.*)<\/p>/.exec(text)?.[1]]
        })
      const [status, title, message] = yield* refused("/%3Cb%3E/none.txt")
      assert.deepStrictEqual([status, title], [404, "Not found"])
      assert.match(message as string, /\\data\\&lt;b&gt;\\none\.txt does not exist/)
      assert.strictEqual((yield* refused("/file.txt/"))[0], 404)
      assert.strictEqual((yield* refused("/none/"))[0], 404)
      assert.strictEqual((yield* refused("/%ff"))[0], 400)
      assert.strictEqual((yield* refused("/@GMT-2026.01.02-03.04.05/"))[0], 404)
      assert.strictEqual((yield* refused("/file.txt", { method: "PUT" }))[0], 405)
      assert.strictEqual((yield* request(port, "/", { method: "DELETE" })).headers.allow, "GET, HEAD")
      assert.strictEqual(yield* smb.readFileString(`${share}/file.txt`), "text")
      // DNS rebinding: the name of another site.
      const rebound = yield* refused("/file.txt", { headers: { host: "evil.test:8080" } })
      assert.strictEqual(rebound[0], 421)
      assert.include(rebound[2] as string, "--allow-name evil.test")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* smb.open(`${share}/file.txt`, { ...OpenMode.read, shareAccess: 0 })
        assert.deepStrictEqual((yield* refused("/file.txt")).slice(0, 2), [503, "Not available now"])
      }))
    }))

  it.live("has two Host headers: which server it is for is not clear (RFC 9112 3.2)", () =>
    Effect.gen(function*() {
      const { port, share, smb } = yield* site()
      yield* smb.writeFile(`${share}/a.txt`, "the content")
      const answer = yield* Effect.callback<string>((resume) => {
        const socket = Net.connect(port, "127.0.0.1")
        let text = ""
        socket.on("data", (data) => text += data.toString())
        socket.on("error", () => {})
        socket.once("close", () => resume(Effect.succeed(text)))
        socket.write("GET /a.txt HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\nConnection: close\r\n\r\n")
      })
      assert.match(answer, /^HTTP\/1\.1 400 /)
      assert.include(answer, "more than one Host header")
      assert.notInclude(answer, "the content")
    }))

  it.live("has no file of another user, and no file of a server that is gone", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(
        Served.server({
          shares: {
            data: MemoryStore.make(),
            secret: { store: MemoryStore.make(), security: "D:(A;;GA;;;BA)" }
          }
        }),
        scope
      )
      const context = yield* Layer.build(Served.client({ reconnect: "never" }))
      const portOf = (share: string) =>
        Effect.provide(
          Effect.map(listen(`//127.0.0.1:${server.port}/${share}`), ({ port }) => port),
          context
        )
      assert.strictEqual((yield* request(yield* portOf("secret"), "/")).status, 403)
      const port = yield* portOf("data")
      assert.strictEqual((yield* request(port, "/")).status, 200)
      yield* Scope.close(scope, Exit.void)
      const gone = yield* request(port, "/")
      assert.strictEqual(gone.status, 503)
      assert.include(gone.text, "refused the connection")
    }))

  it.live("tells a browser after its own time that a file server is lost, though the client tries for longer", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(Served.server(), scope)
      const context = yield* Layer.build(Served.client({ port: server.port, reconnect: "1 hour" }))
      const share = `//127.0.0.1:${server.port}/data`
      const smb = Context.get(context, SmbClient.SmbClient)
      yield* smb.writeFile(`${share}/a.txt`, "a")
      const { port } = yield* Effect.provide(listen(share, { answerWithin: Duration.millis(300) }), context)
      assert.strictEqual((yield* request(port, "/")).status, 200)
      yield* Scope.close(scope, Exit.void)
      for (const path of ["/", "/a.txt", "/"]) {
        const late = yield* request(port, path)
        assert.strictEqual(late.status, 504)
        assert.include(late.text, "within 0.3 seconds")
      }
    }))

  it.live("waits for a listing that goes on, and not for more than some that do not", () =>
    Effect.gen(function*() {
      const server = yield* Served.server()
      const context = yield* Layer.build(Served.client({ port: server.port }))
      const share = `//127.0.0.1:${server.port}/data`
      const smb = Context.get(context, SmbClient.SmbClient)
      yield* smb.writeFile(`${share}/one`, "one")
      const entry = yield* smb.stat(`${share}/one`)
      const hangs = yield* Ref.make(false)
      const slow: SmbClient.Client = {
        ...smb,
        withNames: () => slow,
        confinedTo: () => slow,
        list: () =>
          Stream.fromIterable(["a", "b", "c", "d", "e"], { chunkSize: 1 }).pipe(
            Stream.mapEffect((name) =>
              Effect.flatMap(
                Ref.get(hangs),
                (isHanging) => isHanging ? Effect.never : Effect.as(Effect.sleep("100 millis"), { ...entry, name })
              )
            )
          )
      }
      const { port } = yield* Effect.provideService(
        listen(share, { answerWithin: Duration.millis(400) }),
        SmbClient.SmbClient,
        slow
      )
      const whole = yield* request(port, "/")
      assert.strictEqual(whole.status, 200)
      assert.include(whole.text, ">e<")
      yield* Ref.set(hangs, true)
      const all = yield* Effect.all(Array.from({ length: 12 }, () => request(port, "/")), { concurrency: "unbounded" })
      assert.deepStrictEqual(all.map(({ status }) => status), Array.from({ length: 12 }, () => 504))
      yield* Ref.set(hangs, false)
      assert.strictEqual((yield* request(port, "/")).status, 200)
    }))
})

describe("requests of one connection that come at once", () => {
  /** A site over a film of 24 MiB, whose file server tells joe what is open. */
  const film = Effect.gen(function*() {
    const users = UserStore.inMemory({ joe: Redacted.make("secret") })
    const server = yield* Served.server({
      users: {
        find: (name, domain) =>
          Effect.map(users.find(name, domain), (user) => user === undefined ? user : { ...user, administrator: true })
      }
    })
    const context = yield* Layer.build(Served.client({ port: server.port }))
    const smb = Context.get(context, SmbClient.SmbClient)
    const host = `//127.0.0.1:${server.port}`
    yield* smb.writeFile(`${host}/data/film.bin`, new Uint8Array(24 * 1024 * 1024))
    const { port } = yield* Effect.provide(listen(`${host}/data`), context)
    const openFilms = Effect.map(
      smb.openFiles(host),
      (files) => files.filter((file) => file.path.endsWith("film.bin")).length
    )
    const bytesSent = Effect.map(
      Effect.provide(Served.printed(status(Served.path(host), { json: true })), Served.client()),
      (said): number => said.objects().find(({ kind }) => kind === "server").bytesSent
    )
    return { port, openFilms, bytesSent }
  })

  /** A connection that sends `count` requests in one write, and reads nothing. */
  const send = (port: number, count: number) =>
    Effect.acquireRelease(
      Effect.callback<Net.Socket>((resume) => {
        const socket = Net.connect(port, "127.0.0.1", () => {
          socket.pause()
          socket.write("GET /film.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(count))
          resume(Effect.succeed(socket))
        })
        socket.on("error", () => {})
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )

  it.live("begin one after another, and a browser that reads nothing costs little", () =>
    Effect.gen(function*() {
      const { bytesSent, openFilms, port } = yield* film
      const socket = yield* send(port, 9)
      yield* Effect.repeat(openFilms, { until: (count) => count > 0, times: 200 })
      yield* Effect.sleep("500 millis")
      assert.strictEqual(yield* openFilms, 1)
      assert.isBelow(yield* bytesSent, 16 * 1024 * 1024)
      assert.strictEqual((yield* request(port, "/")).status, 200)
      // The next one has its turn, and the end of the connection ends those that wait too.
      let received = 0
      yield* Effect.callback<void>((resume) => {
        socket.on("data", (data) => {
          received += data.length
          if (received > 26 * 1024 * 1024) resume(Effect.sync(() => socket.destroy()))
        })
        socket.resume()
      })
      assert.strictEqual(yield* Effect.repeat(openFilms, { until: (count) => count === 0, times: 200 }), 0)
    }))

  it.live("end the connection if they are too many, and other browsers are answered", () =>
    Effect.gen(function*() {
      const { openFilms, port } = yield* film
      const socket = yield* send(port, 300)
      yield* Effect.callback<void>((resume) => {
        socket.once("close", () => resume(Effect.void)).resume()
      })
      assert.strictEqual((yield* request(port, "/")).status, 200)
      yield* Effect.repeat(openFilms, { until: (count) => count === 0, times: 200 })
      assert.strictEqual(yield* openFilms, 0)
    }))
})

describe("a site", () => {
  it.live("takes no more connections than it should, and ends with all of them", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { port } = yield* Scope.provide(site({ connections: 2 }), scope)
      const connect = Effect.callback<Net.Socket>((resume) => {
        const socket = Net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
        socket.on("error", () => {})
      })
      const closed = (socket: Net.Socket) =>
        Effect.callback<void>((resume) => {
          if (socket.closed) return resume(Effect.void)
          socket.resume().once("close", () => resume(Effect.void))
        })
      const first = yield* connect
      const second = yield* connect
      // The first connection is known to the server before the third one comes.
      for (const socket of [first, second]) {
        yield* Effect.callback<void>((resume) => {
          socket.once("data", () => resume(Effect.void))
          socket.write("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        })
      }
      yield* Effect.flatMap(connect, closed)
      assert.isFalse(first.closed)
      yield* Scope.close(scope, Exit.void)
      yield* closed(first)
      yield* closed(second)
    }))

  it.live("shows the links of a DFS namespace as folders", () =>
    Effect.gen(function*() {
      const namespaces = yield* SubscriptionRef.make<Namespace.Namespace>({
        roots: { public: { links: { plans: ["//127.0.0.1/data"] } } }
      })
      const server = yield* Served.server({ namespaces })
      const context = yield* Layer.build(Served.client({ port: server.port }))
      const smb = Context.get(context, SmbClient.SmbClient)
      yield* smb.writeFile(`//127.0.0.1:${server.port}/data/plan.txt`, "the plan")
      const { port } = yield* Effect.provide(listen(`//127.0.0.1:${server.port}/public`), context)
      assert.deepStrictEqual(rows((yield* request(port, "/")).text), ["plans/"])
      assert.strictEqual((yield* request(port, "/plans")).headers.location, "./plans/")
      assert.deepStrictEqual(rows((yield* request(port, "/plans/")).text), ["plan.txt"])
      assert.strictEqual((yield* request(port, "/plans/plan.txt")).text, "the plan")
    }))

  it.live("runs as a command until Ctrl-C, and writes a line for each request", () =>
    Effect.gen(function*() {
      const { port: smbPort } = yield* Served.server()
      const child = spawn(
        process.execPath,
        [main, "serve", "http", `//127.0.0.1:${smbPort}/data`, "--port", "0", "--json"],
        { env: { ...process.env, SMB_USER: "joe", SMB_PASSWORD: "secret" }, stdio: ["ignore", "pipe", "pipe"] }
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      let output = ""
      const line = (number: number) =>
        Effect.callback<Record<string, unknown>>((resume) => {
          const look = () => {
            const lines = output.split("\n")
            if (lines.length > number + 1) resume(Effect.succeed(JSON.parse(lines[number]!)))
          }
          child.stdout.on("data", look)
          child.on("close", () => resume(Effect.die(`it ended: ${output}`)))
          look()
        })
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
      })
      const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
      const listening = yield* line(0)
      assert.deepInclude(listening, { event: "listening", host: "127.0.0.1" })
      assert.strictEqual(listening.url, `http://127.0.0.1:${listening.port}/`)
      assert.strictEqual((yield* request(listening.port as number, "/none")).status, 404)
      assert.deepInclude(yield* line(1), {
        event: "request",
        method: "GET",
        url: "/none",
        status: 404,
        address: "127.0.0.1"
      })
      child.kill("SIGINT")
      assert.strictEqual(yield* Effect.promise(() => ended), 0)
      assert.notInclude(output, "secret")
    }), 60_000)
})
