import type { Network } from '../checkpoint/network.ts'
import type { Importance } from '../export/define.ts'
import { Fault } from '../../../src-preload/contract/fault.ts'

/** Reads an imatrix file (either of llama.cpp's two forms) for a network. Faults naming the file and the entry. */
export function readImportance(file: string, _network: Network): Importance {
  throw new Fault('unsupported', `${file}: imatrix files are not read yet`)
}
