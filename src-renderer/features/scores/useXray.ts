import { computed, ref, shallowRef, watch } from 'vue'
import { type FaultShape, toFault } from '../../../src-preload/contract/fault.ts'
import { useLathe } from '../../api/lathe.ts'
import { useProject } from '../../stores/project.ts'
import { useScoresStore } from '../../stores/scores.ts'
import { latest } from '../latest.ts'

/** The X-ray of the chosen layer: asked for when the layer or the data changes, and kept. */
export function useXray() {
  const { client } = useLathe()
  const projects = useProject()
  const store = useScoresStore()
  const fault = shallowRef<FaultShape | null>(null)
  const isBusy = ref(false)
  const key = computed(() => `${projects.project?.data?.fingerprint ?? ''} ${projects.layer ?? ''}`)
  const xray = computed(() => store.xrays.get(key.value) ?? null)

  const load = latest(
    async (question: { project: string; layer: string; key: string }) => {
      const { project, layer } = question
      isBusy.value = true
      const found = await client.call('layer.xray', { project, layer })
      if (projects.project?.folder === project) store.setXray(question.key, found)
      fault.value = null
      isBusy.value = false
    },
    (error) => {
      fault.value = toFault(error).toShape()
      isBusy.value = false
    },
  )
  watch(
    key,
    (now) => {
      fault.value = null
      const [project, layer] = [projects.project?.folder, projects.layer]
      if (project !== undefined && layer !== null && !store.xrays.has(now)) load({ project, layer, key: now })
    },
    { immediate: true },
  )
  return { xray, fault, isBusy }
}
