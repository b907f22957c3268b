import { computed, ref, shallowRef } from 'vue'
import type { Result } from '../../../src-preload/contract/channels.ts'
import { type FaultShape, toFault } from '../../../src-preload/contract/fault.ts'
import { useLathe } from '../../api/lathe.ts'
import type { Purpose } from '../../stores/chooser.ts'

type Listing = Result<'files.list'>
export type Entry = Listing['entries'][number]

const tellingFiles: Partial<Record<Purpose, RegExp>> = {
  checkpoint: /^(config\.json|model\.safetensors|model\.onnx|pytorch_model\.bin)$/,
  data: /^data\.yaml$|\.(jpe?g|png)$/i,
}

/** What the chooser shows: one folder's entries, narrowed by what was typed. */
export function useListing(purpose: () => Purpose) {
  const { client } = useLathe()
  const listing = shallowRef<Listing | null>(null)
  const fault = shallowRef<FaultShape | null>(null)
  const isBusy = ref(false)
  const filter = ref('')
  let newest = 0

  const picksFolders = computed(() => purpose() !== 'checkpoint' && purpose() !== 'data')
  /** The folder shown is itself what was asked for: a model's folder, one with a data description, or one of images. */
  const isWhole = computed(() => {
    const telling = tellingFiles[purpose()]
    return (listing.value?.entries ?? []).some(({ kind, name }) => kind === 'file' && telling?.test(name))
  })
  const entries = computed(() => {
    const needle = filter.value.trim().toLowerCase()
    return (listing.value?.entries ?? []).filter(
      (entry) =>
        (!picksFolders.value || entry.kind === 'folder') && (!needle || entry.name.toLowerCase().includes(needle)),
    )
  })

  /** Null is the home folder. False when it could not be listed; the old listing stays. */
  async function visit(folder: string | null): Promise<boolean> {
    const mine = ++newest
    isBusy.value = true
    fault.value = null
    try {
      const next = await client.call('files.list', { folder, purpose: purpose() })
      if (mine !== newest) return false
      listing.value = next
      filter.value = ''
      return true
    } catch (error) {
      if (mine === newest) fault.value = toFault(error).toShape()
      return false
    } finally {
      if (mine === newest) isBusy.value = false
    }
  }
  return { listing, entries, fault, isBusy, filter, picksFolders, isWhole, visit }
}
