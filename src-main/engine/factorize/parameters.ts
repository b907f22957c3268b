// What factorizers are asked for, and what they offer.
import { z } from 'zod'
import type { Option } from '../../../src-preload/contract/plan.ts'
import type { Layer } from '../checkpoint/network.ts'
import { codedFormBytes } from '../quantize/codings/define.ts'
import { lowRankForm } from '../quantize/codings/low-rank.ts'

export const rankParameters = {
  rankShare: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('Rank, as a share of the full one. Absent: a ladder is offered'),
  rank: z.int().min(1).max(4096).optional().describe('Rank itself; goes before the share'),
  width: z
    .literal([4, 8, 16])
    .optional()
    .describe('Bits of the numbers of the factors; 16: float16. Absent: all three are offered'),
}
export type RankParameters = z.output<z.ZodObject<typeof rankParameters>>

const shares = [0.1, 0.15, 0.25, 0.35, 0.5, 0.65, 0.8] as const
const widths = [16, 8, 4] as const
const LEAST_SAVING = 0.05 // against the whole weight in numbers of the same width

export const fullRank = ({ rows, cols }: { rows: number; cols: number }): number => Math.min(rows, cols)

/** Options for a layer: those of the ladder, or of the parameters, that take fewer bytes than the weight unfactored in the
 *  same width. `rankShare` is exact; bits count everything. */
export function rankOptions(
  method: string,
  layer: Layer,
  asked: RankParameters,
  more: Option['parameters'] = {},
): Option[] {
  const { rows, cols, compressible } = layer
  const full = fullRank(layer)
  if (!compressible || full < 2) return []
  const wanted =
    asked.rank !== undefined ? [asked.rank / full] : asked.rankShare !== undefined ? [asked.rankShare] : shares
  const options: Option[] = []
  for (const share of wanted)
    for (const width of asked.width ? [asked.width] : widths) {
      const rank = rankOf({ rankShare: share }, layer)
      const bits = (8 * codedFormBytes(lowRankForm({ rank, width }, layer))) / (rows * cols)
      if (bits > width * (1 - LEAST_SAVING)) continue
      const percent = Number((share * 100).toFixed(2))
      const id = `${method}-${percent}-${width > 8 ? 'f' : 'w'}${width}`
      options.push({ id, method, bits, parameters: { ...more, rank, rankShare: rank / full, width } })
    }
  return options
}

/** The rank that is meant, 1 to the full one; half of it where nothing is said. */
export const rankOf = (
  { rank, rankShare = 0.5 }: Pick<RankParameters, 'rank' | 'rankShare'>,
  shape: { rows: number; cols: number },
): number => Math.max(1, Math.min(fullRank(shape), rank ?? Math.round(rankShare * fullRank(shape))))
