// The quantization kernel: the share of activations that a rounding sends to zero.
//   Liu et al. 2024, "CrossQuant", definition 1: K(Q) = { x_ij : Q(x_ij) = 0 }. Zeros that were zeros before are part of it, as
//   in the paper, and counted apart, too: after a ReLU they are most of it.
// Counted by the graph itself, so that what is counted is what an evaluation runs.
import type { Graph } from '../graph/ir.ts'
import type { Measured, MeasureArguments } from '../prepare/define.ts'
import type { TaskContext } from '../protocol.ts'
import { collect } from '../probe/collect.ts'
import { absmax, roundSymmetric, tokenAxes } from './arithmetic.ts'
import type { Bench } from './bench.ts'
import { type CrossParameters, crossquant, measureCross, roundCross } from './crossquant.ts'
import { insertRoundings, raised } from './rewrite.ts'
import { findSites, type Site } from './sites.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'

/** Shares of all elements, 0 .. 1. */
export interface KernelShares {
  perToken: number
  crossQuant: number
  zeros: number // what was zero before
}
export interface KernelReport {
  layers: (KernelShares & { layer: string; elements: number })[] // what enters it, and the layers that read the same
  total: KernelShares
  samples: number
}

const countNames = ['perToken', 'crossQuant', 'zeros'] as const

/** Kernels of CrossQuant and of a scale per token at the same bits, for each layer's input and in all, on calibration
 *  samples; `known`: what `measureCross` gave before. Faults as it does; 'unsupported' where nothing can be rounded. */
export async function measureKernel(
  args: MeasureArguments,
  given: Partial<CrossParameters>,
  context: TaskContext,
  known?: Measured,
): Promise<KernelReport> {
  const { network } = args
  const parameters = crossquant.params.parse(given)
  const reason = crossquant.refuses(network, parameters)
  if (reason !== null || network.graph === null)
    throw new Fault('unsupported', `No quantization kernel of ${network.name}: ${reason}.`, {
      data: { file: network.path },
    })
  const graph = raised(network.graph)
  const measured = known ?? (await measureCross(args, parameters, context))
  const sites = findSites(network, graph, parameters.only ?? parameters.layers).filter((site) => site.graph === graph)
  const counts = new Map(sites.map((site) => [site, { elements: 0, perToken: 0, crossQuant: 0, zeros: 0 }]))
  const names = new Map<Site, string>()
  const insertions = sites.map((site) => ({
    ...site,
    emit(bench: Bench, value: string) {
      const numbers = (what: string) => measured.get(`${site.layer}/${what}`) ?? null
      const codes = {
        perToken: roundSymmetric(bench, value, absmax(bench, value, tokenAxes(site)), parameters.bits).codes,
        crossQuant: roundCross(bench, value, site, parameters, numbers).codes,
        zeros: value,
      }
      const all = [...countNames.map((name) => zerosIn(bench, codes[name])), bench.op('Size', [value])]
      const flat = all.map((count) => bench.op('Reshape', [count, bench.integers([1])]))
      names.set(site, bench.op('Concat', flat, { axis: { kind: 'int', value: 0n } }))
      return value
    },
  }))
  const counting = insertRoundings(graph, insertions, 'kernel').graph
  const outputs = [...names.values()]
  const pass = { ...args, network: { ...network, graph: withValues(counting, outputs) }, part: args.dataset.calibrate }
  const samples = await collect(
    { ...pass, values: outputs, batchSize: 2 },
    (values) => {
      for (const [site, name] of names) {
        const found = values[name]?.data
        const count = counts.get(site)
        if (!count || !(found instanceof BigInt64Array)) continue
        countNames.forEach((kind, at) => (count[kind] += Number(found[at])))
        count.elements += Number(found[countNames.length])
      }
    },
    context,
  )
  const layers = [...counts].flatMap(([{ layer }, { elements, ...found }]) =>
    elements === 0 ? [] : [{ layer, elements, ...shares(found, elements) }],
  )
  const all = [...counts.values()]
  const sum = (of: (each: (typeof all)[number]) => number) => all.reduce((total, each) => total + of(each), 0)
  const totals = Object.fromEntries(
    countNames.map((name) => [name, sum((each) => each[name])]),
  ) as unknown as KernelShares
  return {
    layers,
    total: shares(
      totals,
      sum(({ elements }) => elements),
    ),
    samples,
  }
}

const reportSamples = 4
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

/** The kernels in one sentence, from a few samples. */
export async function kernelWords(
  args: MeasureArguments,
  parameters: CrossParameters,
  measured: Measured,
  context: TaskContext,
): Promise<string[]> {
  const few = { ...args, samples: Math.min(reportSamples, args.samples) }
  const { total, samples } = await measureKernel(few, parameters, context, measured)
  return [
    `Quantization kernel at ${parameters.bits} bits, share of activations that become zero (${samples} samples): ` +
      `CrossQuant ${percent(total.crossQuant)}, a scale per token ${percent(total.perToken)}, zero before ${percent(total.zeros)}.`,
  ]
}

const shares = ({ perToken, crossQuant, zeros }: KernelShares, elements: number): KernelShares => ({
  perToken: perToken / elements,
  crossQuant: crossQuant / elements,
  zeros: zeros / elements,
})

/** How many elements are zero, int64. */
function zerosIn(bench: Bench, value: string): string {
  const whole = bench.cast(bench.op('Equal', [value, bench.scalar(0)]), 'int64')
  const flat = bench.op('Reshape', [whole, bench.integers([-1])])
  return bench.reduce('ReduceSum', flat, [0])
}

/** With the types of values that nothing else tells. */
function withValues(graph: Graph, names: readonly string[]): Graph {
  const values = new Map(graph.values)
  for (const name of names) values.set(name, { name, dtype: 'int64', shape: [countNames.length + 1] })
  return { ...graph, values }
}
