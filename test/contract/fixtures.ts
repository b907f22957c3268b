import { createHash } from 'node:crypto'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sampleFolder } from '../../src-main/app/samples.ts'

export const sha256Of = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

/** The language sample with a chat template of its own. */
export function chattyFolder(parent: string): string {
  const folder = join(parent, 'chatty')
  cpSync(sampleFolder('language'), folder, { recursive: true })
  const template = '{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}'
  writeFileSync(join(folder, 'chat_template.jinja'), template)
  return folder
}
