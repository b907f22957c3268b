// CrossQuant: the scale of an element from the largest of its row and of its column.
//   Liu et al. 2024, "CrossQuant: A Post-Training Quantization Method with Smaller Quantization Kernel for Precise Large
//   Language Model Compression", eq. 5 and section 4.2
//   t_i = max_j |x_ij|   c_j = max_i |x_ij|   s_ij = t_i^a c_j^(1-a) / (2^(b-1) - 1)   x_ij -> round(x_ij / s_ij) s_ij
// The paper takes c from the very rows it rounds, and a = 0.15 everywhere. From the rows themselves, what runs together
// changes the result, and a single token, as a generator sends it, would be its own column. So c is measured on calibration
// data unless asked otherwise (c^(1-a) can then be folded into the weights), and codes are clipped where an element passes
// its scale. And one a for all loses to the scale per token wherever no channel stands out (test/bench/activate.ts): so each
// layer's a, and a factor of the scale, are fitted unless asked otherwise (cross-fit.ts).
import { z } from 'zod'
import type { MeasureArguments } from '../prepare/define.ts'
import type { TaskContext } from '../protocol.ts'
import { absmax, type Coded, roundSymmetric, tokenAxes } from './arithmetic.ts'
import type { Bench } from './bench.ts'
import { addErrors, bestFit, channelWeights, createSearch } from './cross-fit.ts'
import { choiceParameters, defineActivation, type Numbers, sitesOf } from './method.ts'
import { foldColumns, seeActivations } from './seen.ts'
import type { Site } from './sites.ts'

const parameters = z.object({
  bits: z.int().min(4).max(8).default(8).describe('Bits of an activation'),
  columns: z
    .enum(['fitted', 'calibrated', 'batch'])
    .default('fitted')
    .describe(
      'Largest of each channel: of calibration data, with the exponent fitted to each layer; of calibration data; or of what runs together, as in the paper',
    ),
  alpha: z
    .number()
    .min(0)
    .max(1)
    .default(0.15)
    .describe('Weight of the row where it is not fitted; 1: a scale per token'),
  ...choiceParameters,
})
export type CrossParameters = z.output<typeof parameters>

export const crossquant = defineActivation({
  id: 'crossquant',
  title: 'CrossQuant activations',
  summary: 'Rounds each activation with a scale from its token and its channel, so that few small values become zero.',
  cite: 'Liu et al. 2024, CrossQuant, eq. 5',
  formula: 's_ij = max_j |x_ij|^a max_i |x_ij|^(1-a) / (2^(b-1) - 1)',
  cost: 'two passes over calibration data; two passes over each activation while running',
  needs: ['activations'],
  version: 1,
  params: parameters,
  measure: measureCross,
  report: async (...given) => (await import('./kernel.ts')).kernelWords(...given),
  refusesSite: refusesCross,
  emit: (bench, value, site, given, numbers) => roundCross(bench, value, site, given, numbers).value,
  mark: ({ bits, columns }) => ({ type: 'int', bits, scale: 'cross', dynamic: columns === 'batch', symmetric: true }),
})

export function refusesCross(site: Site, { columns }: CrossParameters): string | null {
  if (columns !== 'batch' || site.rank !== null) return null
  return 'nothing tells how many dimensions enter it, so the columns of a batch cannot be found; take calibrated ones'
}

/** `<layer>/columns`: largest magnitude of each channel, of one that was never active that of all. `<layer>/fit`: exponent
 *  and factor. */
export async function measureCross(
  args: MeasureArguments,
  given: CrossParameters,
  context: TaskContext,
): Promise<Map<string, Float32Array>> {
  if (given.columns === 'batch') return new Map()
  const sites = sitesOf(args.network, given, true)
  const all = new Map<string, Float32Array>()
  const even = new Map<string, Float32Array>() // of every other batch
  const within = (from: number): TaskContext => ({
    ...context,
    progress({ fraction, step }) {
      context.progress({ fraction: given.columns === 'fitted' ? from + fraction / 2 : fraction, step })
    },
  })
  let batches = 0
  const see = ({ layer, channelAxis }: Site, values: Float32Array, dims: readonly number[], batch: number) => {
    batches = batch + 1
    for (const columns of batch % 2 === 0 ? [all, even] : [all]) {
      const found = columns.get(layer) ?? new Float32Array(dims.at(channelAxis) ?? 1)
      columns.set(layer, found)
      foldColumns(found, values, dims, channelAxis)
    }
  }
  await seeActivations(args, sites, see, within(0))
  for (const columns of [...all.values(), ...even.values()]) fillSilent(columns)
  const measured = new Map([...all].map(([layer, columns]) => [`${layer}/columns`, columns]))
  if (given.columns === 'calibrated') return measured
  const fits = await fitAll(args, given, sites, { columns: even, every: batches > 1 ? 2 : 1 }, within(0.5))
  return new Map([...measured, ...fits])
}

function fillSilent(columns: Float32Array): void {
  const top = columns.reduce((most, value) => Math.max(most, value), 0) || 1
  columns.forEach((value, j) => (columns[j] = value > 0 ? value : top))
}

/** Columns come from every other batch, errors from those between: what passes its column there counts as it will later. */
async function fitAll(
  args: MeasureArguments,
  { bits, alpha }: CrossParameters,
  sites: readonly Site[],
  { columns, every }: { columns: ReadonlyMap<string, Float32Array>; every: number },
  context: TaskContext,
): Promise<Map<string, Float32Array>> {
  const searches = new Map(
    sites.flatMap((site) => {
      const found = columns.get(site.layer)
      if (found === undefined || site.channelAxis === -2) return []
      return [[site.layer, createSearch(found, channelWeights(args.network, site, found.length), bits)]]
    }),
  )
  const see = (site: Site, values: Float32Array, dims: readonly number[], batch: number) => {
    const search = searches.get(site.layer)
    const places = site.image ? dims.slice(2).reduce((product, size) => product * size, 1) : 1
    if (search && batch % every === every - 1) addErrors(search, values, places)
  }
  await seeActivations(args, sites, see, context)
  return new Map(
    sites.map(({ layer }) => {
      const search = searches.get(layer)
      const fit = search ? bestFit(search.errors) : { alpha, reach: 1 }
      return [`${layer}/fit`, Float32Array.of(fit.alpha, fit.reach)]
    }),
  )
}

/** Codes and values of an activation. */
export function roundCross(
  bench: Bench,
  value: string,
  site: Site,
  { bits, alpha, columns }: CrossParameters,
  numbers: Numbers,
): Coded {
  const [own = alpha, reach = 1] = columns === 'fitted' ? (numbers('fit') ?? []) : []
  const rows = absmax(bench, value, tokenAxes(site))
  const power = (base: string, exponent: number) =>
    exponent === 1 ? base : bench.op('Pow', [base, bench.scalar(exponent)])
  const others =
    columns === 'batch'
      ? power(absmax(bench, value, otherAxes(site)), 1 - own)
      : bench.floats(...powersOf(site, own, reach, numbers('columns')))
  return roundSymmetric(bench, value, bench.op('Mul', [power(rows, own), others]), bits, true)
}

/** Every axis but the channels'. */
function otherAxes({ rank, channelAxis }: Site): number[] {
  const own = channelAxis < 0 ? (rank ?? 0) + channelAxis : channelAxis
  return Array.from({ length: rank ?? 0 }, (_, axis) => axis).filter((axis) => axis !== own)
}

/** reach c^(1-a), and its shape against the activation. */
function powersOf(site: Site, alpha: number, reach: number, measured: Float32Array | null): [Float32Array, number[]] {
  const columns = measured ?? new Float32Array(site.channels ?? 1).fill(1)
  const after = site.image ? (site.rank ?? 2) - 2 : -1 - site.channelAxis
  return [columns.map((value) => reach * value ** (1 - alpha)), [columns.length, ...Array<number>(after).fill(1)]]
}
