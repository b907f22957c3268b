// Where an export must not go, and disks that are full. Each makes a copy of the vision sample, model.onnx, beside its target.
import { execFileSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CannotMake, type Make, undo } from './make.ts'

const beside =
  (build: (folder: string) => string): Make =>
  (folder) => {
    copyFileSync(resolve('resources/samples/vision/model.onnx'), join(folder, 'model.onnx'))
    return build(folder)
  }

/** A small file system of its own, which only root on Linux may mount. */
const disk = (options: string, build: (folder: string) => string): Make =>
  beside((folder) => {
    const mounted = join(folder, 'disk')
    mkdirSync(mounted)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'lathe-corpus', mounted], { stdio: 'ignore' })
    } catch {
      throw new CannotMake('mounting a small disk needs root on Linux')
    }
    undo.push(() => execFileSync('umount', [mounted]))
    return build(mounted)
  })

export const targetCases: Record<string, Make> = {
  'FS01-good-file': beside((folder) => join(folder, 'small.onnx')),
  'FS01-good-folder': beside((folder) => join(folder, 'out')),
  'FS01-input-itself': beside((folder) => join(folder, 'model.onnx')),
  'FS01-input-by-folder': beside((folder) => folder),
  'FS01-input-by-link': beside((folder) => {
    symlinkSync('.', join(folder, 'same'))
    return join(folder, 'same', 'model.onnx')
  }),
  'FS01-hard-link-to-input': beside((folder) => {
    linkSync(join(folder, 'model.onnx'), join(folder, 'other.onnx'))
    return join(folder, 'other.onnx')
  }),
  'FS01-hard-link': beside((folder) => {
    writeFileSync(join(folder, 'a.txt'), 'mine')
    linkSync(join(folder, 'a.txt'), join(folder, 'b.onnx'))
    return join(folder, 'b.onnx')
  }),
  'FS01-symlink': beside((folder) => {
    writeFileSync(join(folder, 'a.txt'), 'mine')
    symlinkSync('a.txt', join(folder, 'b.onnx'))
    return join(folder, 'b.onnx')
  }),
  'FS01-dangling-symlink': beside((folder) => {
    symlinkSync('nowhere', join(folder, 'b.onnx'))
    return join(folder, 'b.onnx')
  }),
  'FS01-folder-of-that-name': beside((folder) => {
    mkdirSync(join(folder, 'b.onnx'))
    return join(folder, 'b.onnx')
  }),
  'FS01-file-in-the-way': beside((folder) => {
    writeFileSync(join(folder, 'out'), 'mine')
    return join(folder, 'out')
  }),
  'FS01-below-a-file': beside((folder) => join(folder, 'model.onnx', 'sub', 'x.onnx')),
  'FS01-device': beside(() => '/dev/null'),
  'FS01-taken': beside((folder) => {
    writeFileSync(join(folder, 'taken.onnx'), 'mine')
    return join(folder, 'taken.onnx')
  }),
  'FS05-disk-small': disk('size=64k', (mounted) => join(mounted, 'x.onnx')),
  'FS05-disk-small-folder': disk('size=64k', (mounted) => join(mounted, 'out')),
  'FS05-disk-full-of-names': disk('size=16m,nr_inodes=2', (mounted) => join(mounted, 'x.onnx')),
  'FS05-disk-full-while-writing': disk('size=16m,nr_inodes=3', (mounted) => join(mounted, 'x.onnx')),
  'FS05-disk-read-only': disk('size=16m,ro', (mounted) => join(mounted, 'x.onnx')),
}
