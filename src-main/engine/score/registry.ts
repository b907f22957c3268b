import { activationSparsity } from './activation-sparsity.ts'
import type { Score } from './define.ts'
import { depthDiagnostics } from './depth-diagnostics.ts'
import { ecoflap } from './ecoflap.ts'
import { lim } from './lim.ts'
import { lrp } from './lrp.ts'
import { luq } from './luq.ts'
import { nmse } from './nmse.ts'
import { qvlm } from './qvlm.ts'
import { welore } from './spectrum/welore.ts'
import { zd } from './zd.ts'
import { arank } from './heads/arank.ts'
import { snr } from './snr.ts'
import { superExpertScore } from './experts/super-experts.ts'
import { iscs } from './iscs.ts'
import { talkingHeads } from './heads/talking-heads.ts'
import { dse } from './information/dse.ts'
import { informationPlane } from './information/plane.ts'

/** Every score Lathe knows. Adding one costs a file and a line here. */
export const scores: readonly Score[] = [
  lim,
  zd,
  nmse,
  depthDiagnostics,
  luq,
  qvlm,
  welore,
  arank,
  lrp,
  ecoflap,
  activationSparsity,
  snr,
  superExpertScore,
  iscs,
  talkingHeads,
  dse,
  informationPlane,
]
