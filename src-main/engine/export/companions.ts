import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Network } from '../checkpoint/network.ts'
import { jsonBytes } from './folder/json.ts'
import type { StagedFile, Staging } from './staging.ts'

/** What programs look for beside a model, and what its licence may ask to stay with it. */
const NAMES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'added_tokens.json',
  'chat_template.jinja',
  'preprocessor_config.json',
  'processor_config.json',
  'LICENSE',
  'LICENSE.txt',
  'LICENSE.md',
  'NOTICE',
]
const LARGEST_BYTES = 256 * 2 ** 20

/** Copies tokenizer and configuration of a folder, plain files only; gives the names of what is to be published. A file of
 *  that name that stands in `folder` already stays unless it may be replaced. */
export const copyCompanions = (network: Network, staging: Staging, folder: string, overwrite: boolean): string[] =>
  copyFiles(network, staging, (name) => overwrite || !stands(join(folder, name))).map(({ name }) => name)

/** Copies those that are wanted. */
export function copyFiles(network: Network, staging: Staging, wanted: (name: string) => boolean): StagedFile[] {
  if (!lstatSync(network.path).isDirectory()) return []
  return NAMES.filter(wanted).flatMap((name) => {
    const from = join(network.path, name)
    const found = lstatSync(from, { throwIfNoEntry: false })
    if (found === undefined || !found.isFile() || found.size > LARGEST_BYTES) return []
    // With blocks left out the source's configuration tells of another network.
    if (name === 'config.json' && network.leftOut !== undefined && network.config !== null) {
      const bytes = jsonBytes(network.config)
      return [staging.write(name, (sink) => sink(bytes))]
    }
    return [staging.write(name, (sink) => sink(readFileSync(from)))]
  })
}

const stands = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined
