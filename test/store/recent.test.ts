import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { defaultHome } from '../../src-main/store/home.ts'
import { forgetProject, recentProjects, rememberProject } from '../../src-main/store/recent.ts'
import { makeProject, temporaryFolder } from './fixtures/project.ts'

const remember = (home: string, folder: string): void =>
  rememberProject(home, { folder, name: 'tiny', checkpoint: '/models/tiny.onnx' })

test('newest first, forgotten on demand, and it is seen when a project is gone', () => {
  const home = temporaryFolder()
  expect(recentProjects(home)).toEqual([])
  expect(readdirSync(home)).toEqual([]) // looking makes nothing
  const [one, two] = [makeProject(), makeProject()]
  for (const folder of [one, two, one]) remember(home, folder)
  expect(recentProjects(home).map(({ folder, exists }) => [folder, exists])).toEqual([
    [one, true],
    [two, true],
  ])
  rmSync(one, { recursive: true })
  expect(recentProjects(home)[0]).toMatchObject({ folder: one, exists: false })
  forgetProject(home, { folder: one })
  expect(recentProjects(home).map(({ folder }) => folder)).toEqual([two])
})

test('the list does not grow for ever', () => {
  const home = temporaryFolder()
  for (let index = 0; index < 55; index += 1) remember(home, `/projects/${index}`)
  const found = recentProjects(home)
  expect(found).toHaveLength(50)
  expect(found[0]?.folder).toBe('/projects/54')
})

test('a damaged list is put aside and begun anew', () => {
  const home = temporaryFolder()
  writeFileSync(join(home, 'recent.sqlite'), 'garbage '.repeat(2_000))
  remember(home, '/projects/a')
  expect(recentProjects(home).map(({ folder }) => folder)).toEqual(['/projects/a'])
  expect(readdirSync(home)).toContain('recent.sqlite.damaged')
})

test('home: LATHE_HOME first, else the platform’s place', () => {
  expect(defaultHome({ LATHE_HOME: '/here' }, 'linux')).toBe('/here')
  expect(defaultHome({ XDG_DATA_HOME: '/data' }, 'linux')).toBe('/data/lathe')
  expect(defaultHome({}, 'linux')).toMatch(/\.local\/share\/lathe$/)
  expect(defaultHome({}, 'darwin')).toMatch(/Application Support\/lathe$/)
  expect(defaultHome({ LOCALAPPDATA: '/local' }, 'win32')).toBe('/local/lathe')
})
