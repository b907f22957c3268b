import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { FaultShape } from '../../src-preload/contract/fault.ts'
import type { Result } from '../../src-preload/contract/channels.ts'
import type { LayerSummary } from '../../src-preload/contract/model.ts'
import type { Project } from '../../src-preload/contract/project.ts'
import type { Front } from '../../src-preload/contract/results.ts'

export type LayerOptions = Result<'option.list'>[number]

/** What is read anew, each by itself, whenever the project changed. */
export type Read = 'options' | 'front'
const noFaults: Readonly<Record<Read, FaultShape | null>> = { options: null, front: null }

/** The open project as the last snapshot showed it, and what was asked about it since. */
export const useProject = defineStore('project', () => {
  const project = shallowRef<Project | null>(null)
  const options = shallowRef<LayerOptions[] | null>(null)
  const front = shallowRef<Front | null>(null)
  /** Why options or front could not be read: what is known of them is from before. */
  const faults = shallowRef(noFaults)
  const layer = ref<string | null>(null)
  /** The options are those of another quantizer, until they were asked for again. */
  const areOptionsOld = ref(false)

  const layers = computed(() => project.value?.checkpoint.layers ?? [])
  const byName = computed(() => new Map<string, LayerSummary>(layers.value.map((row) => [row.name, row])))
  const chosenLayer = computed(() => (layer.value === null ? null : (byName.value.get(layer.value) ?? null)))
  const optionsByName = computed(() => new Map((options.value ?? []).map((row) => [row.name, row.options])))

  const optionIndex = computed(
    () => new Map((options.value ?? []).map((row) => [row.name, new Map(row.options.map((one) => [one.id, one]))])),
  )
  const optionById = (name: string, id: string) => optionIndex.value.get(name)?.get(id)

  /** Changes whenever predictions or measurements may have: a reason to ask for options and the front again. */
  const revision = computed(() => {
    const now = project.value
    if (!now) return ''
    const { sensitivity } = now
    const variants = now.variants.map((v) => `${v.id}:${v.name}:${v.pinned}`).join()
    return [
      now.folder,
      now.format ?? '',
      JSON.stringify(now.methods),
      now.data?.fingerprint ?? '',
      sensitivity.measured,
      sensitivity.source,
      variants,
      now.evaluations.length,
    ].join('|')
  })

  /** A snapshot of another folder is another project: nothing of the old one stays. */
  function open(next: Project): void {
    if (next.folder !== project.value?.folder) {
      options.value = null
      front.value = null
      faults.value = noFaults
      layer.value =
        next.checkpoint.layers.find((row) => row.compressible)?.name ?? next.checkpoint.layers[0]?.name ?? null
    }
    project.value = next
  }
  function refresh(next: Project): void {
    if (next.folder !== project.value?.folder) return
    if (next.format !== project.value.format) options.value = front.value = null
    if (JSON.stringify(next.methods) !== JSON.stringify(project.value.methods)) areOptionsOld.value = true
    project.value = next
  }
  function close(): void {
    project.value = null
    options.value = null
    front.value = null
    faults.value = noFaults
    layer.value = null
  }

  const setFault = (read: Read, fault: FaultShape | null): void =>
    void (faults.value = { ...faults.value, [read]: fault })

  return {
    project,
    options,
    front,
    faults,
    layer,
    areOptionsOld,
    layers,
    byName,
    chosenLayer,
    optionsByName,
    optionById,
    revision,
    open,
    refresh,
    close,
    setOptions(next: LayerOptions[]) {
      options.value = next
      areOptionsOld.value = false
      setFault('options', null)
    },
    setFront(next: Front) {
      front.value = next
      setFault('front', null)
    },
    setFault,
    chooseLayer: (name: string) => void (layer.value = name),
  }
})
