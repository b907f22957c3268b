// One table: methods x widths, measured on whole models through the app as a person would:
//   node test/bench/methods-table.ts MODEL DATA [--bits 2,3,4,8] [--format onnx] [--samples n] METHOD ...
//   node test/bench/methods-table.ts --all [--models stories260K,resnet20] [--bits 2,3,4,8] [METHOD ...]
// METHOD is a quantizer with parameters and rewritings, joined by '+': nearest, gptq, rsq, nearest+awq, gptq+rotate,
// gptq:actOrder=true; '@gguf' behind it plans for that format. A quantizer brings its own rewritings unless '+none' is among
// them. Bits are asked for; what is printed counts everything the exported file takes for the layers.
//   --all          every quantizer of the registry, over the models of the data folder (test/bench/methods-list.ts)
//   --results F    a line of JSON for each cell is added to F, and cells that F holds already are not measured again
//   --groups 32    layers that are offered groups of that size at the width take them; --small 8: those that have none (of few
//                  inputs: depthwise convolutions, the first layer) take that width; --mix: layers may differ (a plan)
//   --report       measures nothing, prints the table of F
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { methodsAsked } from '../../src-main/cli/methods.ts'
import { type Session, withSession } from '../../src-main/cli/session.ts'
import { Fault } from '../../src-preload/contract/fault.ts'
import { isOffered, type Plan, plainMethods } from '../../src-preload/contract/plan.ts'
import { machine } from './measure.ts'
import { cellWords, keyOf, markdown, type Measured, type MeasuredModel } from './methods-cells.ts'
import { allMethods, knownModels } from './methods-list.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    models: { type: 'string' },
    bits: { type: 'string', default: '2,3,4,8' },
    format: { type: 'string' },
    samples: { type: 'string' },
    groups: { type: 'string' },
    small: { type: 'string' },
    mix: { type: 'boolean', default: false },
    results: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})
const widths = values.bits.split(',').map(Number)
const wanted = values.models?.split(',')
const models: MeasuredModel[] = values.all
  ? knownModels.filter(({ name }) => wanted?.includes(name) ?? true)
  : [{ name: positionals[0] ?? '', checkpoint: positionals[0] ?? '', data: positionals[1] ?? '' }]
const asked = values.all ? positionals : positionals.slice(2)
const group = values.groups === undefined ? null : Number(values.groups)
const small = values.small === undefined ? null : Number(values.small)
const how = `${group === null ? '' : `/g${group}`}${small === null ? '' : `/small${small}`}${values.mix ? '/mix' : ''}`

const kept = values.results
const cells: Measured[] =
  kept !== undefined && existsSync(kept)
    ? readFileSync(kept, 'utf8')
        .split('\n')
        .flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line) as Measured]))
    : []
const done = new Set(cells.map(keyOf))

function add(cell: Measured): void {
  cells.push(cell)
  done.add(keyOf(cell))
  if (kept !== undefined) appendFileSync(kept, `${JSON.stringify(cell)}\n`)
  console.log(cellWords(cell))
}

const scalesOfGguf = 0.625 // GGUF widths count their scales: Q2_K 2.625, Q3_K 3.4375, Q4_K 4.5, Q8_0 8.5

/** Plans of one width: as methods give them, in groups where these are asked for, or a mix. */
async function planOf(
  { client }: Session,
  project: string,
  { method, bits: asked }: Pick<Measured, 'method' | 'bits'>,
): Promise<Plan> {
  const bits = asked + (/@gguf/.test(method) ? scalesOfGguf : 0)
  const request = { project, budget: { bits }, uniform: !values.mix }
  const plan = await client.call('plan.solve', request)
  if (group === null) return plan
  const locked: Record<string, string> = {}
  for (const { name, options } of await client.call('option.list', { project })) {
    const own = options.filter((each) => each.bits === bits && each.parameters.groupSize === group)
    const found =
      own.find(({ parameters }) => parameters.symmetric === false) ??
      own[0] ??
      options.find((each) => each.bits === small && each.parameters.granularity === 'channel')
    if (found) locked[name] = found.id
  }
  return client.call('plan.solve', { ...request, locked })
}

/** Where the format has no place for what the quantizer makes: the first that has. */
async function findPlace(client: Session['client'], project: string, id: string): Promise<void> {
  if (id === 'nearest') return
  const { checkpoint, format } = await client.call('project.get', { project })
  const formats = [format ?? '', ...checkpoint.exports.flatMap((each) => (each.reason === null ? [each.format] : []))]
  for (const each of formats) {
    await client.call('project.setFormat', { project, format: each })
    if (isOffered(id, await client.call('option.list', { project }))) return
  }
  throw new Fault('unsupported', `No format has a place for what ${id} makes.`)
}

async function measure(session: Session, project: string, cell: Pick<Measured, 'model' | 'method' | 'bits'>) {
  const { client, finish } = session
  const began = performance.now()
  const since = () => (performance.now() - began) / 1000
  try {
    const plan = await planOf(session, project, cell)
    const job = await finish(await client.call('run.start', { project, recipe: plan.recipe }))
    const { evaluations } = await client.call('project.get', { project })
    const metrics = evaluations.filter(({ variant }) => variant === job.result).at(-1)?.metrics ?? {}
    const original = evaluations.find(({ variant }) => variant === null)?.metrics ?? {}
    const figures = (from: typeof metrics) =>
      Object.fromEntries(Object.entries(from).map(([name, { value }]) => [name, value]))
    const { averageBits, bitsPerWeight, bytes } = plan.predicted
    add({
      ...{ ...cell, averageBits, bitsPerWeight, bytes },
      ...{ metrics: figures(metrics), original: figures(original), seconds: since() },
    })
  } catch (error) {
    if (!(error instanceof Fault) || error.code === 'cancelled') throw error
    add({ ...cell, refused: error.message, seconds: since() })
  }
}

async function measureModel(session: Session, { name, checkpoint, data }: MeasuredModel): Promise<void> {
  const { client } = session
  const methods = asked.length > 0 ? asked : allMethods(checkpoint)
  const left = methods.filter((method) =>
    widths.some((bits) => !done.has(keyOf({ model: name, method: method + how, bits }))),
  )
  if (left.length === 0) return
  const created = await client.call('project.create', { checkpoint: resolve(checkpoint), data: resolve(data) })
  const project = created.folder
  const samples = values.samples === undefined ? undefined : Number(values.samples)
  for (const method of left) {
    const missing = widths
      .map((bits) => ({ model: name, method: method + how, bits }))
      .filter((cell) => !done.has(keyOf(cell)))
    try {
      const [words = '', format = values.format ?? created.format ?? 'onnx'] = method.split('@')
      const [quantizer = 'nearest', ...prepare] = words.split('+')
      await client.call('project.setFormat', { project, format })
      const chosen = await methodsAsked(session, {
        quantizer,
        ...(prepare.length > 0 && { prepare }),
        ...(samples !== undefined && { samples }),
      })
      await client.call('project.setMethods', { project, methods: chosen ?? plainMethods })
      await findPlace(client, project, chosen?.quantizer?.method ?? 'nearest')
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      for (const cell of missing) add({ ...cell, refused: error.message, seconds: 0 })
      continue
    }
    for (const cell of missing) await measure(session, project, cell)
  }
}

if (!values.report) {
  console.log(machine())
  for (const model of models) {
    const home = mkdtempSync(join(tmpdir(), 'lathe-methods-'))
    try {
      await withSession({ home, quiet: true }, (session) => measureModel(session, model))
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }
}
console.log(`\n${markdown(cells, widths)}`)
