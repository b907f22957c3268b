// Speed and memory of a plain conversion, end to end: reading, encoding, writing, reading back, checking. Each type in a
// process of its own. npm run bench convert; LATHE_CHECKPOINT: a folder to convert instead of the made-up one of
// 1.1 billion float16 weights (2.2 GB in the system's folder for temporary files, as much again for the results).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convert } from '../../src-main/engine/tasks/convert.ts'
import { writeLargeLlama } from './large-llama.ts'

// Asked for: bytes of input a second with two threads, memory of the whole process. llama.cpp's own quantizer on such a
// machine: Q8_0 0.40, Q4_0 0.62, Q4_K 0.079, Q2_K 0.093 GB/s at 441 to 456 MB; its fastest fork 0.59, 0.68, 0.073, 0.099.
const asked = [
  { type: 'Q8_0', rate: 0.6 },
  { type: 'Q4_0', rate: 0.6 },
  { type: 'Q4_K', rate: 0.12 },
  { type: 'Q2_K', rate: 0.12 },
]
const MOST_MEGABYTES = 450

interface Measured {
  seconds: number
  checking: number // seconds of these after the last byte was written
  cpuSeconds: number
  megabytes: number
  bytes: number
}

export function benchConvert(): void {
  const given = process.env.LATHE_CHECKPOINT
  const folder = mkdtempSync(join(tmpdir(), 'lathe-convert-'))
  try {
    const checkpoint = given ?? join(folder, 'source')
    if (given === undefined) writeLargeLlama(checkpoint)
    const input = statSync(join(checkpoint, 'model.safetensors')).size
    console.log(`\nconvert to GGUF: ${(input / 1e9).toFixed(2)} GB of input`)
    console.log('| type | GB/s | asked | seconds | of these checking | processor seconds | MB of memory | bytes |')
    console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    for (const { type, rate } of asked) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [import.meta.filename, checkpoint, type, join(folder, `${type}.gguf`)],
        { encoding: 'utf8' },
      )
      if (status !== 0) throw new Error(stderr)
      const { seconds, checking, cpuSeconds, megabytes, bytes } = JSON.parse(stdout) as Measured
      const reached = input / 1e9 / seconds
      const verdict = `${reached < rate ? ' SLOW' : ''}${megabytes > MOST_MEGABYTES ? ' LARGE' : ''}`
      console.log(
        `| ${type} | ${reached.toFixed(3)}${verdict} | ${rate} | ${seconds.toFixed(2)} | ${checking.toFixed(2)} | ${cpuSeconds.toFixed(2)} | ${megabytes.toFixed(0)} | ${bytes} |`,
      )
      rmSync(join(folder, `${type}.gguf`))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One conversion, timed from the opening of the checkpoint. */
async function measure(checkpoint: string, type: string, path: string): Promise<Measured> {
  const began = performance.now()
  let written = began
  const context = {
    progress({ step }: { step: string }) {
      if (step.startsWith('writing')) written = performance.now()
    },
    notify: () => undefined,
  }
  const order = { checkpoint, format: 'gguf', parameters: { type }, path, overwrite: false, importance: null }
  await convert(order, context)
  const { user, system } = process.cpuUsage()
  return {
    seconds: (performance.now() - began) / 1000,
    checking: (performance.now() - written) / 1000,
    cpuSeconds: (user + system) / 1e6,
    megabytes: process.resourceUsage().maxRSS / 1024,
    bytes: statSync(path).size,
  }
}

const [, script, checkpoint, type, path] = process.argv
if (script === import.meta.filename && checkpoint && type && path && existsSync(checkpoint))
  console.log(JSON.stringify(await measure(checkpoint, type, path)))
