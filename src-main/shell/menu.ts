import type { MenuItemConstructorOptions } from 'electron'

export interface MenuActions {
  openCheckpoint(): void
  openProject(): void
  convert(): void
  openLink(address: string): void
  about(): void
}

const separator: MenuItemConstructorOptions = { type: 'separator' }

export const helpLinks = [
  { label: 'ONNX Operators', address: 'https://onnx.ai/onnx/operators/' },
  { label: 'ONNX Runtime Documentation', address: 'https://onnxruntime.ai/docs/' },
]

/** The menu as data: roles where the system knows the item, so that it words and places it itself. */
export function menuTemplate(
  platform: NodeJS.Platform,
  isPackaged: boolean,
  actions: MenuActions,
): MenuItemConstructorOptions[] {
  const isMac = platform === 'darwin'
  const about: MenuItemConstructorOptions = { label: 'About Lathe', click: actions.about }
  const appMenu: MenuItemConstructorOptions = {
    label: 'Lathe',
    submenu: [
      about,
      separator,
      { role: 'services' },
      separator,
      { role: 'hide' },
      { role: 'hideOthers' },
      { role: 'unhide' },
      separator,
      { role: 'quit' },
    ],
  }
  const developer: MenuItemConstructorOptions[] = isPackaged
    ? []
    : [separator, { role: 'reload' }, { role: 'forceReload' }, { role: 'toggleDevTools' }]
  return [
    ...(isMac ? [appMenu] : []),
    {
      label: '&File',
      submenu: [
        { label: 'Open Checkpoint…', accelerator: 'CmdOrCtrl+O', click: actions.openCheckpoint },
        { label: 'Open Project…', accelerator: 'CmdOrCtrl+Shift+O', click: actions.openProject },
        { label: 'Convert Checkpoint…', accelerator: 'CmdOrCtrl+Shift+E', click: actions.convert },
        separator,
        { role: isMac ? 'close' : 'quit' },
      ],
    },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        separator,
        { role: 'togglefullscreen' },
        ...developer,
      ],
    },
    { role: 'windowMenu' },
    {
      role: 'help',
      submenu: [
        ...helpLinks.map(({ label, address }) => ({ label, click: () => actions.openLink(address) })),
        ...(isMac ? [] : [separator, about]),
      ],
    },
  ]
}
