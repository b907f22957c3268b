import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { SourceFile } from '../../checkpoint/file.ts'
import type { Network } from '../../checkpoint/network.ts'

const MOST_BYTES = 64 << 10 // of a README that are looked at

/** What the checkpoint says about its licence: its own card's field, config.json, or the head of the README beside it;
 *  null where it says nothing. */
export function licenceOf(network: Network): string | null {
  const own = Object.entries(network.card).find(([key]) => /^(general\.|metadata: )?licen[sc]e$/i.test(key))
  if (own) return own[1]
  const configured = network.config?.get('license')
  if (typeof configured === 'string') return configured
  return fromReadme(join(network.path, 'README.md'))
}

/** `license:` of a README's YAML head. */
function fromReadme(path: string): string | null {
  let file: SourceFile
  try {
    if (!lstatSync(path).isFile()) return null
    file = new SourceFile(path)
  } catch {
    return null // no README, or none that can be read: the checkpoint says nothing then
  }
  try {
    const text = new TextDecoder().decode(file.read(0, Math.min(file.size, MOST_BYTES)))
    const head = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? ''
    const value = /^license:[ \t]*(.+?)[ \t]*$/m.exec(head)?.[1]?.replace(/^(["'])(.*)\1$/, '$2')
    return value === undefined || value === '' ? null : value
  } finally {
    file.close()
  }
}
