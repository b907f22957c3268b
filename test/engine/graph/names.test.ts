import { expect, test } from 'vitest'
import { blockOf, pathOfNode, pathOfWeight, roleOfPath } from '../../../src-main/engine/graph/names.ts'

// prettier-ignore
const weights: [name: string, role: string | null, block: string][] = [
  ['model.layers.3.self_attn.q_proj.weight', 'q', 'model.layers.3'],
  ['model.layers.3.self_attn.o_proj.weight', 'o', 'model.layers.3'],
  ['model.layers.3.mlp.gate_proj.weight', 'gate', 'model.layers.3'],
  ['model.layers.3.mlp.up_proj.weight', 'up', 'model.layers.3'],
  ['model.layers.3.mlp.down_proj.weight', 'down', 'model.layers.3'],
  ['lm_head.weight', 'head', ''],
  ['transformer.h.11.attn.c_attn.weight', 'qkv', 'transformer.h.11'],
  ['transformer.h.11.attn.c_proj.weight', 'o', 'transformer.h.11'],
  ['transformer.h.11.mlp.c_fc.weight', 'up', 'transformer.h.11'],
  ['transformer.h.11.mlp.c_proj.weight', 'down', 'transformer.h.11'],
  ['bert.encoder.layer.0.attention.self.query.weight', 'q', 'bert.encoder.layer.0'],
  ['bert.encoder.layer.0.attention.output.dense.weight', 'o', 'bert.encoder.layer.0'],
  ['bert.encoder.layer.0.intermediate.dense.weight', 'up', 'bert.encoder.layer.0'],
  ['bert.encoder.layer.0.output.dense.weight', 'down', 'bert.encoder.layer.0'],
  ['blocks.7.attn.proj.weight', 'o', 'blocks.7'],
  ['layer2.0.downsample.0.weight', null, 'layer2.0'],
  ['fire2/expand3x3.weight', null, 'fire2'],
  ['conv_2.weight', null, ''],
]
test.for(weights)('%s', ([name, role, block]) => {
  const path = pathOfWeight(name)
  expect([roleOfPath(path), blockOf(path)]).toEqual([role, block])
})

test('weights that only have a number are named by their node', () => {
  expect(pathOfWeight('onnx::MatMul_596')).toEqual([])
  expect(pathOfNode('/layer1/layer1.0/conv1/Conv', '', 'Conv')).toEqual(['layer1', '0', 'conv1'])
  expect(pathOfNode('/blocks.0/mlp/fc1/MatMul', '', 'MatMul')).toEqual(['blocks', '0', 'mlp', 'fc1'])
  expect(pathOfNode('', '/model/layers.2/mlp/up_proj/MatMul_output_0', 'MatMul')).toEqual([
    'model',
    'layers',
    '2',
    'mlp',
    'up_proj',
  ])
})
