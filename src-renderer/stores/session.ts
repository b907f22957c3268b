import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { Result } from '../../src-preload/contract/channels.ts'
import type { MethodSummary } from '../../src-preload/contract/methods.ts'
import type { Device, RecentProject } from '../../src-preload/contract/project.ts'

export const steps = ['home', 'inspect', 'data', 'plan', 'run', 'compare', 'export'] as const
export type ProjectStep = (typeof steps)[number]
/** Beside the steps, in the order of the rail: conversion and the list of methods need no project. */
export const tools = ['scores', 'convert', 'shootout', 'methods'] as const
export type Tool = (typeof tools)[number]
/** Where the person can be: a step of the open project, or a tool beside them. */
export type Step = ProjectStep | Tool
export const needsProject = (step: Step): boolean => step !== 'home' && step !== 'convert' && step !== 'methods'

/** The key that leads there. */
export const keyTo: Record<Step, string> = {
  ...{ home: '1', inspect: '2', data: '3', plan: '4', run: '5', compare: '6', export: '7' },
  ...{ scores: 's', convert: '8', shootout: '9', methods: '0' },
}

/** What is not part of a project: where the person is, what this machine offers, what was open before. */
export const useSession = defineStore('session', () => {
  const step = ref<Step>('home')
  const info = shallowRef<Result<'app.info'> | null>(null)
  const devices = shallowRef<Device[]>([])
  const methods = shallowRef<MethodSummary[]>([])
  const recents = shallowRef<RecentProject[] | null>(null)
  const isMeasuringDevices = ref(false)

  return {
    step,
    info,
    devices,
    methods,
    recents,
    isMeasuringDevices,
    go: (next: Step) => void (step.value = next),
    setInfo: (next: Result<'app.info'>) => void (info.value = next),
    setDevices: (next: Device[]) => void (devices.value = next),
    setMethods: (next: MethodSummary[]) => void (methods.value = next),
    setRecents: (next: RecentProject[]) => void (recents.value = next),
    setMeasuringDevices: (next: boolean) => void (isMeasuringDevices.value = next),
  }
})
