// What a vision network gives: scores of classes, or its features.
import type { Block } from '../../checkpoint/network.ts'
import { int, type ValueInfo } from '../ir.ts'
import type { GraphBuilder } from './builder.ts'
import type { BuiltModel } from './define.ts'
import { gridOf, type ImageShape, pixelInput } from './image-input.ts'
import { buildLinear } from './linear.ts'

export const floatOutput = (name: string, shape: ValueInfo['shape']): ValueInfo => ({ name, dtype: 'float32', shape })

/** Token `at` of every image: [batch, tokens, width] becomes [batch, width]. */
export function buildPick(b: GraphBuilder, states: string, at: number, name: string): string {
  const place = b.once(`place.${at}`, (value) => b.integers(value, [at], []))
  return b.op('Gather', [states, place], name, { axis: int(1) })
}

/** A linear classifier, of role head. */
export const buildClassifier = (b: GraphBuilder, module: string, classes: number, input: string, width: number) =>
  buildLinear(b, { module, role: 'head', rows: classes, cols: width, bias: true }, input, null)

interface Finished {
  family: string
  image: ImageShape
  width: number
  heads: string
  blocks: Block[]
  outputs: ValueInfo[]
  classes: number | null // null: features
}

export function finishImageModel(b: GraphBuilder, model: Finished): BuiltModel {
  const { image, blocks, outputs, classes } = model
  return {
    graph: b.finish(model.family, [pixelInput(image)], outputs),
    layers: b.layers,
    blocks,
    head: null,
    task: classes === null ? 'image-features' : 'image-classification',
    card: {
      image: `${image.width} x ${image.height}, ${image.channels} channels`,
      patches: `${image.patch[1]} x ${image.patch[0]} pixels, ${gridOf(image).reverse().join(' x ')} of them`,
      width: String(model.width),
      blocks: String(blocks.length),
      heads: model.heads,
      ...(classes !== null && { classes: String(classes) }),
    },
  }
}
