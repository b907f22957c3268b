// A calibrated run of a large language model, piece by piece, in an engine of its own: seconds and peak memory of each piece.
//   node test/bench/calibrated.ts [checkpoint folder] [pieces = 4] [samples = 4] [method = gptq] [bits = 4]
// Without a folder a Llama of 1.1 billion random weights is written first. Windows of 512 random tokens: 4 are 2,048 rows.
// Peak memory is what Linux tells (VmHWM); elsewhere it is left out.
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FromEngine, TaskArguments, TaskName, TaskResult } from '../../src-main/engine/protocol.ts'
import type { Layer, Network } from '../../src-main/engine/checkpoint/network.ts'
import { openNetwork } from '../../src-main/engine/checkpoint/open.ts'
import { optionsFor, quantizerOf } from '../../src-main/engine/quantize/options.ts'
import { ggmlOption } from '../../src-main/engine/export/gguf/types.ts'
import type { Option } from '../../src-preload/contract/plan.ts'
import { writeLargeLlama } from './large-llama.ts'

const engineFile = fileURLToPath(new URL('../../src-main/engine/main.ts', import.meta.url))

function startEngine() {
  const child = fork(engineFile, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let next = 0
  const run = <N extends TaskName>(name: N, args: TaskArguments<N>): Promise<TaskResult<N>> => {
    const id = next++
    child.send({ type: 'task', id, name, args })
    return new Promise((resolve, reject) => {
      const hear = (message: FromEngine) => {
        if (!('id' in message) || message.id !== id) return
        if (message.type === 'notice') console.log(`    ${message.notice}`)
        if (message.type === 'done') resolve(message.result as TaskResult<N>)
        if (message.type === 'failed') reject(new Error(message.fault.message))
        if (message.type === 'done' || message.type === 'failed') child.off('message', hear)
      }
      child.on('message', hear)
      child.once('exit', (code, signal) => reject(new Error(`the engine ended: ${code} ${signal}`)))
    })
  }
  return { run, pid: child.pid ?? 0, stop: () => child.kill('SIGKILL') }
}

/** Peak resident memory of a process since the last call, in bytes; null where the system does not tell. */
function peakOf(pid: number): number | null {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
    return found ? Number(found[1]) * 1024 : null
  } catch {
    return null
  }
}

/** `ggml` is weighted by what was measured: it needs the Hessian's diagonal only. */
function optionOf(layer: Layer, method: string, bits: number): Option[] {
  const isLookup = layer.op === 'Gather'
  const inBlocks = method.startsWith('ggml')
  const block = ggmlOption(bits <= 4 ? 'Q4_0' : 'Q8_0', method === 'ggml' && !isLookup)
  const plain = inBlocks ? block : optionsFor(layer).find((option) => option.bits === bits)
  if (!plain || plain.method === method || isLookup) return plain ? [plain] : []
  const { params, twin } = quantizerOf({ method }, layer.name)
  return [twin?.(plain, params.parse({})) ?? plain]
}

export async function benchCalibrated(
  checkpoint: string | null = null,
  most = 4,
  samples = 4,
  method = 'gptq',
  bits = 4,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lathe-calibrated-'))
  const engine = startEngine()
  try {
    const path = checkpoint ?? join(folder, 'llama')
    if (checkpoint === null) writeLargeLlama(path)
    const data = join(folder, 'data.yaml')
    const noise = { samples: samples * 2, split: { calibrate: samples, seed: 0 }, dims: { batch: 1, time: 512 } }
    writeFileSync(data, JSON.stringify({ kind: 'noise', ...noise })) // JSON is YAML
    const network: Network = openNetwork(path)
    const layers = new Map(network.layers.map((layer) => [layer.name, layer]))
    const { pieces } = await engine.run('pieces', { checkpoint: path, prepared: [] })
    const parameters = network.layers.reduce((sum, layer) => sum + layer.parameters, 0)
    console.log(
      `\n${method} ${bits} bits, ${(parameters / 1e6).toFixed(0)} M weights, ${samples * 512} rows: ${pieces.length} pieces`,
    )
    peakOf(engine.pid)
    const out = join(folder, 'artifacts')
    let [state, seconds, work, highest]: [string | null, number, number, number] = [null, 0, 0, 0]
    for (const [index, piece] of pieces.slice(0, most).entries()) {
      const began = performance.now()
      const chosen = piece.layers.flatMap((name) =>
        optionOf(layers.get(name) as Layer, method, bits).map((option) => ({ name, option })),
      )
      const done: TaskResult<'compressPiece'> = await engine.run('compressPiece', {
        ...{ checkpoint: path, prepared: [], piece: index, layers: chosen, data: { path: data, split: 'auto' } },
        ...{ samples, seed: 0, device: 'cpu', folder: out, state, importance: null },
      })
      const took = (performance.now() - began) / 1000
      const peak = peakOf(engine.pid)
      const expected = work > 0 ? `, ${((piece.work / work) * seconds).toFixed(1)} s expected` : ''
      const memory = peak === null ? '' : `, peak ${(peak / 2 ** 30).toFixed(2)} GiB`
      console.log(`  ${piece.name.padEnd(20)} ${took.toFixed(1).padStart(7)} s${expected}${memory}`)
      for (const notice of done.notices.slice(0, 4)) console.log(`    ${notice}`)
      if (index > 0) [seconds, work] = [seconds + took, work + piece.work]
      highest = Math.max(highest, peak ?? 0)
      if (state !== null) rmSync(state)
      state = done.state?.path ?? null
    }
    const rest = pieces.slice(most).reduce((sum, piece) => sum + piece.work, 0)
    if (work > 0) console.log(`  the rest would take ${((rest / work) * seconds).toFixed(0)} s`)
    console.log(
      `  peak ${(highest / 2 ** 30).toFixed(2)} GiB: limit 3 GiB ${highest <= 3 * 2 ** 30 ? 'kept' : 'MISSED'}`,
    )
  } finally {
    engine.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path, most, samples, method, bits] = process.argv.slice(2)
  const number = (text: string | undefined, fallback: number) => (text === undefined ? fallback : Number(text))
  await benchCalibrated(path ?? null, number(most, 4), number(samples, 4), method ?? 'gptq', number(bits, 4))
}
