import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../../../src-preload/contract/fault.ts'
import { readSmallFile } from '../../checkpoint/file.ts'

const MOST_BYTES = 64 << 20
const fileSchema = z.object({ name: z.string(), bytes: z.number() })
const manifestSchema = z.object({
  lathe: z.literal(1),
  files: z.array(fileSchema),
  besides: z.array(fileSchema).default([]),
})

/** Files of an earlier export into the same folder that the new one does not replace: an index or shards that would belong
 *  to nothing. Only what its manifest names, as large as it says, goes. */
export function leftovers(folder: string, manifest: string, fresh: ReadonlySet<string>): string[] {
  const listed = manifestSchema.safeParse(readManifest(manifest))
  if (!listed.success) return []
  return [...listed.data.files, ...listed.data.besides].flatMap(({ name, bytes }) => {
    if (fresh.has(name) || /[/\\\0]/.test(name) || name.startsWith('.')) return []
    const found = lstatSync(join(folder, name), { throwIfNoEntry: false })
    return found?.isFile() && found.size === bytes ? [name] : []
  })
}

function readManifest(path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(readSmallFile(path, MOST_BYTES)))
  } catch (error) {
    if (error instanceof Fault || error instanceof SyntaxError) return null // none, or none of ours
    throw error
  }
}
