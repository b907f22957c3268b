// What of a graph is constant: its initializers, and what nodes compute from them alone.
import { Fault } from '../../../../../src-preload/contract/fault.ts'
import type { Initializer, Node } from '../../../graph/ir.ts'
import { constantOperators, type Header } from './operators.ts'
import type { Rewrite } from './rewrite.ts'
import type { Value } from './value.ts'

export interface Expression {
  node: Node
  header: Header
  computes: boolean // does more than rearrange
  dequantizes: boolean
  leaves: ReadonlySet<string> // initializers below
}

export class Constants {
  readonly expressions = new Map<string, Expression>()
  /** Values that some node reads which is not constant itself, by that node's operator; graph outputs by none. */
  readonly readers = new Map<string, Set<string>>()
  private readonly rewrite: Rewrite
  private readonly initializers: ReadonlyMap<string, Initializer> // as they were: passes take some out of the graph

  constructor(rewrite: Rewrite) {
    const { graph } = rewrite
    this.rewrite = rewrite
    this.initializers = new Map(graph.initializers)
    for (const { name } of graph.outputs) this.readers.set(name, new Set())
    for (const node of graph.nodes) {
      const found = this.express(node)
      const [output] = node.outputs
      if (found && output) this.expressions.set(output, found)
      else for (const name of node.inputs) this.readers.set(name, (this.readers.get(name) ?? new Set()).add(node.op))
    }
  }

  /** Type and shape of a constant; null for anything else. */
  header(name: string): Header | null {
    return this.expressions.get(name)?.header ?? this.rewrite.header(name)
  }

  /** Initializers a constant is made of. */
  leavesOf(name: string): readonly string[] {
    const found = this.expressions.get(name)
    return found ? [...found.leaves] : this.initializers.has(name) ? [name] : []
  }

  /** Its numbers, read and computed now. */
  value(name: string): Value {
    const found = this.expressions.get(name)
    const operator = constantOperators[found?.node.op ?? '']
    if (found && operator) {
      const inputs = found.node.inputs.filter((each) => each !== '').map((each) => this.value(each))
      return operator.run(found.node, inputs, found.header)
    }
    const initializer = this.initializers.get(name)
    if (!initializer) throw new Fault('internal', `no constant ${name}`)
    return this.rewrite.value(initializer)
  }

  /** Lets nodes and initializers of a constant go once nobody else reads them. */
  release(name: string): void {
    const node = this.expressions.get(name)?.node
    if (!node || this.rewrite.idle.has(node)) return
    this.rewrite.release(node)
    for (const input of node.inputs) this.release(input)
  }

  private express(node: Node): Expression | null {
    const operator = node.domain === '' ? constantOperators[node.op] : undefined
    if (!operator || node.outputs.length !== 1) return null
    const names = [...node.inputs]
    while (names.at(-1) === '') names.pop()
    const headers = names.map((name) => this.header(name)).filter((each) => each !== null)
    if (headers.length !== names.length || headers.length === 0) return null
    const header = operator.header(node, headers)
    if (!header) return null
    const below = names.map((name) => this.expressions.get(name))
    return {
      node,
      header: { ...header, integers: null },
      computes: !operator.rearranges || below.some((each) => each?.computes),
      dequantizes: node.op === 'DequantizeLinear' || below.some((each) => each?.dequantizes === true),
      leaves: new Set(names.flatMap((name) => this.leavesOf(name))),
    }
  }
}
