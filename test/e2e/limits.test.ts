import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, type House, isBuilt, openHouse, photograph, screenshotFolder } from './house.ts'

// What a new user runs into before anything is measured: limits that cannot hold together, and documents of the front.
describe.skipIf(!hasChromium || !isBuilt)('limits and documents, end to end', () => {
  let house: House
  beforeAll(async () => {
    house = await openHouse()
  })
  afterAll(() => house.close())

  test('limits that contradict each other are named with the plans nearest to them, in words, and undone', async () => {
    const { page } = house
    await page.getByRole('button', { name: /Image classifier/ }).click()
    await page.getByRole('grid', { name: 'Layers' }).waitFor()
    await page.keyboard.press('4')
    await page.locator('[data-test="loss"]').waitFor()
    await page.getByRole('button', { name: 'Constraints…' }).click()
    const group = page.getByRole('combobox', { name: 'Layers that get the same option' })
    await group.click()
    await page.getByRole('option').first().click()
    expect(await group.textContent()).toContain('Add a group…')
    const loss = page.getByRole('textbox', { name: 'Most predicted loss' })
    await loss.fill('little')
    await page.keyboard.press('Enter')
    await page.getByText('A number above 0').waitFor()
    await loss.fill('0,0000001')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Done' }).click()
    const fault = page.getByRole('alert')
    await fault.waitFor()
    expect(await fault.textContent()).toMatch(/Nearest.*kB, predicted loss .* nats; or /)
    expect(await fault.textContent()).not.toMatch(/[{[]/)
    expect(await page.getByRole('button', { name: 'Run this plan' }).isDisabled()).toBe(true)
    expect(await photograph(page, '4-plan-contradiction'), 'wider than the window').toEqual([])
    await page.locator('main').focus()
    for (let i = 0; i < 2; i++) await page.keyboard.press('Control+z')
    await fault.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Constraints…' }).waitFor()
  })

  test('the front is saved as often as one likes; its report needs no network and prints whole', async () => {
    const { page } = house
    await page.keyboard.press('6')
    await page.locator('.plot canvas').waitFor()
    const save = async (name: RegExp) => {
      await page.getByRole('combobox', { name: 'Save the front as' }).click()
      const download = page.waitForEvent('download')
      await page.getByRole('option', { name }).click()
      return readFileSync(await (await download).path())
    }
    for (let i = 0; i < 2; i++) expect((await save(/PNG/)).toString('latin1', 1, 4)).toBe('PNG')
    const file = join(screenshotFolder, 'report.html')
    writeFileSync(file, await save(/HTML/))
    const context = await house.browser.newContext({ offline: true, colorScheme: 'dark' })
    const report = await context.newPage()
    const asked: string[] = []
    report.on('request', (request) => asked.push(request.url()))
    await report.goto(`file://${file}`)
    const paper = () => report.evaluate(() => getComputedStyle(document.body).backgroundColor)
    expect(await paper()).not.toBe('rgb(255, 255, 255)')
    await report.emulateMedia({ media: 'print' })
    await report.setViewportSize({ width: 700, height: 990 }) // A4 within its margins
    expect(await paper()).toBe('rgb(255, 255, 255)')
    const cut = () => [...document.querySelectorAll('table')].filter((each) => each.scrollWidth > innerWidth).length
    expect(await report.evaluate(cut)).toBe(0)
    expect(asked.filter((url) => !url.startsWith('file:'))).toEqual([])
    await context.close()
  })

  test('the page complained about nothing', () => {
    expect(house.complaints).toEqual([])
  })
})
