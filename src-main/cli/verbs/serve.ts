import { fileURLToPath } from 'node:url'
import { createApp } from '../../app/create.ts'
import { startServer } from '../../serve/serve.ts'
import { print } from '../output.ts'
import type { CommonOptions } from '../session.ts'

const rendererFolder = fileURLToPath(new URL('../../../out/renderer', import.meta.url))

/** Serves the window until it is told to stop. */
export async function serve(options: CommonOptions & { port: number; open: boolean }): Promise<void> {
  const app = createApp({ door: 'web', home: options.home })
  const server = await startServer({ app, port: options.port, rendererFolder, open: options.open })
  print(
    options,
    { url: server.url },
    () => `Lathe is at ${server.url}\n(this link works once, on this machine only; Ctrl+C ends it)`,
  )
  await new Promise<void>((stop) => {
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  })
  await server.close()
  await app.close()
}
