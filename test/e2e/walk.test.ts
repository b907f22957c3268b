import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasChromium, type House, isBuilt, openHouse, photograph, screenshotFolder } from './house.ts'
import { dragTimes, focusOrder, noJobs } from './steps.ts'

// One person's way through the window on the vision sample, in a real browser, with the real engine behind it.
describe.skipIf(!hasChromium || !isBuilt)('the window, end to end', () => {
  let house: House
  beforeAll(async () => {
    house = await openHouse()
  })
  afterAll(() => house.close())

  const step = (name: string) => house.page.getByRole('button', { name: new RegExp(`^${name}`) }).first()
  const photo = async (name: string) => expect(await photograph(house.page, name), 'wider than the window').toEqual([])

  test('Home says what can be done, and nothing was opened yet', async () => {
    const { page } = house
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.getByText('Nothing here yet').waitFor()
    expect(await step('Inspect').isDisabled()).toBe(true)
    await photo('1-home')
    const order = await focusOrder(page, 9)
    expect(order[0]).toContain('Skip to the content')
    expect(order[1]).toMatch(/^Home/)
    expect(order.join(' | ')).toContain('Open a checkpoint…')
  })

  test('the chooser lists folders, walks them by keyboard, and shows a fault for what is not there', async () => {
    const { page } = house
    await page.keyboard.press('Control+o')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('listbox', { name: 'Files' }).waitFor()
    await dialog.getByLabel('Path', { exact: true }).fill(join(import.meta.dirname, '../../resources/samples'))
    await page.keyboard.press('Enter')
    await dialog.getByRole('option', { name: /vision/ }).waitFor()
    await photo('1-home-chooser')
    await dialog.getByRole('listbox', { name: 'Files' }).focus()
    await page.keyboard.press('End')
    await page.keyboard.press('ArrowRight')
    await dialog.getByRole('option', { name: /model\.onnx/ }).waitFor()
    await dialog.getByLabel('Path', { exact: true }).fill('/no/such/model.onnx')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').first().waitFor()
    await photo('1-home-fault')
  })

  test('Inspect shows every layer, finds, sorts, and draws the chosen one', async () => {
    const { page } = house
    await page.getByRole('button', { name: /Image classifier/ }).click()
    const rows = page.getByRole('grid', { name: 'Layers' }).getByRole('row')
    await rows.nth(3).waitFor()
    await page.locator('.side canvas').first().waitFor()
    await page.getByRole('button', { name: 'Size', exact: true }).click()
    const sizes = await page.locator('.line .measure .number').allTextContents()
    expect(sizes.length).toBeGreaterThan(3)
    await page.keyboard.press('/')
    await page.keyboard.type('conv')
    await page.getByText(/\d+ layers,/).waitFor()
    await page.getByRole('searchbox').fill('')
    await page.getByLabel('Layer rows; arrow keys move').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    const byWeights = page.locator('.method', { hasText: 'Z-score distribution' })
    await byWeights.getByRole('button', { name: 'Compute' }).click()
    await page.getByRole('button', { name: 'Shown' }).waitFor({ timeout: 60_000 })
    await photo('2-inspect')
  })

  test('the model card tells what the file is made of', async () => {
    const { page } = house
    await page.getByText('Model card', { exact: true }).first().click()
    await page.getByRole('heading', { name: 'What the tensors are for' }).waitFor()
    await page.getByRole('img', { name: /^Block 0 / }).waitFor()
    await photo('2-inspect-card')
    await page.getByText('Layers', { exact: true }).first().click()
  })

  test('Data names both parts, and sensitivity is measured', async () => {
    const { page } = house
    await page.keyboard.press('3')
    await page.getByText('Evaluate: what the result is worth').waitFor()
    await page.getByRole('button', { name: 'Measure sensitivity' }).click()
    await page.getByText('Stop; keep what is measured').waitFor()
    await photo('3-data-measuring')
    await page.getByText('Everything is measured').waitFor({ timeout: 240_000 })
    await photo('3-data')
  })

  test('Plan follows the slider within a few frames, and can be locked and undone', async () => {
    const { page } = house
    await page.keyboard.press('4')
    await page.locator('[data-test="loss"]').waitFor()
    const { medianMs, longestMs, changes } = await dragTimes(page)
    process.stdout.write(
      `slider to paint: median ${medianMs.toFixed(1)} ms, longest ${longestMs.toFixed(1)} ms, ${changes} changes\n`,
    )
    expect(changes).toBeGreaterThan(8)
    expect(medianMs).toBeLessThan(120)
    const loss = () => page.locator('[data-test="loss"]').textContent()
    const dragged = await loss()
    await page.getByLabel('Average bits per weight').fill('4')
    await page.keyboard.press('Enter')
    await expect.poll(loss).not.toBe(dragged)
    const before = await loss()
    await page.getByLabel(/^Layers of the plan/).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowLeft')
    await page.getByText('Locked by you').waitFor()
    await photo('4-plan')
    await page.keyboard.press('Control+z')
    await page.getByText('Chosen by the plan').waitFor()
    await expect.poll(loss).toBe(before)
  })

  test('Plan follows the export format that is planned for', async () => {
    const { page } = house
    const picker = page.getByRole('combobox', { name: 'Plan for' })
    const sizes = () => page.locator('.plan-columns .small.number').allTextContents()
    const packed = await sizes()
    expect(packed.length).toBeGreaterThan(5)
    await picker.click()
    await page.getByRole('option', { name: /^ONNX, unpacked/ }).waitFor()
    await photo('4-plan-formats')
    await page.getByRole('option', { name: /^ONNX, unpacked/ }).click()
    await expect.poll(() => picker.textContent(), { timeout: 30_000 }).toContain('unpacked when loaded')
    await expect.poll(sizes, { timeout: 30_000 }).not.toEqual(packed)
    await picker.click()
    await page.getByRole('option', { name: 'ONNX', exact: true }).click()
    await expect.poll(sizes, { timeout: 30_000 }).toEqual(packed)
  })

  test('how weights are rounded is chosen on Plan, explained, and undone', async () => {
    const { page } = house
    const rounding = () => page.locator('[data-test="rounding"]').textContent()
    const before = await rounding()
    await page.getByRole('button', { name: 'Change…' }).click()
    const dialog = page.getByRole('dialog', { name: 'How weights are rounded' })
    await dialog.getByRole('radio').nth(1).click()
    await dialog.getByText('Formula, cost and source').first().click()
    await photo('4-plan-rounding')
    await dialog.getByRole('button', { name: 'Done' }).click()
    await expect.poll(rounding, { timeout: 30_000 }).not.toBe(before)
    await page.keyboard.press('Control+z')
    await expect.poll(rounding, { timeout: 30_000 }).toBe(before)
    await page.keyboard.press('0')
    await page.getByRole('searchbox').fill('nearest')
    await page.getByRole('heading', { name: 'Round to nearest' }).waitFor()
    await photo('9-methods')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: /^Plan/ }).first().click()
  })

  test('a shoot-out tries quantizers on one layer, draws them and sorts them', async () => {
    const { page } = house
    await page.getByRole('button', { name: 'Shoot-out on this layer' }).click()
    await page.getByText('Nothing tried on this layer yet').waitFor()
    await photo('9-shootout-empty')
    await page.getByRole('button', { name: /^Try \d+ quantizers/ }).click()
    await page.locator('.plot canvas').waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: 'All tried' }).waitFor({ timeout: 240_000 })
    await page.getByText(/[2-9]\d options/).waitFor()
    await page.getByRole('columnheader', { name: 'Output error' }).getByRole('button').click()
    await page.getByLabel('Option rows; arrow keys move').focus()
    await page.keyboard.press('Home')
    await page.getByText(/dB above the error/).waitFor()
    await photo('9-shootout')
    await noJobs(page)
    await page.keyboard.press('4')
  })

  test('Run shows its progress and ends with a measured variant', async () => {
    const { page } = house
    await page.getByRole('button', { name: 'Run this plan' }).click()
    await page.getByRole('heading', { level: 1, name: 'Run' }).waitFor()
    await page.getByRole('article').first().waitFor()
    await photo('5-run')
    await noJobs(page)
    await page.getByText('See the front', { exact: true }).last().waitFor()
    await photo('5-run-done')
  })

  test('Front keeps measured and predicted apart, and measures where it tells most, or evenly', async () => {
    const { page } = house
    await page.keyboard.press('6')
    await page.getByRole('button', { name: 'Measure a front…' }).click()
    await page.getByRole('spinbutton', { name: 'Points' }).fill('3')
    await page
      .getByRole('cell', { name: /nothing is measured near|uncertain|bends/ })
      .first()
      .waitFor()
    await page.getByText(/at the peak/).waitFor()
    await photo('6-front-dialog')
    await page.getByText('Evenly').click()
    await page.getByRole('button', { name: /^Measure \d+ variants/ }).click()
    await noJobs(page)
    await page.keyboard.press('6')
    const measured = page.getByRole('listbox', { name: 'Measured' }).getByRole('option')
    await expect.poll(() => measured.count()).toBeGreaterThan(4)
    await measured.nth(3).click()
    await page.getByRole('button', { name: 'Pin', exact: true }).click()
    await page.getByRole('button', { name: 'Unpin' }).waitFor()
    await measured.nth(4).click()
    await page.locator('.plot canvas').waitFor()
    await photo('6-front')
    await page.getByRole('tab', { name: /Predicted/ }).click()
    await page.getByRole('listbox', { name: 'Predicted' }).getByRole('option').nth(2).click()
    await page.getByRole('button', { name: 'Measure this point' }).click()
    await noJobs(page)
  })

  test('axes are chosen and remembered, other fronts are compared, and the front is saved', async () => {
    const { page } = house
    await page.getByRole('combobox', { name: 'Metric' }).click()
    await page.getByRole('option', { name: 'Top-1 accuracy' }).click()
    await page.getByRole('combobox', { name: 'Horizontal axis' }).click()
    await page.getByRole('option', { name: 'Latency' }).click()
    await photo('6-front-accuracy')
    await page.getByRole('combobox', { name: 'Horizontal axis' }).click()
    await page.getByRole('option', { name: 'File size' }).click()
    await page.getByRole('combobox', { name: 'Metric' }).click()
    await page.getByRole('option', { name: 'KL divergence' }).click()
    await page.getByRole('button', { name: 'Compare with…' }).click()
    const file = join(screenshotFolder, 'other.csv')
    writeFileSync(file, 'label,bytes,klDivergence\nother 4 bits,90000,0.05\nother 3 bits,70000,0.2\n')
    await page.getByLabel(/^A table: CSV or JSON/).fill(file)
    await page.keyboard.press('Enter')
    await page.getByText('2 points').waitFor()
    await photo('6-front-compare')
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('tab', { name: /Others/ }).click()
    for (const [name, begins] of [
      [/^Picture, PNG/, '\x89PNG'],
      [/^Picture, SVG/, '<svg '],
      [/^Table, CSV/, 'source,label'],
      [/^Report, HTML/, '<!doctype html>'],
    ] as const) {
      await page.getByRole('combobox', { name: 'Save the front as' }).click()
      const download = page.waitForEvent('download')
      await page.getByRole('option', { name }).click()
      expect(readFileSync(await (await download).path(), 'latin1').slice(0, begins.length)).toBe(begins)
    }
    await page.locator('.screen').evaluate((screen) => screen.scrollTo(0, screen.scrollHeight))
    await photo('6-front-table')
  })

  test('a measured point is opened as a plan, and undo takes it back', async () => {
    const { page } = house
    await page.getByRole('tab', { name: /Measured/ }).click()
    await page.getByRole('listbox', { name: 'Measured' }).getByRole('option').nth(2).click()
    await page.getByRole('button', { name: 'Open', exact: true }).click()
    await page.getByRole('button', { name: /^Unlock \d+/ }).waitFor()
    await page.keyboard.press('Control+z')
    await page.getByRole('button', { name: /^Unlock \d+/ }).waitFor({ state: 'detached' })
  })

  test('levers are switched on, constraints set, the budget asked for in another way, and all of it undone', async () => {
    const { page } = house
    const sparsity = page.getByRole('switch', { name: 'Sparsity' })
    await sparsity.click()
    await page.getByRole('button', { name: 'Set levers…' }).click()
    await page.getByRole('dialog', { name: 'Levers' }).getByRole('switch').nth(3).click()
    await photo('4-plan-levers')
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('button', { name: 'Constraints…' }).click()
    await page.getByRole('combobox', { name: 'Layers that get the same option' }).click()
    await page.getByRole('option').last().click()
    await photo('4-plan-constraints')
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('button', { name: 'Constraints: 1' }).waitFor()
    await page.getByRole('combobox', { name: 'What the budget is' }).click()
    await photo('4-plan-budgets')
    await page.getByRole('option', { name: /^KL divergence/ }).click()
    await page.getByLabel('Most predicted loss').waitFor()
    await photo('4-plan-four-levers')
    await page.locator('main').focus()
    for (let i = 0; i < 4; i++) await page.keyboard.press('Control+z')
    await expect.poll(() => sparsity.getAttribute('aria-checked')).toBe('false')
    await page.getByRole('button', { name: 'Constraints…' }).waitFor()
    await page.keyboard.press('6')
  })

  test('another allocator chooses, and what loses little enough is found by measuring', async () => {
    const { page } = house
    await page.keyboard.press('4')
    await page.getByRole('combobox', { name: 'What the budget is' }).click()
    await page.getByRole('option', { name: /^Accuracy lost/ }).click()
    await page.getByLabel('Most accuracy lost in per cent').fill('8')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Constraints…' }).click()
    await page.getByRole('combobox', { name: 'Who chooses the plan' }).click()
    await page.getByRole('option', { name: /^Genetic search/ }).click()
    await photo('4-plan-allocator')
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByText('Not proven best: Genetic search').waitFor({ timeout: 30_000 })
    await page.getByText(/At most 10 of 64 plans along the curve/).waitFor()
    await photo('4-plan-floor')
    await page.getByRole('button', { name: 'Find it by measuring' }).click()
    const found = page.getByRole('button', { name: 'See what it found' })
    await found.waitFor({ timeout: 240_000 })
    await photo('5-run-floor')
    await found.click()
    const chosen = page.getByRole('listbox', { name: 'Measured' }).getByRole('option', { selected: true })
    await chosen.waitFor()
    expect(await chosen.textContent()).not.toContain('Original')
    await page.keyboard.press('4')
    await page.locator('main').focus()
    for (let i = 0; i < 3; i++) await page.keyboard.press('Control+z')
    await page.getByText(/^Proven best/).waitFor()
    await page.keyboard.press('6')
  })

  test('Export writes a verified file and guards what stands there', async () => {
    const { page } = house
    await page.getByRole('tab', { name: /Measured/ }).click()
    await page.keyboard.press('7')
    const go = page.getByRole('button', { name: 'Export', exact: true }).last()
    await go.click()
    await page.getByRole('heading', { name: 'Exported' }).waitFor({ timeout: 60_000 })
    expect(await page.getByText(/sha256 [0-9a-f]{64}/).count()).toBeGreaterThan(0)
    await noJobs(page)
    await photo('7-export')
    await go.click()
    await page.getByRole('alert').waitFor()
    await photo('7-export-conflict')
  })

  test('shortcuts, theme switch and recent projects', async () => {
    const { page } = house
    await page.keyboard.press('Escape')
    await page.locator('main').focus()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    const button = page.getByRole('button', { name: /^Theme:/ })
    await button.click()
    await button.click()
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
    await page.reload()
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
    await page
      .locator('header.strip')
      .getByRole('button', { name: /^Checkpoint/ })
      .waitFor() // open again
    await page.keyboard.press('1')
    await page.getByRole('heading', { name: 'Recent projects' }).waitFor()
    await page
      .getByRole('button', { name: /vision|Image/i })
      .first()
      .waitFor()
    await photo('1-home-recent')
  })

  test('the page complained about nothing', () => {
    expect(house.complaints).toEqual([])
  })
})
