import { ipcMain, type IpcMainInvokeEvent } from 'electron'
import type { Dispatch } from '../../src-preload/contract/server.ts'
import { isPage, type Page } from './page.ts'

/** Whether a call comes from our page itself: its main frame, at its exact address; never a frame inside it or a stranger. */
export function isOwnCall(event: Pick<IpcMainInvokeEvent, 'sender' | 'senderFrame'>, page: Page): boolean {
  const frame = event.senderFrame
  return frame !== null && frame === event.sender.mainFrame && isPage(page, frame.url)
}

/** The one way from the window into Lathe. */
export function bindCalls(dispatch: Dispatch, page: Page): void {
  ipcMain.handle('lathe:invoke', (event, channel: unknown, args: unknown) =>
    dispatch(channel, args, { door: 'electron', trusted: isOwnCall(event, page) }),
  )
}
