import { contextBridge, ipcRenderer, webUtils, type IpcRendererEvent } from 'electron'

// The contract's names, written in by the build: the schemas themselves have no place here.
declare const LATHE_CHANNELS: readonly string[]
declare const LATHE_EVENTS: readonly string[]

const known = (names: readonly string[], name: string): void => {
  if (!names.includes(name)) throw new Error(`Lathe has no ${JSON.stringify(name)}.`)
}

contextBridge.exposeInMainWorld('lathe', {
  door: 'electron',
  async invoke(channel: string, args: unknown): Promise<unknown> {
    known(LATHE_CHANNELS, channel)
    return ipcRenderer.invoke('lathe:invoke', channel, args)
  },
  subscribe(event: string, listener: (snapshot: unknown) => void): () => void {
    known(LATHE_EVENTS, event)
    const hear = (_event: IpcRendererEvent, name: unknown, snapshot: unknown): void => {
      if (name === event) listener(snapshot)
    }
    ipcRenderer.on('lathe:event', hear)
    return () => void ipcRenderer.off('lathe:event', hear)
  },
  pathOf: (file: File): string => webUtils.getPathForFile(file),
})
