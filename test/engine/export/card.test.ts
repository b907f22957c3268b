import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Network } from '../../../src-main/engine/checkpoint/network.ts'
import { cardName, type CardSubject, modelCard } from '../../../src-main/engine/export/card/card.ts'
import { escape, plain } from '../../../src-main/engine/export/card/escape.ts'
import { licenceOf } from '../../../src-main/engine/export/card/licence.ts'
import { latheVersion } from '../../../src-main/engine/version.ts'
import { keepOption, rtnOption } from '../../../src-main/engine/quantize/options.ts'
import { residualNetwork, temporaryFolder } from '../score/network.ts'

const network = residualNetwork()
const subject = (change: Partial<CardSubject> = {}): CardSubject => ({
  ...{ network, format: 'ONNX', files: [{ name: 'a.onnx', bytes: 1_234_567 }], verified: ['Ran and compared'] },
  ...{ loads: [{ runtime: 'ONNX Runtime', line: "load('a.onnx')" }], manifest: 'a.lathe.json' },
  ...change,
})
const textOf = (change: Partial<CardSubject> = {}) => new TextDecoder().decode(modelCard(subject(change)))

test('it says what it is, where it is from, how large, what was done, and how to load it', () => {
  const names = network.layers.filter(({ compressible }) => compressible).map(({ name }) => name)
  const options = new Map(names.map((name, i) => [name, i === 0 ? keepOption : rtnOption(4, null)]))
  const rows = [{ metric: 'top-1 accuracy', original: '81.28 %', variant: '80.11 %', source: 'test, 10,000 images' }]
  const text = textOf({ options, rows })
  for (const part of [
    `by Lathe ${latheVersion}`,
    network.fingerprint,
    'Size before',
    '1,234,567 bytes (1.23 MB)',
    '| conv | rtn-4-channel | 4 | 6 | 55,296 |',
    '| top-1 accuracy | 81.28 % | 80.11 % | test, 10,000 images |',
    '- Ran and compared',
    "- ONNX Runtime: `load('a.onnx')`",
    'a.lathe.json',
    'the source does not say',
  ])
    expect(text).toContain(part)
  expect(text).not.toContain('Nothing was measured')
  expect(textOf({ options, rows })).toBe(text)
})

test('an honest line where nothing was measured, and where nothing was done', () => {
  expect(textOf()).toContain('Nothing was measured')
  expect(textOf()).toContain('| conv | kept as it was |')
})

test('names from a checkpoint do nothing: no HTML, no link, no table cell, no new line, no YAML field', () => {
  const name =
    'x](http://a.b) <img src=x onerror=alert(1)> | `rm` **b** \n# head\r\n---\nlicense: mit "q" \u202Eevil www.a.b'
  const text = textOf({
    network: { ...network, name, family: name } as Network,
    files: [{ name, bytes: 1 }],
    verified: [name],
  })
  const body = text.split('---\n').slice(2).join('---\n')
  expect(text).not.toMatch(/<img/)
  expect(body).not.toMatch(/(?<!\\)\]\(/)
  expect(body).not.toMatch(/(?<!\\)\*\*b/)
  expect(body).not.toMatch(/https?:\/\//)
  expect(body).not.toMatch(/www\.a/)
  expect(text).not.toContain('\u202E')
  expect(text.split('\n').filter((line) => line.startsWith('license:'))).toEqual([])
  expect(text.match(/^---$/gm)).toHaveLength(2)
  // Each row of the table still has its two cells.
  for (const line of body.split('\n').filter((each) => each.startsWith('| ') && each.includes('Source')))
    expect(line.replaceAll('\\|', '').match(/\|/g)).toHaveLength(3)
})

test.each([
  ['1. one', String.raw`1\. one`],
  ['# head', String.raw`\# head`],
  ['- item', String.raw`\- item`],
  ['a_b*c', String.raw`a\_b\*c`],
  ['<b>&amp;', '&lt;b&gt;&amp;amp;'],
  ['model.layers.0.up_proj', String.raw`model.layers.0.up\_proj`],
])('%s becomes %s', (given, wanted) => expect(escape(given)).toBe(wanted))

test('texts are cut, halves of surrogates go', () => {
  expect(plain('é'.repeat(5000))).toHaveLength(200)
  expect(plain(`a\uD800b`)).toBe('a b')
})

test('names of cards', () => {
  expect(cardName('model.onnx', '.onnx')).toBe('model.README.md')
  expect(cardName('a.b.GGUF', '.gguf')).toBe('a.b.README.md')
})

test('the licence: the card’s own field, config.json, or the head of the README beside', () => {
  const folder = join(temporaryFolder(), 'm')
  mkdirSync(folder)
  const at = (change: Partial<Network>) => licenceOf({ ...network, path: folder, ...change })
  expect(at({})).toBeNull()
  writeFileSync(join(folder, 'README.md'), '---\nlanguage: en\nlicense: "apache-2.0"\n---\nlicense: none of this')
  expect(at({})).toBe('apache-2.0')
  expect(at({ config: new Map([['license', 'mit']]) })).toBe('mit')
  expect(at({ card: { 'general.license': 'llama2' } })).toBe('llama2')
  writeFileSync(join(folder, 'README.md'), 'license: not a head')
  expect(at({})).toBeNull()
  const text = textOf({ network: { ...network, card: { license: 'mit' } } })
  expect(text).toContain('\nlicense: "mit"\n')
})
