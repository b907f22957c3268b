// What goes wrong: the exit code, the one document on standard output, words on standard error, and nothing left behind.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, lathe, sample, visionModel } from './lathe.ts'

const base = mkdtempSync(join(tmpdir(), 'lathe-cli-'))
const home = join(base, 'home')
const at = (...parts: string[]) => join(base, ...parts)
beforeAll(() => {
  mkdirSync(at('model'))
  copyFileSync(visionModel, at('model', 'model.onnx'))
  writeFileSync(at('not.json'), 'hello')
  writeFileSync(at('taken.onnx'), 'mine')
  writeFileSync(at('newer.json'), '{"lathe":2}')
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const model = at('model', 'model.onnx')
const data = ['--data', sample('vision')]
const cases: [name: string, code: number, words: string, args: string[]][] = [
  ['an unknown option', 2, "unknown option '--colour'", ['inspect', model, '--colour']],
  ['an unknown verb', 2, "unknown command 'squash'", ['squash', model]],
  ['no data', 2, "required option '--data <path>'", ['evaluate', model]],
  ['no model', 2, "missing required argument 'model'", ['inspect']],
  [
    'more bits than there are',
    2,
    'expected a number from 1 to 32',
    ['compress', model, ...data, '--bits', '99', '--out', at('x')],
  ],
  ['two budgets', 2, 'one of them', ['plan', model, ...data, '--bits', '4', '--bytes', '100000']],
  ['no budget', 2, 'one of them', ['plan', model, ...data]],
  ['a range that is none', 2, 'expected a range such as 2..8', ['front', model, ...data, '--bits', '8..2']],
  ['an unknown score', 2, 'There is no method "magic" of this kind', ['score', model, '--method', 'magic']],
  [
    'an unknown format',
    2,
    'There is no export method "tar"',
    ['compress', model, ...data, '--bits', '4', '--format', 'tar', '--out', at('x')],
  ],
  ['an unknown device', 2, 'Allowed choices are cpu', ['inspect', model, '--device', 'abacus']],
  ['a missing model', 1, 'no such file or folder', ['inspect', at('nothing.onnx')]],
  [
    'options before the verb',
    1,
    'no such file or folder',
    ['--device', 'cpu', '--quiet', 'inspect', at('nothing.onnx')],
  ],
  ['a wrong option before the verb', 2, 'Allowed choices are cpu', ['--device', 'abacus', 'inspect', model]],
  ['a missing model to evaluate', 1, 'no such file or folder', ['evaluate', at('nothing.onnx'), ...data]],
  ['missing data', 1, 'no such file or folder', ['evaluate', model, '--data', at('nothing.yaml')]],
  [
    'missing data of a score',
    1,
    'no such file or folder',
    ['score', model, '--method', 'lim', '--data', at('nothing.yaml')],
  ],
  ['data for another network', 1, 'images cannot be fed', ['evaluate', sample('language'), ...data]],
  ['a missing recipe', 1, 'there is no such file', ['run', model, '--recipe', at('none.json'), '--out', at('x')]],
  ['a recipe that is none', 1, 'not JSON', ['run', model, '--recipe', at('not.json'), '--out', at('x')]],
  ['a recipe from tomorrow', 1, 'version 2', ['run', model, '--recipe', at('newer.json'), '--out', at('x')]],
  [
    'a target that is taken',
    1,
    'already exists',
    ['compress', model, ...data, '--bits', '4', '--out', at('taken.onnx')],
  ],
  ['a recipe over the model', 1, 'never written to', ['plan', model, ...data, '--bits', '4', '--out', model]],
  ['a page in no folder', 1, 'there is no folder', ['front', model, ...data, '--html', at('nowhere', 'front.html')]],
  ['a folder that is no project', 1, 'is not a Lathe project', ['project', 'show', at('model')]],
]

// Two at a time: each is a process that mostly waits for its start.
const answers = new Map<string, Answer>()
beforeAll(async () => {
  const queue = [...cases]
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [name, , , args] = next
      answers.set(name, await lathe(home, ...args, '--json'))
    }
  }
  await Promise.all([work(), work()])
}, 120_000)

test.each(cases)('%s: exit code %i', (name, code, words) => {
  const answer = answers.get(name)
  expect({ code: answer?.code, stderr: answer?.stderr }).toEqual({ code, stderr: expect.stringContaining(words) })
  const document = JSON.parse(answer?.stdout ?? '') as { fault: { code: string; message: string } }
  expect(Object.keys(document)).toEqual(['fault'])
  expect(document.fault.message).toContain(words)
  expect(document.fault.code === 'bad-arguments').toBe(code === 2)
  expect(answer?.stderr).not.toMatch(/^\s+at /m) // no stack trace
})

test('none of them left a project, a file, or a changed model', () => {
  const scratch = join(home, 'scratch')
  expect(existsSync(scratch) ? readdirSync(scratch) : []).toEqual([])
  expect(readdirSync(base).sort()).toEqual(['home', 'model', 'newer.json', 'not.json', 'taken.onnx'])
  expect(readFileSync(model).equals(readFileSync(visionModel))).toBe(true)
  expect(readFileSync(at('taken.onnx'), 'utf8')).toBe('mine')
})

test('a quantizer that the format cannot hold is refused, not replaced', async () => {
  const asked = ['--bits', '3', '--uniform', '--quantizer', 'pvq']
  const answer = await lathe(home, 'plan', model, ...data, ...asked)
  expect(answer).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no place for what pvq makes') })
  expect(answer.stderr).toMatch(/another --quantizer, or a --format/)
})

test('help is asked for on standard output, and told on standard error where a verb is missing', async () => {
  const [bare, help, version] = await Promise.all([lathe(home), lathe(home, '--help'), lathe(home, '--version')])
  expect(bare).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage: lathe') })
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: lathe'), stderr: '' })
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' })
})
