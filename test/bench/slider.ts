// Slider to paint, in a real browser: 500 layers with two dozen options each, the real application behind the window.
//   From the pointer's move, as the page is told of it, to the moment after the frame that shows the new plan was painted.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { createApp } from '../../src-main/app/create.ts'
import { plainMethods } from '../../src-preload/contract/plan.ts'
import { startServer } from '../../src-main/serve/serve.ts'

const layers = 500
const traced = ['devtools.timeline', 'blink', 'cc', 'viz', 'input', 'latencyInfo', 'benchmark', 'toplevel']
const side = 128
const root = resolve(import.meta.dirname, '../..')
const executablePath = process.env.LATHE_CHROMIUM ?? '/usr/bin/chromium'
const rendererFolder = process.env.LATHE_RENDERER ?? join(root, 'out', 'renderer')

/** A safetensors file of many square matrices, seeded (mulberry32, seed 1). */
function writeCheckpoint(file: string): void {
  const bytes = side * side * 4
  const names = Array.from({ length: layers }, (_, i) => `model.layers.${Math.floor(i / 5)}.part_${i % 5}.weight`)
  const entries = names.map((name, i) => [
    name,
    { dtype: 'F32', shape: [side, side], data_offsets: [i * bytes, (i + 1) * bytes] },
  ])
  const head = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(head.length))
  const values = new Float32Array((layers * bytes) / 4)
  let state = 1
  for (let i = 0; i < values.length; i += 1) {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    values[i] = (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 - 0.5) * (0.02 + (i % 97) / 970)
  }
  writeFileSync(file, Buffer.concat([length, head, Buffer.from(values.buffer)]))
}

interface Times {
  handled: number[] // ms from the page's own event handler
  stamped: number[] // ms from when the browser had the move, waiting for the frame included
  framed: number[] // ms of these from the beginning of the frame that shows the change: what is left when waiting for it is over
  others: number // changes that no move of their frame led to: the exact plan, where the hand rested
}

async function drag(page: Page, moves: number): Promise<Times> {
  await page.evaluate(() => {
    const times = { handled: [] as number[], stamped: [] as number[], framed: [] as number[], others: 0 }
    Object.assign(window, { latheTimes: times })
    let from: { handled: number; stamped: number } | null = null
    // The page is told of a move as soon as the browser knows it, where it asks to be, and else with the frame.
    const began = (event: Event): void => {
      const now = { handled: performance.now(), stamped: event.timeStamp }
      from = now
      // A move by less than a step changes nothing: what comes later must not be counted from it.
      requestAnimationFrame(() => from === now && (from = null))
    }
    window.addEventListener('onpointerrawupdate' in window ? 'pointerrawupdate' : 'pointermove', began, true)
    const loss = document.querySelector('[data-test="loss"]')
    if (!loss) return
    new MutationObserver(() => {
      const began = from
      from = null
      if (!began) {
        times.others += 1
        return
      }
      // The message is handled after the frame that the callback belongs to was painted.
      requestAnimationFrame((frame) => {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => {
          times.handled.push(performance.now() - began.handled)
          times.stamped.push(performance.now() - began.stamped)
          times.framed.push(performance.now() - frame)
        }
        channel.port2.postMessage(0)
      })
    }).observe(loss, { characterData: true, childList: true, subtree: true })
  })
  const box = await page.getByRole('slider', { name: 'Bit budget' }).boundingBox()
  const track = await page.locator('.slider').first().boundingBox()
  if (!box || !track) throw new Error('The budget slider is not on the page.')
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width / 2, y)
  await page.mouse.down()
  for (let i = 0; i < moves; i += 1) {
    // To and fro over most of the range, a few pixels a frame.
    const share = 0.5 + 0.45 * Math.sin(i / 23)
    await page.mouse.move(track.x + track.width * share, y)
    await page.waitForTimeout(16)
  }
  await page.mouse.up()
  await page.waitForTimeout(300)
  return page.evaluate(() => (window as unknown as { latheTimes: Times }).latheTimes)
}

const at = (sorted: readonly number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1)

if (!existsSync(executablePath) || !existsSync(join(rendererFolder, 'index.html'))) {
  console.log('slider: needs a Chromium (LATHE_CHROMIUM) and a built window (npm run build)')
  process.exit(0)
}
const home = mkdtempSync(join(tmpdir(), 'lathe-slider-'))
mkdirSync(join(home, 'model'))
const checkpoint = join(home, 'model', 'many.safetensors')
writeCheckpoint(checkpoint)
const app = createApp({ door: 'web', home })
const client = app.client()
const { folder: project } = await client.call('project.create', { checkpoint, folder: join(home, 'project') })
const levers = [{ method: 'magnitude', parameters: { pattern: 'unstructured' } }] // a dozen options more a layer
await client.call('project.setMethods', { project, methods: { ...plainMethods, levers } })
const options = await client.call('option.list', { project })
const counts = options.map((layer) => layer.options.length)
const server = await startServer({ app, port: 0, rendererFolder, open: false })
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] })
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  await page.goto(server.url)
  await page.getByRole('button', { name: /many/ }).first().click()
  await page.getByRole('grid', { name: 'Layers' }).waitFor()
  await page.keyboard.press('4')
  await page.locator('[data-test="loss"]').waitFor()
  await page.waitForTimeout(1500) // the walk is fetched once
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const busy = async (): Promise<Map<string, number>> => {
    const { metrics } = await session.send('Performance.getMetrics')
    return new Map(metrics.map(({ name, value }) => [name, value * 1000]))
  }
  const profile = process.env.LATHE_PROFILE // a file for the page's profile, to be opened in DevTools
  const trace = process.env.LATHE_TRACE // a file for what the browser did, for DevTools or Perfetto
  if (trace !== undefined) await browser.startTracing(page, { path: trace, categories: traced })
  if (profile !== undefined) await session.send('Profiler.enable')
  if (profile !== undefined) await session.send('Profiler.start')
  const before = await busy()
  const { handled, stamped, framed, others } = await drag(page, 300)
  const after = await busy()
  if (profile !== undefined) writeFileSync(profile, JSON.stringify((await session.send('Profiler.stop')).profile))
  if (trace !== undefined) await browser.stopTracing()
  const work = (name: string): string =>
    (((after.get(name) ?? Number.NaN) - (before.get(name) ?? 0)) / handled.length).toFixed(1)
  const [a, b, c] = [handled, stamped, framed].map((times) => times.sort((x, y) => x - y))
  console.log(
    `slider to paint, ${options.length} layers x ${Math.min(...counts)} to ${Math.max(...counts)} options, ${a?.length} changes (and ${others} at rest): ` +
      `p50 ${at(a ?? [], 0.5)} ms, p95 ${at(a ?? [], 0.95)} ms, longest ${at(a ?? [], 1)} ms ` +
      `(from the browser's own time stamp: p50 ${at(b ?? [], 0.5)}, p95 ${at(b ?? [], 0.95)}; from the beginning of the frame: p50 ${at(c ?? [], 0.5)}, p95 ${at(c ?? [], 0.95)}); ` +
      `the page's thread worked ${work('TaskDuration')} ms a change: ${work('ScriptDuration')} scripts, ` +
      `${work('RecalcStyleDuration')} styles, ${work('LayoutDuration')} layout`,
  )
} finally {
  await browser.close()
  await server.close()
  await app.close()
  rmSync(home, { recursive: true, force: true })
}
