// Spawns the real command line and waits for it.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const main = resolve('src-main/cli/main.ts')
export const sample = (name: 'vision' | 'language', ...parts: string[]) => resolve('resources/samples', name, ...parts)
export const visionModel = sample('vision', 'model.onnx')

export interface Answer {
  code: number | null
  stdout: string
  stderr: string
}

/** A document as scripts read it; what is not there reads as undefined. */
export interface Json {
  [key: string]: Json
}

export function start(args: readonly string[], home: string): { child: ChildProcess; answer: Promise<Answer> } {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LATHE_HOME: home, NO_COLOR: '1' },
  })
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const answer = new Promise<Answer>((done, failed) =>
    child.once('error', failed).once('close', (code) => done({ code, stdout, stderr })),
  )
  return { child, answer }
}

export const lathe = (home: string, ...args: string[]): Promise<Answer> => start(args, home).answer

/** The one document a verb printed; fails with its words where it did not end with `code`. */
export async function latheJson(home: string, code: number, ...args: string[]): Promise<Json> {
  const answer = await lathe(home, ...args, '--json')
  if (answer.code !== code) throw new Error(`exit code ${answer.code}: ${answer.stderr}${answer.stdout}`)
  return JSON.parse(answer.stdout) as Json
}

/** Keys the README promises for a verb: top level, and inside `name: {…}` or `name: [{…}]`. */
export function documented(verb: string): { keys: string[]; inside: Map<string, string[]> } {
  const rows = readFileSync('README.md', 'utf8').split('\n')
  const row = rows.find(
    (line) => line.startsWith('|') && (line.split('|')[1] ?? '').split(',').some((cell) => cell.trim() === verb),
  )
  const inside = new Map<string, string[]>()
  const keys: string[] = []
  for (const [, chunk = ''] of (row ?? '').matchAll(/`([^`]+)`/g)) {
    const nested = /^(\w+): \[?\{(.+?)\}\]?(.*)$/.exec(chunk)
    const words = (text: string) => text.split(/\s+/).filter((word) => /^\w+$/.test(word))
    if (!nested) {
      keys.push(...words(chunk))
      continue
    }
    keys.push(nested[1] ?? '', ...words(nested[3] ?? ''))
    inside.set(nested[1] ?? '', words(nested[2] ?? ''))
  }
  return { keys, inside }
}
