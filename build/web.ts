import { resolve } from 'node:path'

/** The bench in the browser, until the person stops it. Resolves to the exit code. */
export async function serveWeb(root: string): Promise<number> {
  const [{ createApp }, { startServer }, { serveInForeground }] = await Promise.all([
    import('../src-main/app/create.ts'),
    import('../src-main/serve/serve.ts'),
    import('../src-main/serve/foreground.ts'),
  ])
  const app = createApp({ door: 'web' })
  const stopped = new Promise<void>((stop) => {
    process.once('SIGINT', () => stop())
    process.once('SIGTERM', () => stop())
  })
  try {
    const server = await startServer({ app, rendererFolder: resolve(root, 'out/renderer'), open: true })
    await serveInForeground(server, { input: process.stdin, output: process.stdout, stopped })
    return 0
  } finally {
    await app.close()
  }
}
