import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { file, lfsPointer, type Make } from './make.ts'

/** What a pickle would leave behind if anything ever ran it. */
export const canary = join(tmpdir(), 'lathe-canary')
const command = `touch ${canary}`
const pickle = Buffer.from(
  `\x80\x02cposix\nsystem\nq\x00X${String.fromCharCode(command.length)}\0\0\0${command}q\x01\x85q\x02Rq\x03.`,
  'latin1',
)

/** Files of other formats, under their own and under borrowed names: told apart by content. */
export const foreignCases: Record<string, Make> = {
  'PK01-pickle-system': file('pytorch_model.bin', pickle),
  'PK04-pickle-as-onnx': file('model.onnx', pickle),
  'PK04-pickle-text': file('model.bin', "cos\nsystem\n(S'true'\ntR."),
  'PK09-legacy-torch': file('model.th', Buffer.from('80028a0a6cfc9c46f9206aa850192e8002', 'hex')),
  'PK09-torch-zip': file('model.pt', Buffer.from('PK\x03\x04\0\0\0\0archive/data.pkl', 'latin1')),
  'PK10-tar': file('model.pt', () => {
    const bytes = Buffer.alloc(1024)
    bytes.write('ustar', 257, 'latin1')
    return bytes
  }),
  'OX24-zip-as-onnx': file('model.onnx', Buffer.from('PK\x03\x04\0\0\0\0x', 'latin1')),
  'OX24-ort-as-onnx': file('model.onnx', Buffer.from('\x20\0\0\0ORTM\0\0\0\0', 'latin1')),
  'OX24-tflite': file('model.tflite', Buffer.from('\x20\0\0\0TFL3\0\0\0\0', 'latin1')),
  'OX24-hdf5': file('model.h5', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')),
  'OX24-numpy': file('images.npy', Buffer.from('\x93NUMPY\x01\0', 'latin1')),
  'OX24-gzip': file('model.onnx.gz', Buffer.from('1f8b0800000000000003', 'hex')),
  'OX24-lfs-pointer': file('model.onnx', lfsPointer),
  'OX08-pipe': (folder) => {
    const path = join(folder, 'model.onnx')
    execFileSync('mkfifo', [path])
    return path
  },
}
