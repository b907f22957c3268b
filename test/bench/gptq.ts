// GPTQ on one large layer against a plain implementation in PyTorch with as many threads, phase by phase, on the same weights
// and inputs in the same run: 4096 x 4096, 2,048 calibration rows, 4 bits in groups of 128 (affine, plain range, blocks of
// 128). What is promised: Hessian <= 1.2, factorisation <= 1.5, column loop <= 0.7 of PyTorch's time.
//   LATHE_SIZE=1024 a smaller layer   LATHE_ROUNDS=3   LATHE_PYTHON=/usr/bin/python3 one with torch (Debian: python3-torch)
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { outputError } from '../../src-main/engine/kernels/linear/error.ts'
import { createHessian } from '../../src-main/engine/kernels/linear/hessian.ts'
import type { Hessian } from '../../src-main/engine/kernels/linear/types.ts'
import { type GptqParameters, prepareParts, quantizePrepared } from '../../src-main/engine/quantize/gptq/apply.ts'
import { gptq } from '../../src-main/engine/quantize/gptq.ts'
import { rowsOf, type WeightRows } from '../../src-main/engine/quantize/rows.ts'
import { rtn } from '../../src-main/engine/quantize/rtn.ts'
import { dataPath } from '../helpers/data.ts'

const THREADS = 2
const phases = ['hessian', 'inverse', 'loop', 'total'] as const
type Phase = (typeof phases)[number]
type Times = Record<Phase, number> // seconds
const limits: Partial<Times> = { hessian: 1.2, inverse: 1.5, loop: 0.7 }

interface TorchAnswer extends Record<Phase | 'cpu_hessian' | 'cpu_inverse' | 'cpu_loop', [number, number, number]> {
  torch: string
  gptq_err: number
  rtn_err: number
}

export async function benchGptq(): Promise<void> {
  const script = dataPath('..', 'tools', 'gptq_torch.py')
  const python = pythonWithTorch()
  if (!existsSync(script)) return console.log(`skipped: no ${script}`)
  if (python === null)
    return console.log('skipped: no Python with torch and numpy (Debian: python3-torch, LATHE_PYTHON)')
  const size = Number(process.env.LATHE_SIZE ?? 4096)
  const rounds = Number(process.env.LATHE_ROUNDS ?? 5)
  const folder = mkdtempSync(join(tmpdir(), 'lathe-gptq-'))
  const torch = (...more: string[]) => askTorch(python, script, ['--rows', `${size}`, '--cols', `${size}`, '--runs', `${rounds}`, ...more]) // prettier-ignore
  try {
    const before = torch('--save', folder)
    const [w, x] = [readArray(join(folder, 'W.npy')), readArray(join(folder, 'X.npy'))]
    const source = rowsOf({ data: w, rows: size, cols: size })
    const base = gptq.params.parse({ groupSize: 128, symmetric: false, actOrder: false, sweeps: 0 }) as GptqParameters
    const forms: [string, GptqParameters][] = [
      ['the same work', { ...base, search: 'none' }],
      ['with range search', base],
      ['as by default (activation order, 2 sweeps)', { ...base, actOrder: true, sweeps: 2 }],
    ]
    const results = []
    for (const [name, p] of forms) results.push({ name, ...(await timeOurs(source, x, p, rounds)) })
    const after = torch('--load', folder)
    report(before, after, results)
    const hessian = results[0]?.hessian
    if (!hessian) return
    const nearest = rtn.apply(source, rtn.params.parse({ groupSize: 128, symmetric: false }), { layer: 'bench' })
    const { relative } = await outputError(source, await nearest, hessian)
    console.log(`  rounding to nearest with range search: output error ${relative.toExponential(3)}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function timeOurs(source: WeightRows, x: Float32Array, p: GptqParameters, rounds: number) {
  const runs: Times[] = []
  const work: Times[] = [] // processor seconds of all threads: what a busy machine does not change much
  const processor = () => Object.values(process.cpuUsage()).reduce((sum, part) => sum + part, 0) / 1000
  let [hessian, error]: [Hessian | null, number] = [null, 0]
  for (let round = 0; round <= rounds; round++) {
    const [began, cpuBegan] = [performance.now(), processor()]
    const builder = createHessian(source.cols, { threads: THREADS })
    await builder.add(x)
    hessian = builder.finish()
    const [summed, cpuSummed] = [performance.now(), processor()]
    const context = { layer: 'bench', hessians: [hessian], threads: THREADS }
    const parts = await prepareParts(source, p, context, 'GPTQ')
    const [factored, cpuFactored] = [performance.now(), processor()]
    const q = await quantizePrepared(source, p, context, parts)
    const [ended, cpuEnded] = [performance.now(), processor()]
    const between = (a: number, b: number, c: number, d: number): Times => ({
      hessian: b - a,
      inverse: c - b,
      loop: d - c,
      total: d - a,
    })
    if (round > 0) runs.push(between(began, summed, factored, ended)) // the first opens sessions and threads
    if (round > 0) work.push(between(cpuBegan, cpuSummed, cpuFactored, cpuEnded))
    if (round === rounds) error = (await outputError(source, q, hessian, { threads: THREADS })).relative
  }
  const medians = (of: Times[]) =>
    Object.fromEntries(phases.map((phase) => [phase, median(of.map((run) => run[phase])) / 1000])) as Times
  return { times: medians(runs), cpu: medians(work), error, hessian }
}

function report(
  before: TorchAnswer,
  after: TorchAnswer,
  results: { name: string; times: Times; cpu: Times; error: number }[],
): void {
  const seconds = (value: number) => value.toFixed(3).padStart(9)
  console.log(`\nGPTQ, two threads, medians in seconds; PyTorch ${before.torch} before and after, ratios to the faster`)
  console.log(`  ${''.padEnd(44)}${phases.map((phase) => phase.padStart(9)).join('')}  output error`)
  for (const [name, answer] of [['PyTorch, before', before], ['PyTorch, after', after]] as const) // prettier-ignore
    console.log(`  ${name.padEnd(44)}${phases.map((phase) => seconds(answer[phase][1])).join('')}  ${answer.gptq_err.toExponential(3)}`) // prettier-ignore
  for (const { name, times, error } of results) {
    console.log(
      `  ${name.padEnd(44)}${phases.map((phase) => seconds(times[phase])).join('')}  ${error.toExponential(3)}`,
    )
    const ratios = phases.map((phase) => times[phase] / Math.min(before[phase][1], after[phase][1]))
    const verdicts = phases.map((phase, i) => `${(ratios[i] ?? 0).toFixed(2)}${verdict(ratios[i] ?? 0, limits[phase])}`)
    console.log(`  ${'  of PyTorch’s time'.padEnd(44)}${verdicts.map((text) => text.padStart(9)).join('')}`)
  }
  console.log('  processor seconds of both threads')
  const torch = cpuOf(before, after)
  for (const { name, cpu } of [{ name: 'PyTorch, the faster', cpu: torch }, ...results]) {
    const ratios = phases.map((phase) => (cpu[phase] / torch[phase]).toFixed(2).padStart(9)).join('')
    console.log(`  ${name.padEnd(44)}${phases.map((phase) => seconds(cpu[phase])).join('')}  ${ratios}`)
  }
  console.log(`  PyTorch, rounding to nearest: output error ${before.rtn_err.toExponential(3)}`)
}

function cpuOf(before: TorchAnswer, after: TorchAnswer): Times {
  const least = (phase: 'hessian' | 'inverse' | 'loop') => Math.min(before[`cpu_${phase}`][1], after[`cpu_${phase}`][1])
  const parts = { hessian: least('hessian'), inverse: least('inverse'), loop: least('loop') }
  return { ...parts, total: parts.hessian + parts.inverse + parts.loop }
}

const verdict = (ratio: number, limit: number | undefined) =>
  limit === undefined ? '' : ratio <= limit ? ' ok' : ' NO'
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

function pythonWithTorch(): string | null {
  const known = [process.env.LATHE_PYTHON, '/usr/bin/python3', 'python3'].filter((name) => name !== undefined)
  return known.find((name) => spawnSync(name, ['-c', 'import torch, numpy']).status === 0) ?? null
}

function askTorch(python: string, script: string, args: string[]): TorchAnswer {
  const ran = spawnSync(python, [script, '--threads', `${THREADS}`, ...args], { encoding: 'utf8' })
  const line = ran.stdout.trim().split('\n').at(-1) ?? ''
  if (ran.status !== 0 || !line.startsWith('{')) throw new Error(`${script} failed: ${ran.stderr}`)
  return JSON.parse(line) as TorchAnswer
}

/** A float32 array in NumPy's format 1: magic, version, header length, header, numbers. */
function readArray(path: string): Float32Array {
  const bytes = readFileSync(path)
  const begin = 10 + bytes.readUInt16LE(8)
  if (!bytes.subarray(10, begin).toString('latin1').includes("'descr': '<f4', 'fortran_order': False"))
    throw new Error(`${path} is no float32 array in row order`)
  return new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  )
}
