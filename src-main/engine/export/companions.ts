import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Network } from '../checkpoint/network.ts'
import type { Staging } from './staging.ts'

/** What programs look for beside a language model. */
const NAMES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
]
const LARGEST_BYTES = 256 * 2 ** 20

/** Copies tokenizer and configuration of a Hugging Face folder, plain files only; gives the names of what is to be
 *  published. A file of that name that stands in `folder` already stays unless it may be replaced. */
export function copyCompanions(network: Network, staging: Staging, folder: string, overwrite: boolean): string[] {
  if (network.format !== 'safetensors' || !lstatSync(network.path).isDirectory()) return []
  return NAMES.filter((name) => {
    const from = join(network.path, name)
    const found = lstatSync(from, { throwIfNoEntry: false })
    if (found === undefined || !found.isFile() || found.size > LARGEST_BYTES) return false
    if (!overwrite && lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined) return false
    staging.write(name, (sink) => sink(readFileSync(from)))
    return true
  })
}
