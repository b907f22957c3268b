import { fileURLToPath } from 'node:url'
import { createApp } from '../../app/create.ts'
import { serveInForeground } from '../../serve/foreground.ts'
import { startServer } from '../../serve/serve.ts'
import type { CommonOptions } from '../session.ts'

const rendererFolder = fileURLToPath(new URL('../../../out/renderer', import.meta.url))

/** Serves the window until it is told to stop. */
export async function serve(options: CommonOptions & { port: number; open: boolean }): Promise<void> {
  const app = createApp({ door: 'web', home: options.home })
  const stopped = new Promise<void>((stop) => {
    process.once('SIGINT', () => stop())
    process.once('SIGTERM', () => stop())
  })
  try {
    const server = await startServer({ app, port: options.port, rendererFolder, open: options.open })
    if (!options.json) return await serveInForeground(server, { input: process.stdin, output: process.stdout, stopped })
    process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
    await stopped
    await server.close()
  } finally {
    await app.close()
  }
}
