import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { createApp } from '../../src-main/app/create.ts'
import { startServer } from '../../src-main/serve/serve.ts'

const root = resolve(import.meta.dirname, '../..')
export const screenshotFolder = join(root, 'test-results', 'screenshots')
const executablePath = process.env.LATHE_CHROMIUM ?? '/usr/bin/chromium'
export const hasChromium = existsSync(executablePath)
const rendererFolder = process.env.LATHE_RENDERER ?? join(root, 'out', 'renderer')
export const isBuilt = existsSync(join(rendererFolder, 'index.html'))

export const sizes = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
] as const
const schemes = ['light', 'dark'] as const

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface House {
  page: Page
  /** What the page wrote to its console as a warning or an error, and what it threw. */
  complaints: string[]
  /** A fresh link, as for another browser. */
  link(): string
  browser: Browser
  close(): Promise<void>
}

/** The real application behind the real server, with a real browser at it, in a home of its own. */
export async function openHouse(): Promise<House> {
  const home = mkdtempSync(join(tmpdir(), 'lathe-e2e-'))
  const app = createApp({ door: 'web', home })
  const server = await startServer({ app, port: 0, rendererFolder, open: false })
  const browser = await chromium.launch({ executablePath, args: flags })
  const page = await browser.newPage({ viewport: sizes[0], colorScheme: 'light', reducedMotion: 'reduce' })
  page.setDefaultTimeout(15_000)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(server.url)
  return {
    page,
    complaints,
    browser,
    link: () => server.link(),
    async close() {
      await browser.close()
      await server.close()
      await app.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Pixels by which the page is wider than the window; must be 0. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth))

/** One picture for each scheme and size. Returns those that were wider than their window. */
export async function photograph(page: Page, name: string): Promise<string[]> {
  mkdirSync(screenshotFolder, { recursive: true })
  const wide: string[] = []
  for (const size of sizes)
    for (const colorScheme of schemes) {
      await page.setViewportSize(size)
      await page.emulateMedia({ colorScheme })
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
      // No half-faded colours in a picture.
      await page.evaluate(async () => {
        const fading = document.getAnimations().filter((each) => each instanceof CSSTransition)
        await Promise.allSettled(fading.map((each) => each.finished))
      })
      const title = `${name}-${colorScheme}-${size.width}x${size.height}`
      await page.screenshot({ path: join(screenshotFolder, `${title}.png`) })
      if ((await overflow(page)) > 0) wide.push(title)
    }
  await page.setViewportSize(sizes[0])
  await page.emulateMedia({ colorScheme: 'light' })
  return wide
}
