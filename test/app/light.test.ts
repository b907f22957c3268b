import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

test('main knows every method, and yet ONNX Runtime is not loaded into it', () => {
  const script = `
    await import('./src-main/app/create.ts')
    const loaded = process.report.getReport().sharedObjects.filter((name) => name.includes('onnxruntime'))
    process.stdout.write(JSON.stringify(loaded))`
  const words = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' })
  expect(JSON.parse(words)).toEqual([])
})
