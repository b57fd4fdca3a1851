/** A client without Effect: promises, async iterables and web streams. */
import { connect, isNotFound, OpenMode } from "effect-smb/promise"
import { createServer } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"

type Options = Parameters<typeof connect>[0]

/** The names below a folder, and a text. */
export const look = async () => {
  await using smb = await connect({ user: "joe", password: "secret", dfs: "fallback" })
  for await (const entry of smb.list("//nas/media")) console.log(entry.name, entry.size)
  console.log(await smb.readFileString("//nas/media/readme.txt"))
}

/** Changes a file under a lock. */
export const countUp = async (options: Options, path: string): Promise<number> => {
  await using smb = await connect(options)
  await using file = await smb.open(path, OpenMode.readWrite)
  await using _lock = await file.lock([{ offset: 0, length: 8 }])
  const bytes = await file.read(0, 8)
  const next = Number(new TextDecoder().decode(bytes)) + 1
  await file.write(0, new TextEncoder().encode(String(next).padStart(8)))
  await file.close()
  return next
}

/** The text, or nothing if there is none within five seconds. */
export const readSoon = async (options: Options, path: string): Promise<string | undefined> => {
  await using smb = await connect(options)
  try {
    return await smb.readFileString(path, { signal: AbortSignal.timeout(5000) })
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Settings that are never seen half written. */
export const save = async (options: Options, path: string, settings: unknown): Promise<void> => {
  await using smb = await connect(options)
  await smb.writeFile(path, JSON.stringify(settings), { atomic: true })
}

/** A web server whose GET reads a file of a share, and whose PUT writes one. */
export const serve = async (options: Options, folder: string) => {
  const smb = await connect(options)
  const server = createServer(async (request, response) => {
    const path = `${folder}/${encodeURIComponent((request.url ?? "").slice(1))}`
    try {
      if (request.method === "PUT") await Readable.toWeb(request).pipeTo(smb.writeStream(path))
      else {
        const { size } = await smb.stat(path)
        response.setHeader("content-length", String(size))
        await pipeline(Readable.fromWeb(smb.readStream(path)), response)
      }
      response.end()
    } catch (error) {
      response.writeHead(isNotFound(error) ? 404 : 500).end()
    }
  })
  server.on("close", () => void smb.close())
  return server
}
