// The command line as a person and a script use it: real processes on the vision sample, one home for all, in this order.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { documented, type Json, lathe, latheJson, sample, start, visionModel } from './lathe.ts'

const base = mkdtempSync(join(tmpdir(), 'lathe-cli-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const home = join(base, 'home')
const at = (...parts: string[]) => join(base, ...parts)
const data = ['--data', sample('vision')]

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const allNumbers = (metrics: Json) => Object.values(metrics).every((value) => Number.isFinite(value))
const list = (value: Json | undefined) => value as unknown as Json[]
const filesOf = (document: Json) => list(document.files) as unknown as { path: string; bytes: number; sha256: string }[]

/** State of every job the scratch projects of a home remember. */
const jobStates = (folder: string): string[] =>
  existsSync(join(folder, 'scratch'))
    ? readdirSync(join(folder, 'scratch')).flatMap((name) => {
        const path = join(folder, 'scratch', name, 'lathe.sqlite')
        if (!existsSync(path)) return []
        const db = new Database(path, { readonly: true })
        try {
          return db.prepare('SELECT state FROM jobs').pluck().all() as string[]
        } finally {
          db.close()
        }
      })
    : []

describe('verbs, one after the other', () => {
  test('inspect prints exactly the documented keys', async () => {
    const answer = await lathe(home, 'inspect', visionModel, '--json')
    expect(answer).toMatchObject({ code: 0, stderr: '' })
    expect(answer.stdout.endsWith('}\n')).toBe(true)
    const document = JSON.parse(answer.stdout) as Json
    const { keys, inside } = documented('inspect')
    expect(keys.length).toBeGreaterThan(10)
    expect(Object.keys(document).sort()).toEqual([...keys].sort())
    for (const layer of list(document.layers))
      expect(Object.keys(layer).sort()).toEqual([...(inside.get('layers') ?? [])].sort())
    expect(document).toMatchObject({ format: 'onnx', bytes: statSync(visionModel).size })
  })

  test('inspect for people is a table, and a closed pipe is no failure', async () => {
    const { child, answer } = start(['inspect', visionModel], home)
    child.stdout?.destroy()
    expect(await answer).toEqual({ code: 0, stdout: '', stderr: '' })
    const words = await lathe(home, 'inspect', visionModel)
    expect(words.code).toBe(0)
    expect(words.stdout).toContain('stem.weight')
    expect(words.stdout).toContain('16 × 3 × 3 × 3')
  })

  test('evaluate gives plain numbers with their intervals', async () => {
    const answer = await lathe(home, 'evaluate', visionModel, ...data, '--json')
    expect(answer.code).toBe(0)
    expect(answer.stderr).toMatch(/^Measure the original: done in /)
    const document = JSON.parse(answer.stdout) as Json
    const { keys } = documented('evaluate')
    expect(Object.keys(document)).toEqual(expect.arrayContaining(keys))
    expect(document).toMatchObject({
      samples: 800,
      predictions: 800,
      part: 'evaluate',
      bytes: statSync(visionModel).size,
    })
    const metrics = document.metrics as unknown as Record<string, number>
    expect(Object.keys(metrics).sort()).toEqual(['crossEntropy', 'top1', 'top5'])
    for (const [name, [low, high]] of Object.entries(
      document.intervals as unknown as Record<string, [number, number]>,
    )) {
      expect(metrics[name]).toBeGreaterThan(low)
      expect(metrics[name]).toBeLessThan(high)
    }
    expect(metrics.top1).toBeGreaterThan(0.7)
  })

  test.each(['zd', 'lim'])('score %s ranks every block or layer', async (method) => {
    const document = await latheJson(home, 0, 'score', visionModel, ...data, '--method', method)
    expect(Object.keys(document)).toEqual(expect.arrayContaining(documented('score').keys))
    expect(document.method).toBe(method)
    expect(list(document.values).length).toBeGreaterThanOrEqual(6)
    expect(list(document.values).every(({ value }) => Number.isFinite(value))).toBe(true)
  })

  const recipe = at('recipe.json')
  test('plan is cancelled by Ctrl+C, then completes; --out writes the recipe', async () => {
    const args = ['plan', visionModel, ...data, '--bits', '4.5', '--out', recipe, '--json']
    const { child, answer } = start(args, home)
    await vi.waitFor(() => expect(jobStates(home)).toContain('running'), { timeout: 30_000, interval: 50 })
    child.kill('SIGINT')
    const cancelled = await answer
    expect(cancelled.code).toBe(130)
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ fault: { code: 'cancelled' } })
    expect(cancelled.stderr).toContain('cancelled')
    expect(existsSync(recipe)).toBe(false)
    expect(jobStates(home)).toContain('cancelled')
    expect(jobStates(home)).not.toContain('running')

    const again = await lathe(home, ...args)
    expect(again.code).toBe(0)
    const document = JSON.parse(again.stdout) as Json
    const { keys, inside } = documented('plan')
    expect(Object.keys(document).sort()).toEqual([...keys].sort())
    expect(Object.keys(document.predicted ?? {}).sort()).toEqual([...(inside.get('predicted') ?? [])].sort())
    expect(JSON.parse(readFileSync(recipe, 'utf8'))).toEqual(document.recipe)
    expect(document.predicted?.bytes).toBeLessThanOrEqual(Number(document.budgetBytes))
  })

  test('run carries the recipe out; again it is done at once, to the same bytes', async () => {
    const args = ['run', visionModel, ...data, '--recipe', recipe, '--out', at('run')]
    const first = await latheJson(home, 0, ...args)
    const [file] = filesOf(first)
    expect(file?.path).toBe(at('run', 'model.onnx'))
    expect(file?.sha256).toBe(sha256(at('run', 'model.onnx')))

    expect((await latheJson(home, 1, ...args)).fault).toMatchObject({ code: 'conflict' })
    expect(sha256(at('run', 'model.onnx'))).toBe(file?.sha256)

    const again = await lathe(home, ...args, '--overwrite', '--json')
    expect(again.code).toBe(0)
    expect(filesOf(JSON.parse(again.stdout) as Json)).toEqual([file])
    expect(/Compress: done in (\d+) ms/.exec(again.stderr)?.[1]).toBeDefined() // below a second: nothing was made again
  })

  test('compress gives both sides, and files that lie there', async () => {
    const document = await latheJson(home, 0, 'compress', visionModel, ...data, '--bits', '4', '--out', at('four.onnx'))
    expect(Object.keys(document)).toEqual(expect.arrayContaining(documented('compress').keys))
    const { original, variant, plan } = document
    expect(allNumbers(original?.metrics as Json) && allNumbers(variant?.metrics as Json)).toBe(true)
    expect(Number(variant?.metrics?.klDivergence)).toBeGreaterThan(0)
    expect(Number(variant?.bytes)).toBeLessThan(Number(original?.bytes) / 4)
    expect(Math.abs(Number(variant?.bytes) / Number(plan?.predicted?.bytes) - 1)).toBeLessThan(0.02)
    for (const file of filesOf(document)) {
      expect(file.bytes).toBe(statSync(file.path).size)
      expect(file.sha256).toBe(sha256(file.path))
    }

    const judged = await latheJson(home, 0, 'evaluate', at('four.onnx'), ...data, '--against', visionModel)
    expect(judged.metrics?.klDivergence).toBeCloseTo(Number(variant?.metrics?.klDivergence), 6)
    expect(judged.metrics?.top1).toBe(variant?.metrics?.top1)
  })

  test('front measures its points and writes a page', async () => {
    const page = at('front.html')
    const document = await latheJson(home, 0, 'front', visionModel, ...data, '--points', '2', '--html', page)
    expect(Object.keys(document).sort()).toEqual([...documented('front').keys].sort())
    const planned = list(document.measured).filter(({ kind }) => String(kind) === 'planned')
    expect(planned.length).toBeGreaterThanOrEqual(2)
    expect(planned.every(({ metrics }) => allNumbers(metrics as Json))).toBe(true)
    const html = readFileSync(page, 'utf8')
    expect(html).toMatch(/^<!doctype html>/)
    expect(html.match(/<line class="bar/g)?.length).toBe(
      list(document.measured).filter(({ kind }) => String(kind) !== 'original').length,
    )
    expect(readdirSync(base).filter((name) => name.endsWith('.partial'))).toEqual([])
  })

  test('an exported language model is judged against its original as its variant was', async () => {
    const language = sample('language')
    const out = at('language')
    const args = ['--data', language, '--bits', '3', '--uniform', '--out', out]
    const { variant } = await latheJson(home, 0, 'compress', language, ...args)
    const judged = await latheJson(home, 0, 'evaluate', out, '--data', language, '--against', language)
    for (const name of ['klDivergence', 'perplexity', 'agreement']) {
      const [exported, wanted] = [Number(judged.metrics?.[name]), Number(variant?.metrics?.[name])]
      expect(Math.abs(exported / wanted - 1), name).toBeLessThan(1e-3)
    }
    // Compared with another checkpoint or not: two measurements, kept apart.
    expect((await latheJson(home, 0, 'evaluate', out, '--data', language)).metrics?.klDivergence).toBeUndefined()
  })

  test('methods, doctor and projects', async () => {
    const [methods, doctor] = await Promise.all([
      latheJson(home, 0, 'methods'),
      latheJson(home, 0, 'doctor', '--no-measure'),
    ])
    expect((methods as unknown as { id: string }[]).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['lim', 'zd', 'rtn', 'knapsack', 'perplexity', 'onnx']),
    )
    expect(Object.keys(doctor)).toEqual(expect.arrayContaining(documented('doctor').keys))
    expect(doctor).toMatchObject({
      home,
      devices: expect.arrayContaining([expect.objectContaining({ id: 'cpu', gflops: null })]),
    })

    const folder = at('project')
    const made = await latheJson(home, 0, 'project', 'create', visionModel, ...data, '--project', folder)
    expect(made).toMatchObject({ folder, data: { evaluate: 800 } })
    const recent = (await latheJson(home, 0, 'project', 'list')) as unknown as { folder: string }[]
    expect(recent.map((each) => each.folder)).toEqual([folder])
    expect(await latheJson(home, 0, 'project', 'show', folder)).toEqual(made)
    const other = ['evaluate', sample('language'), '--data', sample('language'), '--project', folder]
    expect((await latheJson(home, 2, ...other)).fault?.message).toContain('another checkpoint')
  })
})
