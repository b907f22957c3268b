import { mount } from '@vue/test-utils'
import { nextTick, shallowRef } from 'vue'
import { expect, test } from 'vitest'
import { createClient } from '../../src-preload/contract/client.ts'
import { latheKey } from '../../src-renderer/api/lathe.ts'
import type { Connection } from '../../src-renderer/api/socket.ts'
import ConnectionBanner from '../../src-renderer/features/shell/ConnectionBanner.vue'
import { createDouble } from './helpers/double.ts'

test('a lost connection is said, can be retried, and goes when it is back', async () => {
  const connection = shallowRef<Connection>({ state: 'open' })
  let retries = 0
  const lathe = { client: createClient(createDouble()), connection, retry: () => void retries++, pathOf: null }
  const banner = mount(ConnectionBanner, { global: { provide: { [latheKey as symbol]: lathe } } })
  expect(banner.text()).toBe('')
  connection.value = { state: 'lost', attempt: 1, retryMs: 250 }
  await nextTick()
  expect(banner.text()).toContain('Trying again')
  await banner.find('button').trigger('click')
  expect(retries).toBe(1)
  connection.value = { state: 'lost', attempt: 6, retryMs: 5000 }
  await nextTick()
  expect(banner.text()).toContain('start it again')
  connection.value = { state: 'open' }
  await nextTick()
  expect(banner.text()).toBe('')
})
