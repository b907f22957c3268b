// `lathe shootout` as a person and a script use it: a real process on the sample.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { documented, type Json, lathe, latheJson, sample } from './lathe.ts'

const home = mkdtempSync(join(tmpdir(), 'lathe-cli-shootout-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const verb = ['shootout', sample('language'), '--layer', 'layers.0.self_attn.k_proj', '--data', sample('language')]

test('a table, least bits first, and the document the README promises', async () => {
  const document = await latheJson(home, 0, ...verb, '--methods', 'rtn,ggml')
  const { keys, inside } = documented('shootout')
  expect(Object.keys(document).sort()).toEqual([...keys].sort())
  const rows = document.rows as unknown as Json[]
  for (const row of rows) expect(Object.keys(row).sort()).toEqual([...(inside.get('rows') ?? [])].sort())
  const bits = rows.map((row) => Number(row.bitsPerWeight))
  expect(bits).toEqual([...bits].sort((a, b) => a - b))
  expect(document.layer).toBe('model.layers.0.self_attn.k_proj.weight')
  const told = await lathe(home, ...verb, '--methods', 'rtn', '--quiet')
  expect(told.stdout).toContain('output error over')
  expect(told.stdout).toMatch(/rtn-4-g\d+ +Round to nearest +4\.\d+/)
  expect(told.stdout).not.toContain('gguf-') // tried before, not asked for now
  expect(told.stderr).toBe('')
})

test('a layer or a quantizer that is none is told, with what there is', async () => {
  const at = (layer: string) => ['shootout', sample('language'), '--layer', layer]
  expect((await latheJson(home, 1, ...at('nothing'))).fault).toMatchObject({ code: 'not-found' })
  const many = await latheJson(home, 2, ...at('q_proj'))
  expect(many.fault?.message).toContain('fits')
  expect(many.fault?.hint).toContain('model.layers.0.self_attn.q_proj.weight')
  const dice = await latheJson(home, 2, ...at('model.layers.0.self_attn.q_proj.weight'), '--methods', 'dice')
  expect(dice.fault?.message).toContain('dice')
})
