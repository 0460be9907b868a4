'use client'
import { type FormEvent, useEffect, useRef } from 'react'
import { client, leaveFor, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { Input } from '@/app/_ui/field.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'

/** `code`: what a link has filled in; `isLinked`: a link brought one, filled in or not. */
export function CodeForm({ code: given, isLinked }: { code: string; isLinked: boolean }) {
  const field = useRef<HTMLInputElement>(null)
  const isReady = useHydrated()
  // What the link brought leaves the address, its history and what follows from it (D-09).
  useEffect(() => {
    if (window.location.search) window.history.replaceState(window.history.state, '', window.location.pathname)
    field.current?.focus()
  }, [])
  const { busy, problem, start } = useAction(async () => {
    // Read from the field itself: somebody may type before scripts run.
    const body = { user_code: field.current?.value ?? '' }
    const sent = await send(client.POST('/api/v1/authorizations/claim', { body }))
    if (sent.ok) leaveFor(`/authorize/${sent.data.id}`)
    else field.current?.select()
    return sent
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void start()
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {isLinked && (
        <Notice
          tone="attention"
          title={given ? 'Compare the code' : 'Type the code yourself'}
          meaning={
            given
              ? 'Go on only if your own program shows exactly this one, now. If somebody sent you this link, close the page.'
              : 'Your link brings one, but a link can come from anybody. Type the one that your own program shows.'
          }
        />
      )}
      <Input
        ref={field}
        label="Code"
        hint="Eight letters and digits, such as WXYZ-BCDF."
        required
        maxLength={64}
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        defaultValue={given}
        className="h-12 text-center font-mono text-[20px] uppercase tracking-[0.2em]"
      />
      <ProblemNotice problem={problem} />
      <Button type="submit" variant="primary" busy={busy} disabled={!isReady}>
        Continue
      </Button>
    </form>
  )
}
