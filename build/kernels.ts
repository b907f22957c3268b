// Compiles the WebAssembly kernels: every src-main/engine/kernels/assembly/*.ts to out/kernels/<name>.wasm, and the files
// of the pool's worker to plain JavaScript beside them, so that one worker serves the sources and the bundle. Skipped while
// a hash over sources, compiler version and options matches what stands there; exits with 1 and the compiler's words otherwise.
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const kernels = join(root, 'src-main', 'engine', 'kernels')
const outFolder = join(root, 'out', 'kernels')
const stampFile = join(outFolder, 'stamp.json')
const options = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--enable', 'relaxed-simd']

const sources = globSync('assembly/**/*.ts', { cwd: kernels }).sort()
const entries = sources.filter((source) => source.split(/[\\/]/).length === 2)
const threadFiles = [
  'worker',
  'chunks',
  'search',
  'block-job',
  'block-feedback-job',
  'codebook-job',
  'columns-job',
  'levels-job',
  'grids-job',
  'arena',
  'vectors-job',
  'sparse-columns-job',
]
// Threads of other parts, which have no kernels.
const otherThreadFiles = ['export/gguf/writer-thread']
const threadPaths = [
  ...threadFiles.map((name) => join(kernels, `${name}.ts`)),
  ...otherThreadFiles.map((name) => join(kernels, '..', `${name}.ts`)),
]
const threadSources = threadPaths.map((path) => readFileSync(path, 'utf8'))
const threadNames = threadPaths.map((path) => basename(path, '.ts'))

const compilerVersion = readFileSync(join(root, 'node_modules', 'assemblyscript', 'package.json'), 'utf8')
const stamp = createHash('sha256').update(JSON.stringify([options, compilerVersion, threadSources]))
for (const source of sources) stamp.update(`${source}\0`).update(readFileSync(join(kernels, source)))
const wanted = stamp.digest('hex')

const wasmFiles = entries.map((entry) => `${basename(entry, '.ts')}.wasm`)
const outputs = [...wasmFiles, ...threadNames.map((name) => `${name}.mjs`)]
const standing = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : ''
if (standing !== wanted || !outputs.every((name) => existsSync(join(outFolder, name)))) await compile()

async function compile(): Promise<void> {
  process.removeAllListeners('warning') // stripTypeScriptTypes calls itself experimental on standard error
  const began = performance.now()
  mkdirSync(outFolder, { recursive: true })
  const { default: asc } = await import('assemblyscript/asc')
  for (const entry of entries) {
    const target = join(outFolder, `${basename(entry, '.ts')}.wasm`)
    const { error, stderr } = await asc.main([entry, '-o', basename(target), ...options], {
      readFile: (name, folder) => readIfThere(resolve(kernels, folder, name)),
      writeFile: (name, contents) => replace(join(outFolder, name), contents),
      listFiles: () => [],
    })
    if (error !== null || !existsSync(target)) {
      process.stderr.write(
        `${stderr.toString()}\nkernels: ${entry} did not compile: ${error?.message ?? 'no output'}\n`,
      )
      process.exit(1)
    }
  }
  threadSources.forEach((source, i) => {
    const script = stripTypeScriptTypes(source).replaceAll(/from '\.\/([\w-]+)\.ts'/g, "from './$1.mjs'")
    replace(join(outFolder, `${threadNames[i]}.mjs`), script)
  })
  replace(stampFile, wanted)
  process.stderr.write(`kernels: ${entries.length} compiled in ${((performance.now() - began) / 1000).toFixed(1)} s\n`)
}

function readIfThere(path: string): string | null {
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}

/** Whole or not at all, also when two builds run at once. */
function replace(path: string, contents: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, contents)
  renameSync(temporary, path)
}
