// Writes a graph node by node. Every value is named after the module that makes it.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { layerOf, type LayerUse } from '../../checkpoint/layer.ts'
import type { Layer, TensorInfo } from '../../checkpoint/network.ts'
import { type Attribute, type Graph, type Initializer, type ValueInfo, int, node } from '../ir.ts'

const usable = new Set(['float32', 'float16', 'bfloat16', 'float64'])

export class GraphBuilder {
  readonly layers: Layer[] = []
  private readonly nodes: Graph['nodes'] = []
  private readonly initializers = new Map<string, Initializer>()
  private readonly values = new Map<string, ValueInfo>()
  private readonly made = new Map<string, string>()
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

  /** Adds a node with several outputs. */
  many(type: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}): void {
    this.nodes.push(node(type, inputs, outputs, attributes))
  }

  /** Splits the last axis into two equal halves. */
  halves(input: string, prefix: string): [string, string] {
    const outputs: [string, string] = [`${prefix}.first`, `${prefix}.second`]
    const attributes = { axis: int(-1), num_outputs: int(2) }
    this.nodes.push(node('Split', [input], outputs, attributes, { name: `${prefix}.halves` }))
    return outputs
  }

  /** Splits the last axis into parts of the given sizes; returns one of the given names for each. */
  split(input: string, sizes: readonly number[], outputs: string[]): string[] {
    const lengths = this.once(`split.${sizes.join('.')}`, (name) => this.integers(name, [...sizes]))
    this.nodes.push(node('Split', [input, lengths], outputs, { axis: int(-1) }, { name: `${outputs[0]}.parts` }))
    return outputs
  }

  /** A value that many places share: made where it is first asked for. `make` gets the name and returns the value's. */
  once(name: string, make: (name: string) => string): string {
    const found = this.made.get(name) ?? make(name)
    this.made.set(name, found)
    return found
  }

  /** A shared constant float32 of no dimensions; `label` says what it is for. */
  scalar(label: string, value: number): string {
    return this.once(`${label}=${value}`, () => {
      const name = this.initializers.has(label) ? `${label}.${value}` : label
      return this.floats(name, [value], [])
    })
  }

  has(tensor: string): boolean {
    return this.tensors.has(tensor)
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
  weight(name: string, shape: number[], use: LayerUse): string {
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
