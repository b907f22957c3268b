import type { z } from 'zod'
import { Fault } from '../../../src-preload/contract/fault.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { ExportResult } from '../../../src-preload/contract/results.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import type { MethodBase } from '../method.ts'
import type { Artifact, TaskContext } from '../protocol.ts'
import { cannotCloseUp, closedArguments, closedOffer, closeUp, openedPlan } from './close-up.ts'
import { type HoldsRounding, refusesRounding } from './rounding.ts'
import type { Offered } from './codings/offered.ts'

/** What each layer takes in the exported file under each of its options. File = baseBytes + the chosen options' bytes. */
export interface BytePlan {
  baseBytes: number // everything that no option changes: graph, norms, biases, small tensors
  layers: { name: string; options: (Option & { bytes: number })[] }[]
}

/** How much each input channel of a layer matters, [cols] (mean squared activation); undefined where it was not measured. */
export type Importance = (layer: string) => Float32Array | undefined

/** A measured result for the model card. */
export interface CardRow {
  metric: string // 'perplexity', 'top-1 accuracy', 'KL divergence'
  original: string | null
  variant: string
  source: string // 'valid.txt, 44,492 tokens'
}

export interface ExportArguments {
  network: Network
  artifacts: readonly Artifact[] // compressed layers; a layer without one is kept as it is
  /** Layers that are compressed while the file is written, without an artifact (plain conversion). */
  options?: ReadonlyMap<string, Option>
  importance?: Importance | null // weighs the options that ask for it ('weighted': true)
  parameters?: Record<string, unknown> // of the exporter, checked with its schema
  card?: readonly CardRow[] // measured figures for the README beside the export
  path: string // a file name with the format's extension, or a folder
  dataset: Dataset | null // real inputs for the check of the written file; seeded noise without it
  overwrite: boolean
  plannedBytes: number // what the plan promised, for the manifest; 0 when nothing was promised
}

export type Exported = Omit<ExportResult, 'id' | 'variant'>

/** One file format: what it will weigh, and writing it. */
export interface Exporter<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'export'
  extension: string // with the dot; '' where the result is always a folder
  /** Why this format cannot hold the checkpoint, in words for a person; null when it can. Looks at headers only. */
  refuses(network: Network): string | null
  /** `parameters`: those of a plain conversion, where they change what a layer can be or weigh. `offered`: what a chosen
   *  quantizer can do to a layer in forms of its own; those that the format holds come after its own options. */
  planBytes(network: Network, parameters?: z.output<P>, offered?: Offered): BytePlan
  /** What a plain conversion does to each layer under these parameters (default: keep every layer); absent where a plain
   *  conversion makes no sense. Keys are layer names; layers left out are kept. */
  convert?(network: Network, parameters: z.output<P>): ReadonlyMap<string, Option>
  write(args: ExportArguments, context: TaskContext): Promise<Exported>
  /** Absent: it holds weights alone. */
  holdsRounding?: HoldsRounding
  /** The file says itself what is computed; others leave that to the configuration. */
  carriesGraph?: boolean
}

/** An exporter that refuses networks whose roundings, or whose left-out blocks, it cannot hold before it plans or writes
 *  anything, and closes up the numbers of blocks that remain. */
export function defineExporter<P extends z.ZodObject>(exporter: Exporter<P>): Exporter<P> {
  const refuses = (network: Network) =>
    refusesRounding(exporter, network) ?? (exporter.carriesGraph === true ? null : cannotCloseUp(network))
  const check = (network: Network) => {
    const reason = refuses(network)
    if (reason === null) return
    throw new Fault('unsupported', `${network.name} cannot be exported as ${exporter.title}: ${reason}.`, {
      data: { file: network.path, field: 'format', found: exporter.id },
    })
  }
  return {
    ...exporter,
    refuses: (network) => exporter.refuses(closeUp(network)?.network ?? network) ?? refuses(network),
    planBytes(network, parameters, offered) {
      check(network)
      const closed = closeUp(network)
      if (closed === null) return exporter.planBytes(network, parameters, offered)
      const offer = offered && closedOffer(offered, network, closed)
      return openedPlan(exporter.planBytes(closed.network, parameters, offer), closed)
    },
    async write(args, context) {
      check(args.network)
      const closed = closeUp(args.network)
      return exporter.write(closed === null ? args : closedArguments(args, closed), context)
    },
  }
}

/** `refuses` of formats that hold a graph. */
export const refusesGraphless = ({ graph }: Network): string | null =>
  graph === null ? 'it holds tensors only, without a graph' : null
