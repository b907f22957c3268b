import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { FaultShape } from '../../src-preload/contract/fault.ts'
import type { CheckpointSummary } from '../../src-preload/contract/model.ts'
import type { Conversion, ConversionPlan } from '../../src-preload/contract/results.ts'
import { useJobs } from './jobs.ts'

export type Values = Record<string, string | number | boolean>
/** What weighs the rounding: nothing, an imatrix file, or data to measure it on. */
export type Weighing = 'none' | 'imatrix' | 'data'

/** The conversion under preparation: kept while the person looks elsewhere. */
export const useConvert = defineStore('convert', () => {
  const source = shallowRef<CheckpointSummary | null>(null)
  const format = ref<string | null>(null)
  const values = shallowRef<Values>({})
  const plan = shallowRef<ConversionPlan | null>(null)
  const planFault = shallowRef<FaultShape | null>(null)
  const weighing = ref<Weighing>('none')
  const weighingPath = ref('')
  const folder = ref('')
  const name = ref('')
  const overwrite = ref(false)
  const jobId = ref<string | null>(null)
  const result = shallowRef<Conversion | null>(null)

  const job = computed(() => useJobs().all.find(({ id }) => id === jobId.value) ?? null)

  function setSource(next: CheckpointSummary): void {
    source.value = next
    plan.value = planFault.value = null
    jobId.value = result.value = null
    weighing.value = 'none'
    weighingPath.value = ''
    overwrite.value = false
  }
  function setFormat(next: string | null): void {
    if (next === format.value) return
    format.value = next
    values.value = {}
    plan.value = null
  }
  function setPlan(next: ConversionPlan | null, fault: FaultShape | null): void {
    plan.value = next
    planFault.value = fault
  }
  function begin(id: string): void {
    jobId.value = id
    result.value = null
  }
  return {
    source,
    format,
    values,
    plan,
    planFault,
    weighing,
    weighingPath,
    folder,
    name,
    overwrite,
    job,
    jobId,
    result,
    setSource,
    setFormat,
    setPlan,
    begin,
    setValues: (next: Values) => void (values.value = next),
    setResult: (next: Conversion) => void (result.value = next),
    again: () => void (jobId.value = result.value = null),
  }
})
