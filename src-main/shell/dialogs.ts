import { dialog, shell, type BrowserWindow, type OpenDialogOptions, type SaveDialogOptions } from 'electron'
import type { Dialogs } from '../app/context.ts'

type Purpose = Parameters<Dialogs['pick']>[0]

const checkpointFilters = [
  { name: 'Checkpoints', extensions: ['onnx', 'safetensors', 'gguf', 'pt', 'pth', 'bin', 'ckpt', 'th'] },
  { name: 'All files', extensions: ['*'] },
]
const dataFilters = [
  { name: 'Data', extensions: ['yaml', 'yml', 'txt', 'npy', 'json'] },
  { name: 'Importance (imatrix)', extensions: ['gguf', 'dat', 'imatrix'] },
  { name: 'All files', extensions: ['*'] },
]

// Only macOS has a dialog that takes a file or a folder; elsewhere both properties together show folders alone.
const fileOrFolder: OpenDialogOptions['properties'] =
  process.platform === 'darwin' ? ['openFile', 'openDirectory'] : ['openFile']

const openOptions: Record<Exclude<Purpose, 'export'>, OpenDialogOptions> = {
  checkpoint: { title: 'Open Checkpoint', properties: fileOrFolder, filters: checkpointFilters },
  data: { title: 'Choose Data', properties: fileOrFolder, filters: dataFilters },
  project: { title: 'Open Project', properties: ['openDirectory'] },
}
const saveOptions: SaveDialogOptions = { title: 'Export To', properties: ['createDirectory'] }

/** The system's own dialogs, attached to the window while there is one. */
export function createDialogs(window: () => BrowserWindow | null): Dialogs {
  return {
    async pick(purpose) {
      const parent = window()
      if (purpose === 'export') {
        const saved = await (parent ? dialog.showSaveDialog(parent, saveOptions) : dialog.showSaveDialog(saveOptions))
        return saved.canceled || !saved.filePath ? null : saved.filePath
      }
      const options = openOptions[purpose]
      const opened = await (parent ? dialog.showOpenDialog(parent, options) : dialog.showOpenDialog(options))
      return opened.canceled ? null : (opened.filePaths[0] ?? null)
    },
    async reveal(path) {
      shell.showItemInFolder(path)
    },
  }
}
