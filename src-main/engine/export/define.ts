import type { z } from 'zod'
import type { CheckpointTrait } from '../../../src-preload/contract/methods.ts'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { ExportResult } from '../../../src-preload/contract/results.ts'
import type { Network } from '../checkpoint/network.ts'
import type { Dataset } from '../data/types.ts'
import type { MethodBase } from '../method.ts'
import type { Artifact, TaskContext } from '../protocol.ts'

/** What each layer takes in the exported file under each of its options. File = baseBytes + the chosen options' bytes. */
export interface BytePlan {
  baseBytes: number // everything that no option changes: graph, norms, biases, small tensors
  layers: { name: string; options: (Option & { bytes: number })[] }[]
}

export interface ExportArguments {
  network: Network
  artifacts: readonly Artifact[] // compressed layers; a layer without one is kept as it is
  path: string // a file name with the format's extension, or a folder
  dataset: Dataset | null // real inputs for the check of the written file; seeded noise without it
  overwrite: boolean
  plannedBytes: number // what the plan promised, for the manifest; 0 when nothing was promised
}

export type Exported = Omit<ExportResult, 'id' | 'variant'>

/** One file format: what it will weigh, and writing it. */
export interface Exporter<P extends z.ZodObject = z.ZodObject> extends MethodBase<P> {
  family: 'export'
  extension: string // with the dot
  takes: readonly CheckpointTrait[] // what a checkpoint must have, each of them
  planBytes(network: Network): BytePlan
  write(args: ExportArguments, context: TaskContext): Promise<Exported>
}

export const defineExporter = <P extends z.ZodObject>(exporter: Exporter<P>): Exporter<P> => exporter
