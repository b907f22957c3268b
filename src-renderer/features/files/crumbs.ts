export interface Crumb {
  title: string
  path: string
}

/** The folders from the root to this one, for either kind of path. */
export function crumbs(folder: string): Crumb[] {
  const isWindows = /^[a-z]:[\\/]/i.test(folder)
  const slash = isWindows ? '\\' : '/'
  const parts = folder.split(/[\\/]/).filter(Boolean)
  const root: Crumb[] = isWindows ? [] : [{ title: '/', path: '/' }]
  return [
    ...root,
    ...parts.map((title, i) => {
      const path = parts.slice(0, i + 1).join(slash)
      return { title, path: isWindows ? (i === 0 ? `${path}\\` : path) : `/${path}` }
    }),
  ]
}

/** `folder/name` with the folder's own kind of slash. */
export function join(folder: string, name: string): string {
  const slash = folder.includes('\\') ? '\\' : '/'
  return folder.endsWith(slash) ? folder + name : folder + slash + name
}
