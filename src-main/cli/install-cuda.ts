import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Fault } from '../../src-preload/contract/fault.ts'

/** Runs ONNX Runtime's own installer for its CUDA parts, which plain `npm ci` leaves out on purpose (ignore-scripts). */
export async function installCuda(say: (words: string) => void): Promise<void> {
  const platform = `${process.platform}-${process.arch}`
  if (platform !== 'linux-x64')
    throw new Fault('unsupported', `ONNX Runtime has no CUDA parts to install on ${platform}.`, {
      hint: 'CUDA needs Linux on x64.',
    })
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  say('Fetching the CUDA parts of ONNX Runtime (some hundred megabytes) …')
  const child = spawn(process.execPath, [join(root, 'script', 'install.js'), '--onnxruntime-node-install=cuda12'], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
  })
  const code = await new Promise<number | null>((done, failed) => child.once('exit', done).once('error', failed))
  if (code !== 0)
    throw new Fault('not-found', 'The CUDA parts could not be fetched.', {
      hint: 'This step needs the network once; everything else in Lathe works without it.',
    })
  say('Installed. `lathe doctor` now lists CUDA when the driver is there.')
}
