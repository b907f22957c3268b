// Writes a graph node by node. Every value is named after the module that makes it.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import type { Role } from '../../../../src-preload/contract/model.ts'
import { layerOf } from '../../checkpoint/layer.ts'
import type { Layer, TensorInfo } from '../../checkpoint/network.ts'
import { type Attribute, type Graph, type Initializer, type ValueInfo, int, node } from '../ir.ts'

const usable = new Set(['float32', 'float16', 'bfloat16', 'float64'])

export class GraphBuilder {
  readonly layers: Layer[] = []
  private readonly nodes: Graph['nodes'] = []
  private readonly initializers = new Map<string, Initializer>()
  private readonly values = new Map<string, ValueInfo>()
  private readonly tensors: ReadonlyMap<string, TensorInfo>
  private readonly file: string // for messages

  constructor(tensors: ReadonlyMap<string, TensorInfo>, file: string) {
    this.tensors = tensors
    this.file = file
  }

  /** Adds a node with one output and returns that output's name. */
  op(type: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}): string {
    this.nodes.push(node(type, inputs, [output], attributes))
    return output
  }

  /** Splits the last axis into two equal halves. */
  halves(input: string, prefix: string): [string, string] {
    const outputs: [string, string] = [`${prefix}.first`, `${prefix}.second`]
    const attributes = { axis: int(-1), num_outputs: int(2) }
    this.nodes.push(node('Split', [input], outputs, attributes, { name: `${prefix}.halves` }))
    return outputs
  }

  /** Faults 'bad-input' where a setting makes a constant that float32 does not hold. */
  floats(name: string, values: ArrayLike<number>, shape: number[] = [values.length]): string {
    const data = Float32Array.from(values)
    if (!data.every(Number.isFinite)) {
      throw new Fault('bad-input', `${this.file}: its settings make ${name} larger than a 32-bit float`, {
        hint: 'Compare rope_theta, rope_scaling and rms_norm_eps with the file on the page of the model.',
        data: { file: this.file, field: name },
      })
    }
    this.initializers.set(name, { name, dtype: 'float32', shape, data: { inline: new Uint8Array(data.buffer) } })
    return name
  }

  integers(name: string, values: number[], shape: number[] = [values.length]): string {
    const data = BigInt64Array.from(values, BigInt)
    this.initializers.set(name, { name, dtype: 'int64', shape, data: { inline: new Uint8Array(data.buffer) } })
    return name
  }

  /** A weight of the checkpoint, as float32 under its own name. Faults 'bad-input' where it is missing or misshapen. */
  weight(name: string, shape: number[], use: { role: Role; block: number | null; op: string }): string {
    const info = this.tensors.get(name)
    const expected = `[${shape.join(', ')}]`
    if (!info) {
      throw new Fault('bad-input', `${this.file}: tensor ${name} ${expected} is missing from the checkpoint`, {
        hint:
          use.role === 'head'
            ? 'If the model uses its embedding as the head, config.json must say "tie_word_embeddings": true.'
            : 'The configuration asks for it. Check that all weight files were downloaded and fit the configuration.',
        data: { file: this.file, tensor: name, expected },
      })
    }
    const found = `[${info.shape.join(', ')}]`
    if (found !== expected) {
      throw new Fault('bad-input', `${info.file}: tensor ${name} is ${found}, the configuration asks for ${expected}`, {
        hint: 'Weights and config.json belong to different models.',
        data: { file: info.file, tensor: name, expected, found },
      })
    }
    if (!usable.has(info.dtype)) {
      throw new Fault(
        'unsupported',
        `${info.file}: tensor ${name} is ${info.dtype}; only 16, 32 and 64 bit floats run`,
        {
          data: { file: info.file, tensor: name, found: info.dtype },
        },
      )
    }
    if (!this.initializers.has(name)) this.layers.push(layerOf(info, use))
    this.initializers.set(name, { name, dtype: 'float32', shape, data: { source: name } })
    return name
  }

  /** Notes the type of a value, for readers of the graph. */
  describe(name: string, shape: ValueInfo['shape']): string {
    this.values.set(name, { name, dtype: 'float32', shape })
    return name
  }

  finish(name: string, inputs: ValueInfo[], outputs: ValueInfo[]): Graph {
    return {
      name,
      irVersion: 10,
      opsets: new Map([['', 21]]),
      nodes: this.nodes,
      inputs,
      outputs,
      initializers: this.initializers,
      values: this.values,
      functions: [],
      metadata: new Map(),
      producer: 'lathe',
    }
  }
}
