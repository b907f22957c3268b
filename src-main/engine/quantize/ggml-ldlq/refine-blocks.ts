// Blocks with better codes for a known Hessian, layer by layer and some rows at a time.
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { type FeedbackType, isFeedbackType } from '../../kernels/ggml/feedback/fields.ts'
import { rowBytes } from '../../kernels/ggml/types.ts'
import { inverseFactor } from '../../kernels/linear/factor.ts'
import type { Hessian } from '../../kernels/linear/types.ts'
import type { QuantizeContext } from '../define.ts'
import { notFinite, type WeightRows } from '../rows.ts'
import type { BlockMatrix } from '../types.ts'
import { feedbackBlocks, keepBetter, nearestBlocks, refineRows, type Rows } from './codes.ts'

const PIECE_WEIGHTS = 1 << 23 // four copies of them are in memory at once

export interface ChooseOptions {
  damping: number // share of the mean diagonal that is added before the Hessian is inverted
  sweeps: number // of refinement
  starts?: number // default 1: feedback and refinement once more from the refined scales
}

/** Blocks of `type` for a layer: of weighted rounding and error feedback the better, row by row, then refined.
 *  Faults on weights that are not finite, on Hessians that are missing, of another size or not finite, and on rows that are
 *  no whole blocks. */
export async function chooseBlocks(
  source: WeightRows,
  type: FeedbackType,
  { damping, sweeps, starts = 1 }: ChooseOptions,
  context: QuantizeContext,
): Promise<BlockMatrix> {
  const { layer, notify, device, threads } = context
  const { rows, cols } = source
  const out = new Uint8Array(rows * rowBytes(type, cols))
  for (const [group, hessian] of hessiansOf(source, context).entries()) {
    const factor = await inverseFactor(hessian, {
      ...{ damping, layer },
      ...(notify && { notify }),
      ...(device && { device }),
      ...(threads !== undefined && { threads }),
    })
    await eachPiece(source, type, group, hessian, context, async (given, at, bytes) => {
      let done = 0
      const step = (share: number): Rows => {
        const before = done
        done += share
        return { ...given, progress: (part) => context.progress?.((at + bytes * (before + share * part)) / out.length) }
      }
      const blocks = nearestBlocks(given)
      await keepBetter(given, blocks, await feedbackBlocks(step(0.4 / starts), factor))
      await refineRows(step(0.6 / starts), blocks, sweeps)
      for (let start = 1; start < starts; start++) {
        const again = await feedbackBlocks(step(0.4 / starts), factor, blocks)
        await refineRows(step(0.6 / starts), again, sweeps)
        await keepBetter(given, blocks, again)
      }
      out.set(blocks, at)
      context.progress?.((at + bytes) / out.length)
    })
  }
  return { rows, cols, type, blocks: out }
}

/** The same layer with codes and scales refined from where they stand; no row's error under the Hessian grows, and the
 *  bytes stay as many. `original` are the weights the blocks were made from. */
export async function refineBlocks(
  blocks: BlockMatrix,
  original: WeightRows,
  { sweeps }: Pick<ChooseOptions, 'sweeps'>,
  context: QuantizeContext,
): Promise<BlockMatrix> {
  const { type, rows, cols } = blocks
  if (!isFeedbackType(type))
    throw new Fault('unsupported', `Layer ${context.layer}: codes of ${type} cannot be refined.`, {
      hint: 'Types of 8 bits and fewer that Lathe can write can.',
      data: { tensor: context.layer, found: type },
    })
  if (original.rows !== rows || original.cols !== cols)
    throw new Fault('bad-arguments', `Layer ${context.layer}: the blocks are of another layer.`, {
      data: { tensor: context.layer, expected: `${original.rows} x ${original.cols}`, found: `${rows} x ${cols}` },
    })
  const out = blocks.blocks.slice()
  for (const [group, hessian] of hessiansOf(original, context).entries())
    await eachPiece(original, type, group, hessian, context, async (given, at, bytes) => {
      const part = out.slice(at, at + bytes)
      const progress = (share: number) => context.progress?.((at + bytes * share) / out.length)
      await refineRows({ ...given, progress }, part, sweeps)
      out.set(part, at)
      context.progress?.((at + bytes) / out.length)
    })
  return { ...blocks, blocks: out }
}

function hessiansOf({ rows, cols }: WeightRows, { layer, hessians }: QuantizeContext): readonly Hessian[] {
  if (hessians === undefined || hessians.length === 0)
    throw new Fault('bad-arguments', `Layer ${layer}: error feedback needs a Hessian, and there is none.`, {
      hint: 'Give calibration data.',
      data: { tensor: layer },
    })
  if (hessians.some(({ data }) => data.some((value) => !Number.isFinite(value))))
    throw new Fault('bad-input', `Layer ${layer}: its Hessian has numbers that are not finite.`, {
      hint: 'An activation of the calibration run is infinite or not a number: check the weights and the data.',
      data: { tensor: layer },
    })
  const odd = hessians.find(({ size, data }) => size !== cols || data.length !== cols * cols)
  if (odd === undefined && rows % hessians.length === 0) return hessians
  throw new Fault('bad-arguments', `Layer ${layer}: its Hessians do not fit ${rows} x ${cols} weights.`, {
    data: { tensor: layer, expected: `of ${cols} inputs`, found: `${hessians.length}, of ${odd?.size ?? cols} inputs` },
  })
}

/** Visits the rows of a Hessian's group, a piece at a time; `at` and `bytes` say where its blocks lie. */
async function eachPiece(
  source: WeightRows,
  type: FeedbackType,
  group: number,
  hessian: Hessian,
  { layer, device, threads, hessians = [] }: QuantizeContext,
  visit: (given: Rows, at: number, bytes: number) => Promise<void>,
): Promise<void> {
  const { cols } = source
  const share = source.rows / hessians.length
  const step = Math.max(1, Math.floor(PIECE_WEIGHTS / cols))
  for (let begin = group * share; begin < (group + 1) * share; begin += step) {
    const end = Math.min(begin + step, (group + 1) * share)
    const weights = source.read(begin, end)
    const bad = weights.findIndex((value) => !Number.isFinite(value))
    if (bad >= 0) throw notFinite(layer, source, begin * cols + bad)
    const rowLength = rowBytes(type, cols)
    await visit(
      { type, weights, rows: end - begin, cols, hessian, layer, device, threads },
      begin * rowLength,
      (end - begin) * rowLength,
    )
  }
}
