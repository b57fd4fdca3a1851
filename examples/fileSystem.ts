/** A folder of a share as Effect's FileSystem: programs that use that service run on the share without a change. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path, Redacted, Schema } from "effect"
import { Smb, SmbFileSystem } from "effect-smb"
import {
  Etag,
  HttpPlatform,
  HttpRouter,
  HttpServerRequest,
  HttpServerResponse,
  HttpStaticServer,
  Multipart
} from "effect/http"
import { KeyValueStore } from "effect/persistence"
import { createServer } from "node:http"

/** A program that knows nothing of SMB. */
export const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory("/reports/2026", { recursive: true })
  yield* fs.writeFileString("/reports/2026/january.txt", "all is well")
  return yield* fs.glob("reports/**/*.txt")
})

const Live = SmbFileSystem.layer("//corp.test/public/site").pipe( // the program only knows FileSystem
  Layer.provide(Smb.layer({ user: "joe", password: Redacted.make("secret"), dfs: "fallback" }))
)

export const onShare = Effect.provide(program, Live)

export const readOr = (path: string, otherwise: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path)).pipe(
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed(otherwise))
  )

/** Serves the files of a file system, with ranges, so that a player can jump within a film. */
export const Films = HttpStaticServer.layer({ root: "/", index: undefined }).pipe(
  Layer.provide(HttpPlatform.layer), // NodeHttpPlatform would read the local disk
  Layer.provide([Etag.layerWeak, SmbFileSystem.layerPath])
)

export const Site = HttpRouter.serve(Films).pipe(
  Layer.provide(NodeHttpServer.layerServer(createServer, { port: 8080 })),
  Layer.provide(SmbFileSystem.layer("//nas/media/films").pipe(Layer.provide(Smb.layerConfig())))
)

export const serve = () => Layer.launch(Site).pipe(NodeRuntime.runMain)

/** Keeps values by key, each in its own file of `/settings`. */
export const Settings = KeyValueStore.layerFileSystem("/settings").pipe(Layer.provide(SmbFileSystem.layerPath))

export const theme = Effect.gen(function*() {
  const settings = KeyValueStore.toSchemaStore(
    yield* KeyValueStore.KeyValueStore,
    Schema.Struct({ dark: Schema.Boolean })
  )
  yield* settings.set("user/joe?", { dark: true })
  return yield* settings.get("user/joe?")
})

const Upload = Multipart.schemaPersisted(Schema.Struct({ files: Multipart.FilesSchema }))

/** Takes uploaded files of a form, writes them to the share as they arrive, and then gives them their names. */
export const Uploads = HttpRouter.add(
  "POST",
  "/uploads",
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    // `request.multipart` of Node would write to the local disk.
    const { files } = yield* Upload(yield* Multipart.toPersisted(request.multipartStream))
    for (const file of files) {
      yield* fs.rename(file.path, path.join("/inbox", path.basename(file.path)))
    }
    return yield* HttpServerResponse.json(files.map(({ name }) => name))
  }).pipe(Effect.scoped) // removes what is left of the upload before the response
)
