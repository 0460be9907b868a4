'use client'
import { useCallback, useEffect, useRef, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import type { Problem } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { SkeletonLine } from '@/app/_ui/skeleton.tsx'
import type { Choices } from './picker.ts'

type ChoicesState = { state: 'loading' } | { state: 'ready'; choices: Choices } | { state: 'failed'; problem: Problem }

/** What can be chosen for a project, asked at the upstream once it is wanted: a way that needs none does not wait for one that is slow. */
export function useChoices(tenant: string, project: string, isWanted: boolean) {
  const [state, setState] = useState<ChoicesState>({ state: 'loading' })
  const isAsked = useRef(false)
  const load = useCallback(async () => {
    const params = { path: { tenant, project } }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/projects/{project}/scopes', { params, body: {} }))
    if (!sent.ok) return { state: 'failed' as const, problem: sent.problem }
    return { state: 'ready' as const, choices: sent.data }
  }, [tenant, project])
  useEffect(() => {
    if (!isWanted || isAsked.current) return
    isAsked.current = true
    void load().then(setState)
  }, [load, isWanted])
  const retry = () => {
    setState({ state: 'loading' })
    void load().then(setState)
  }
  return { ...state, retry }
}

export function ChoicesLoading() {
  return (
    <div role="status" aria-label="Loading the choices" className="flex flex-col gap-3">
      <p className="font-semibold">Access</p>
      {['first', 'second'].map((group) => (
        <div key={group} className="flex h-44 flex-col gap-3 rounded-lg border bg-surface p-3">
          <SkeletonLine className="h-5 w-1/4" />
          <SkeletonLine className="w-2/3" />
          <SkeletonLine className="w-1/2" />
          <SkeletonLine className="w-3/5" />
        </div>
      ))}
    </div>
  )
}

export function ChoicesFailed({ problem, onRetry }: { problem: Problem; onRetry: () => void }) {
  return (
    <div className="flex flex-col gap-2">
      <p className="font-semibold">Access</p>
      <ProblemNotice
        problem={{ ...problem, title: `The choices did not load: ${problem.title}` }}
        action={
          <Button size="sm" onClick={onRetry}>
            Try again
          </Button>
        }
      />
    </div>
  )
}
