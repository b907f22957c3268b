import type { DataSummary, CheckpointSummary, Documents, Histogram } from '../../src-preload/contract/model.ts'
import type { MethodSummary, ScoreResult } from '../../src-preload/contract/methods.ts'
import type { MethodUse, Option } from '../../src-preload/contract/plan.ts'
import type { Device, DeviceId } from '../../src-preload/contract/project.ts'
import type { Conversion, ConversionPlan, Evaluation, ExportResult } from '../../src-preload/contract/results.ts'
import type { Xray } from '../../src-preload/contract/scores.ts'
import type { ShootoutRow } from '../../src-preload/contract/shootout.ts'
import type { CardRow } from './export/define.ts'
import type { RunningMemory } from './graph/memory.ts'
import type { NetworkPace, Rates } from './latency/rates.ts'
import type { RunningFile } from './latency/running.ts'
import type { FaultShape } from '../../src-preload/contract/fault.ts'

/** Artifact of one compressed layer: a content-addressed safetensors file. */
export interface Artifact {
  layer: string
  option: Option
  sha256: string
  path: string // absolute
  bytes: number
  relativeError: number // ||w - q(w)||^2 / ||w||^2
}

export interface DataReference {
  path: string
  split: 'auto' | 'none'
}

/** One rewriting of the network, as a recipe's `methods.prepare` names it. Order counts; none: the checkpoint as it is. */
export interface Prepared {
  method: string
  parameters: Record<string, unknown>
  seed: number
  file: string | null // of the 'prepare' task, where the method measures
}

/** Every task the engine knows: arguments -> result. One file each in engine/tasks. Tasks are pure: the same arguments
 *  give the same result in a fresh process; what the engine keeps between tasks is only a cache. */
export interface Tasks {
  methods: { args: object; result: { methods: MethodSummary[] } }
  inspect: { args: { path: string }; result: CheckpointSummary }
  /** A conversation as the checkpoint's own chat template writes it; `tokens`: null where there is no vocabulary. */
  chat: {
    args: { checkpoint: string; messages: { role: string; content: string }[] }
    result: { text: string; tokens: number | null }
  }
  histogram: { args: { path: string; layer: string; bins: number }; result: Histogram }
  /** What lies beside the weights, as text. */
  documents: { args: { path: string }; result: Documents }
  describeData: { args: { checkpoint: string; data: DataReference }; result: DataSummary }
  devices: { args: { measure: boolean }; result: Device[] }
  /** Options of every layer with their exact bytes in `format`, and the weight-only error (relative, squared). */
  options: {
    args: {
      checkpoint: string
      format: string
      prepared: Prepared[]
      quantizer: MethodUse | null
      levers: MethodUse[]
      also: { layer: string; option: Option }[] // further options of a recipe, in forms of their own
    }
    result: {
      baseBytes: number
      layers: { name: string; options: (Option & { bytes: number })[] }[]
      running: RunningMemory | null
    }
  }
  score: {
    args: { checkpoint: string; data: DataReference | null; uses: MethodUse[]; device: DeviceId }
    result: { results: ScoreResult[] }
  }
  /** Channels and spectrum of one layer, and with data what flows into it. */
  xray: {
    args: { checkpoint: string; data: DataReference | null; layer: string; samples: number; device: DeviceId }
    result: Xray
  }
  /** Loss of the options of one block's layers, swapped in alone: measured for some of each kind (`every`: for all), with the
   *  errors from which engine/predict tells the others. block -1: layers outside blocks. */
  sensitivity: {
    args: {
      checkpoint: string
      data: DataReference | null
      block: number
      samples: number
      device: DeviceId
      /** `known`: measured before, with their output errors where these are known. */
      layers: { name: string; options: Option[]; known: { id: string; method: string; error: number | null }[] }[]
      every: boolean
      importance: string | null // file of the 'importance' task, for options with 'weighted': true
    }
    result: {
      layers: {
        name: string
        losses: {
          option: string
          loss: number | null // nats; null: not run
          standardError: number | null // of the loss over the samples, where it is known
          error: number // of the weights, relative and squared
          outputError: number | null // of the outputs on calibration inputs, where these are known
          broken: boolean // the network's answers are not finite with it
        }[]
      }[]
      samples: number
      source: string
      notices: string[]
      passes: number // work of the runs, in forward passes over the samples
    }
  }
  /** What pairs of layers cost together, each at its reference option. `block`: no layer of a pair lies before it; -1: anywhere. */
  pairs: {
    args: {
      checkpoint: string
      data: DataReference
      block: number
      samples: number
      device: DeviceId
      pairs: { a: string; b: string }[]
      options: { name: string; option: Option }[]
      importance: string | null
    }
    result: {
      pairs: { a: string; b: string; loss: number; lossA: number; lossB: number; rho: number }[]
      samples: number
      notices: string[]
      passes: number
    }
  }
  /** Seconds of each layer for one sample (an image, or one token) by shape and form of the weight, as `format` runs it here. */
  latency: {
    args: {
      checkpoint: string
      data: DataReference
      format: string
      device: DeviceId
      layers: { name: string; options: Option[] }[]
      known: string[] // '<shape> <form>' that were timed before
      whole: boolean
    }
    result: {
      shapes: { layer: string; shape: string }[]
      times: { shape: string; form: string; seconds: number; low: number; high: number; runs: number }[]
      whole: { seconds: number; low: number; high: number; runs: number } | null // the network in floats
    }
  }
  /** How fast this machine does what jobs are made of: about a second. */
  rates: { args: object; result: Rates }
  /** How fast it runs a network: three batches, judged; null, and said, where it cannot. */
  pace: { args: { checkpoint: string; data: DataReference; device: DeviceId }; result: NetworkPace | null }
  /** What running the exported file takes on this machine's CPU; null, and said, where no process here runs the format. */
  running: {
    args: {
      checkpoint: string
      prepared: Prepared[]
      data: DataReference
      artifacts: Artifact[] | null // null: the original, with its weights as floats
      format: string
    }
    result: RunningFile | null
  }
  /** What leaving one more block out costs, for every block that is still there: mean KL divergence of the network without
   *  `removed` and that block to the whole one, on calibration data. */
  depth: {
    args: { checkpoint: string; data: DataReference; removed: number[]; samples: number; device: DeviceId }
    result: {
      candidates: { block: number; loss: number; standardError: number }[]
      samples: number
      source: string
      notices: string[]
    }
  }
  /** Options of quantizers (null: all of them) tried on one layer, each handed on as `row` of the progress when it is done.
   *  Without data: their weight error only. */
  shootout: {
    args: {
      checkpoint: string
      prepared: Prepared[]
      data: DataReference | null
      layer: string
      samples: number
      device: DeviceId
      seed: number
      methods: string[] | null
      skip: string[] // ids of options that need not be tried
    }
    result: { rows: ShootoutRow[] }
  }
  /** What a rewriting has to measure, as a safetensors file named by its sha256 in `folder`. */
  prepare: {
    args: {
      checkpoint: string
      prepared: Prepared[] // before it
      method: string
      parameters: Record<string, unknown>
      artifacts?: Artifact[] // for a method that finishes: all compressed layers
      data: DataReference
      samples: number
      seed: number
      device: DeviceId
      folder: string
    }
    result: { sha256: string; path: string; bytes: number }
  }
  /** One piece of a calibrated run: the layers before the blocks (piece 0), those of block `piece - 1`, or those behind the
   *  last block. Its layers see the activations that the compressed pieces before it give; so pieces go in order, each
   *  handing on `state`, the activations at its end. */
  compressPiece: {
    args: {
      checkpoint: string
      prepared: Prepared[]
      piece: number
      layers: { name: string; option: Option }[] // to be compressed in this piece; the others are kept
      data: DataReference
      samples: number
      seed: number
      device: DeviceId
      folder: string // of artifacts and of the state
      state: string | null // file of the piece before; null for piece 0
      matching?: boolean // layers match what the original network gives
      importance: string | null // for options with 'weighted': true
    }
    result: {
      artifacts: Artifact[]
      state: { sha256: string; path: string; bytes: number } | null // null behind the last piece
      samples: number
      notices: string[]
    }
  }
  /** How a calibrated run is cut, in order: the layers of each piece, and its work in comparable units. */
  pieces: {
    args: { checkpoint: string; prepared: Prepared[] }
    result: { pieces: { name: string; layers: string[]; work: number }[] } // work for one sample
  }
  compressLayer: {
    args: {
      checkpoint: string
      prepared: Prepared[]
      layer: string
      option: Option
      seed: number
      folder: string
      importance: string | null // file of the 'importance' task; needed where option.parameters.weighted
    }
    result: Artifact
  }
  /** Mean squared activation of every input channel of every layer over calibration data, as an imatrix GGUF file named by
   *  its sha256 in `folder`. */
  importance: {
    args: {
      checkpoint: string
      prepared: Prepared[]
      data: DataReference
      samples: number
      device: DeviceId
      folder: string
    }
    result: { sha256: string; path: string; bytes: number; layers: number; samples: number }
  }
  /** Types and bytes of a plain conversion, before anything is written; faults where it cannot be. */
  convertPlan: {
    args: { checkpoint: string; format: string; parameters: Record<string, unknown> }
    result: ConversionPlan
  }
  /** Plain conversion: no recipe, no project. `importance`: an imatrix file (either of llama.cpp's two forms). */
  convert: {
    args: {
      checkpoint: string
      format: string
      parameters: Record<string, unknown>
      path: string
      overwrite: boolean
      importance: string | null
    }
    result: Conversion
  }
  /** artifacts null: the original. `against` compares with another checkpoint instead of the original itself. */
  evaluate: {
    args: {
      checkpoint: string
      prepared: Prepared[] // of the candidate; the original is the checkpoint as it is
      data: DataReference
      artifacts: Artifact[] | null
      against: string | null
      part: 'evaluate' | 'calibrate'
      device: DeviceId
    }
    result: Omit<Evaluation, 'id' | 'variant' | 'bytes'>
  }
  export: {
    args: {
      checkpoint: string
      prepared: Prepared[]
      artifacts: Artifact[]
      format: string
      path: string
      data: DataReference | null
      overwrite: boolean
      plannedBytes: number
      parameters: Record<string, unknown> // of the exporter
      card: CardRow[]
    }
    result: Omit<ExportResult, 'id' | 'variant'>
  }
}
export type TaskName = keyof Tasks
export type TaskArguments<N extends TaskName> = Tasks[N]['args']
export type TaskResult<N extends TaskName> = Tasks[N]['result']

export interface TaskProgress {
  fraction: number // 0..1 of this task
  step: string
  row?: ShootoutRow // of a shoot-out: done, and worth keeping whatever happens next
  score?: ScoreResult // of several: done, and worth keeping likewise
}

/** What a task may use from its host. */
export interface TaskContext {
  progress(update: TaskProgress): void
  notify(notice: string): void
}

/** Messages over the fork's own channel (not stdout), main -> engine and back. */
export type ToEngine = { type: 'task'; id: number; name: TaskName; args: unknown }
export type FromEngine =
  | { type: 'ready'; pid: number }
  | { type: 'progress'; id: number; update: TaskProgress }
  | { type: 'notice'; id: number; notice: string }
  | { type: 'done'; id: number; result: unknown }
  | { type: 'failed'; id: number; fault: FaultShape }
