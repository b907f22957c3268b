// bitsandbytes checkpoints, as transformers saves them. Four bits: a weight w of any shape, flattened,
//
//   w                  U8   [count / 2, 1]     code 2 k in bits 7..4 of byte k, code 2 k + 1 in bits 3..0
//   w.absmax           F32  [count / blocksize], or U8 where nested
//   w.quant_map        F32  [16]               value of each code (nf4 or fp4)
//   w.quant_state.bitsandbytes__nf4 (or fp4)   U8: JSON { shape, blocksize, dtype, nested_blocksize, nested_offset }
//   w.nested_absmax    F32  [blocks / nested_blocksize]   w.nested_quant_map  F32 [256]
//
//   weight = quant_map[code] * absmax[block]     nested: absmax = nested_quant_map[absmax] * nested_absmax + nested_offset
//
// Eight bits (LLM.int8): w I8 [outputs, inputs], w's prefix .SCB F32 [outputs]:   weight = code * SCB / 127
// Sources: bitsandbytes functional.py (QuantState.as_dict, dequantize_4bit); Dettmers et al. 2022 and 2023.
import { Settings } from '../../graph/families/config.ts'
import { toFloat32 } from '../convert.ts'
import type { DerivedTensor } from '../derived.ts'
import { parseJsonObject } from '../json.ts'
import type { TensorInfo, TensorSource } from '../network.ts'
import { definePacked, nothingUnpacked } from './define.ts'
import { badValue, countOf, misfit, need, needAny, readScales } from './pieces.ts'
import { derivedWeight, type ScaledMatrix, weightsOf } from './scaled.ts'

const stateMark = '.quant_state.bitsandbytes__'
const mostStateBytes = 64 << 10

export const bitsandbytes = definePacked({
  id: 'bitsandbytes',
  title: 'bitsandbytes',
  unpack(_config, source) {
    const found = nothingUnpacked()
    for (const info of source.tensors.values()) {
      const mark = info.name.indexOf(stateMark)
      if (mark > 0) {
        const weight = info.name.slice(0, mark)
        found.weights.set(weight, fourBits(weight, info.name.slice(mark + stateMark.length), info, source))
        for (const name of source.tensors.keys()) if (name.startsWith(`${weight}.`)) found.hidden.add(name)
      } else if (info.name.endsWith('.SCB')) {
        const prefix = info.name.slice(0, -'.SCB'.length)
        found.weights.set(`${prefix}.weight`, eightBits(`${prefix}.weight`, info, source))
        for (const end of ['SCB', 'weight_format']) found.hidden.add(`${prefix}.${end}`)
      }
    }
    return found
  },
})

function eightBits(weight: string, scb: TensorInfo, source: TensorSource): DerivedTensor {
  const codes = needAny(source, weight, ['int8'], 'beside SCB')
  const [rows = 0, cols = 0] = codes.shape
  if (codes.shape.length !== 2) throw misfit(codes, 'int8 [outputs, inputs]', 'beside SCB')
  need(source, scb.name, ['float32', 'float16'], [rows], `for ${rows} outputs`)
  const matrix: ScaledMatrix = {
    ...{ rows, cols, groups: 1, group: { size: cols } },
    codes: (begin, end) => toFloat32(source.read(weight, { begin: begin * cols, end: end * cols }), 'int8'),
    scales: (begin, end) => readScales(source, scb, begin, end, 1).map((most) => most / 127),
  }
  return derivedWeight(weight, matrix, [codes, scb], 'bitsandbytes int8 channel', (begin, end) =>
    weightsOf(matrix, begin, end),
  )
}

function fourBits(weight: string, kind: string, state: TensorInfo, source: TensorSource): DerivedTensor {
  if (state.dtype !== 'uint8' || state.bytes > mostStateBytes) throw misfit(state, 'uint8 JSON', 'for bitsandbytes')
  const described = new Settings(parseJsonObject(source.read(state.name), state.file), state.file, `${state.name}: `)
  const shape = described.numbers('shape', 2)
  const [rows = 0, cols = 0] = shape
  if (!shape.every(Number.isInteger)) throw described.wrong('shape', 'two integers')
  const block = described.integer('blocksize', { min: 1, max: 1 << 20 })
  const count = countOf(shape)
  const blocks = Math.ceil(count / block)
  const codes = needAny(source, weight, ['uint8'], 'for bitsandbytes')
  if (codes.bytes !== Math.ceil(count / 2))
    throw misfit(codes, `uint8 of ${Math.ceil(count / 2)} bytes`, `for ${rows} x ${cols} weights`)
  const nested = described.has('nested_blocksize')
  const about = `for ${blocks} blocks of ${block}`
  const absmax = need(source, `${weight}.absmax`, [nested ? 'uint8' : 'float32'], [blocks], about)
  const map = need(source, `${weight}.quant_map`, ['float32'], [16], 'for bitsandbytes')
  const inner = nested ? nestedScales(weight, described, blocks, source) : null
  const scalesOf = (begin: number, end: number): Float32Array => {
    if (!inner) return readScales(source, absmax, begin, end, 1)
    return inner.scales(source.read(absmax.name, { begin, end }), begin)
  }
  const decode = (begin: number, end: number): Float32Array => {
    const [from, to] = [begin * cols, end * cols]
    const packed = source.read(weight, { begin: from >>> 1, end: Math.ceil(to / 2) })
    const values = readScales(source, map, 0, 16, 1)
    const first = Math.floor(from / block)
    const scales = scalesOf(first, Math.ceil(to / block))
    const out = new Float32Array(to - from)
    for (let i = from; i < to; i++) {
      const byte = packed[(i >>> 1) - (from >>> 1)] as number
      out[i - from] =
        (values[i & 1 ? byte & 15 : byte >>> 4] as number) * (scales[Math.floor(i / block) - first] as number)
    }
    return out
  }
  const pieces = [codes, absmax, map, state, ...(inner ? inner.pieces : [])]
  return derivedWeight(weight, { rows, cols }, pieces, `bitsandbytes ${kind.slice(0, 8)} block ${block}`, decode)
}

function nestedScales(weight: string, described: Settings, blocks: number, source: TensorSource) {
  const size = described.integer('nested_blocksize', { min: 1, max: 1 << 20 })
  const offset = Math.fround(described.number('nested_offset', -Infinity))
  const absmax = need(
    source,
    `${weight}.nested_absmax`,
    ['float32'],
    [Math.ceil(blocks / size)],
    `for ${blocks} scales`,
  )
  const map = need(source, `${weight}.nested_quant_map`, ['float32'], [256], 'for bitsandbytes')
  return {
    pieces: [absmax, map],
    scales(codes: Uint8Array, begin: number): Float32Array {
      const values = readScales(source, map, 0, 256, 1)
      const outer = readScales(source, absmax, 0, Math.ceil(blocks / size), 1)
      const scales = Float32Array.from(codes, (code, i) =>
        Math.fround(Math.fround((values[code] as number) * (outer[Math.floor((begin + i) / size)] as number)) + offset),
      )
      const bad = scales.findIndex((scale) => !Number.isFinite(scale))
      if (bad >= 0) throw badValue(absmax, `scale ${begin + bad} is not finite`, 'a finite scale')
      return scales
    },
  }
}
