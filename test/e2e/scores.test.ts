import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, type House, isBuilt, openHouse, photograph } from './house.ts'
import { noJobs } from './steps.ts'

// The Scores screen on the vision sample, in a real browser, with the real engine behind it.
describe.skipIf(!hasChromium || !isBuilt)('scores, end to end', () => {
  let house: House
  beforeAll(async () => {
    house = await openHouse()
  })
  afterAll(() => house.close())

  const photo = async (name: string) => expect(await photograph(house.page, name), 'wider than the window').toEqual([])
  const view = async (name: string) => house.page.getByText(name, { exact: true }).first().click()

  test('every score is explained, and all that fit are measured in one job', async () => {
    const { page } = house
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.getByRole('button', { name: /Image classifier/ }).click()
    await page.getByRole('grid', { name: 'Layers' }).waitFor()
    await page.keyboard.press('s')
    await page.getByRole('heading', { level: 1, name: 'Scores' }).waitFor()
    await view('Ranks')
    await page.getByText('No score measured yet').waitFor()
    await photo('8-scores-empty')
    await view('Choose')
    await photo('8-scores-choose')
    await page.getByRole('button', { name: /^Measure \d+$/ }).click()
    await page.getByText('Stop; keep what is there').waitFor()
    await photo('8-scores-measuring')
    await noJobs(page)
    await page.getByText(/^\d+ measured$/).waitFor()
    expect(await page.getByText(/Measured (on|from)/).count()).toBeGreaterThan(3)
    await photo('8-scores-chosen')
  })

  test('the map of ranks sorts, and the keyboard leads to the X-ray of a layer', async () => {
    const { page } = house
    await page.keyboard.press('3')
    await page.getByRole('button', { name: 'Measure sensitivity' }).click()
    await page.getByText('Everything is measured').waitFor({ timeout: 240_000 })
    await page.keyboard.press('s')
    await view('Ranks')
    const head = page.getByRole('columnheader')
    expect(await head.count()).toBeGreaterThan(3)
    await head.nth(1).getByRole('button').click()
    expect(await head.nth(1).getAttribute('aria-sort')).toBe('descending')
    await page.getByLabel(/^Rank rows/).focus()
    await page.keyboard.press('Home')
    await page.keyboard.press('ArrowDown')
    await photo('8-scores-ranks')
    await page.keyboard.press('Enter')
    await page
      .getByText(/of the energy in/)
      .first()
      .waitFor({ timeout: 60_000 })
    await page.getByText(/bits of entropy on average/).waitFor()
    await photo('8-scores-xray')
    await page.locator('.screen').evaluate((screen) => screen.scrollTo(0, screen.scrollHeight))
    await photo('8-scores-xray-below')
  })

  test('scores are held against each other and against what was measured', async () => {
    const { page } = house
    await view('Agreement')
    await page.locator('.plot canvas').first().waitFor()
    const rho = await page.locator('[data-test="rho"]').textContent()
    expect(Number(rho?.replace('−', '-'))).toBeGreaterThanOrEqual(-1)
    await photo('8-scores-agreement')
    await view('Details')
    await page.getByLabel('Values; arrow keys move').waitFor()
    await photo('8-scores-details')
  })

  test('plans by score are judged at once, and run when asked', async () => {
    const { page } = house
    await view('Plans')
    await page.getByText('Measured losses themselves').waitFor({ timeout: 60_000 })
    await photo('8-scores-plans')
    for (const bits of ['2.5', '3.5', '4']) await page.getByRole('button', { name: bits, exact: true }).click()
    await page
      .getByRole('row', { name: /\(LIM\)/ })
      .getByRole('checkbox')
      .check()
    await page.getByRole('button', { name: /^Run and measure \d+ plan/ }).click()
    await noJobs(page)
    await page.getByText('1/1').first().waitFor({ timeout: 60_000 })
    await photo('8-scores-plans-measured')
  })

  test('the page complained about nothing', () => {
    expect(house.complaints).toEqual([])
  })
})
