'use client'
import { Search, Trash2 } from 'lucide-react'
import { useId, useRef, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { type Outcome, outcomeLine, revoke } from '@/app/_features/revoke.ts'
import { plural } from '@/app/_features/words.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { CommandLine } from '@/app/_ui/command-line.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { Textarea } from '@/app/_ui/field.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { Paths } from '@/lib/client/index.ts'
import { FoundTable, isEndedHere } from './found-table.tsx'

type Wire = Paths['/api/v1/tenants/{tenant}/leaks']['post']['responses'][200]['content']['application/json']
export type Found = Wire['found'][number]

/** Of the API: what is longer is refused there. */
const textMax = 1024 * 1024

type Props = {
  tenant: string
  now: string
  mayRevoke: boolean
  /** Where anybody reports without an account. */
  door: string
}

/** Takes a text, shows what of it is the tenant's, and revokes it. The text leaves the page once it has been looked through. */
export function LeakDesk({ tenant, now, mayRevoke, door }: Props) {
  const [text, setText] = useState('')
  const [findings, setFindings] = useState<Wire | null>(null)
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map())
  const [tooLong, setTooLong] = useState(false)
  const file = useRef<HTMLInputElement>(null)
  const fileId = useId()
  const { busy, problem, start } = useAction(async (): Promise<ActionResult> => {
    const body = { text: readable(text) }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/leaks', { params: { path: { tenant } }, body }))
    if (!sent.ok) return sent
    setFindings(sent.data)
    setOutcomes(new Map())
    setText('')
    return sent
  })
  async function take(chosen: File | undefined) {
    setTooLong((chosen?.size ?? 0) > textMax)
    if (chosen && chosen.size <= textMax) setText(await chosen.text())
  }
  return (
    <>
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          if (text.trim() !== '') void start()
        }}
      >
        <Textarea
          label="What was found"
          hint="A token, a log, a file, or the report of a scanner: plain text, JSON, lines of JSON, or SARIF. Up to 1 MB. It is looked through and forgotten: it is neither stored nor logged."
          rows={8}
          className="font-mono text-[13px]"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={text}
          {...((tooLong || text.length > textMax) && { error: 'This is more than 1 MB. Look through it in parts.' })}
          onChange={(event) => {
            setTooLong(false)
            setText(event.target.value)
          }}
        />
        <div className="flex flex-wrap items-center gap-2">
          <Button type="submit" variant="primary" busy={busy} disabled={text.trim() === '' || text.length > textMax}>
            <Search aria-hidden />
            Look for tokens
          </Button>
          <input
            ref={file}
            id={fileId}
            type="file"
            className="sr-only"
            tabIndex={-1}
            aria-label="File to look through"
            onChange={(event) => {
              void take(event.target.files?.[0])
              event.target.value = ''
            }}
          />
          <Button onClick={() => file.current?.click()}>Choose a file…</Button>
        </div>
        <ProblemNotice problem={problem} />
      </form>
      <p role="status" className="sr-only">
        {findings && `${plural(findings.found.length, 'thing')} of this tenant found`}
      </p>
      <div className="flex flex-col gap-4 empty:hidden">
        {findings && (
          <Results
            tenant={tenant}
            now={now}
            mayRevoke={mayRevoke}
            findings={findings}
            outcomes={outcomes}
            onRevoked={(done) =>
              setOutcomes((before) => new Map([...before, ...done.map((one) => [one.id, one] as const)]))
            }
          />
        )}
      </div>
      <Section
        title="Without an account"
        lead="Whoever holds a token of ours may end it: scanners and strangers report whole values at this address. Always answered alike, whatever is known of them."
      >
        <CommandLine command={`curl ${door} --json '{"tokens": ["vk_…"]}'`} />
      </Section>
    </>
  )
}

/** What no request can carry, a NUL or half a character, is part of no token. */
const readable = (text: string) => text.replaceAll('\0', ' ').toWellFormed()

const sourceWords = { text: 'plain text', json: 'JSON', sarif: 'SARIF' } as const

function Results({
  tenant,
  now,
  mayRevoke,
  findings,
  outcomes,
  onRevoked,
}: Pick<Props, 'tenant' | 'now' | 'mayRevoke'> & {
  findings: Wire
  outcomes: ReadonlyMap<string, Outcome>
  onRevoked: (outcomes: Outcome[]) => void
}) {
  const { found, candidates, unknown, damaged, is_cut, names } = findings
  const [asking, setAsking] = useState<Found[] | null>(null)
  const standing = found.filter((one) => isEndedHere(one) && !outcomes.has(one.id))
  const others = [
    unknown > 0 && `${plural(unknown, 'value')} of our form that this tenant does not know`,
    damaged > 0 && `${plural(damaged, 'value')} that ${damaged === 1 ? 'is' : 'are'} cut off or mistyped`,
  ].filter(Boolean)
  return (
    <>
      {is_cut && (
        <Notice
          tone="attention"
          title="There was more than is looked at in one go"
          next="Look through the rest by itself: it has not been checked."
        />
      )}
      <Section
        title={found.length === 0 ? 'No token of this tenant' : `${plural(found.length, 'thing')} of this tenant`}
        lead={`${plural(candidates, 'value')} looked up, taken for ${sourceWords[findings.read_as]}.${others.length > 0 ? ` Also: ${others.join(', ')}.` : ''}`}
        aside={
          mayRevoke &&
          standing.length > 0 && (
            <Button variant="danger" onClick={() => setAsking(standing)}>
              <Trash2 aria-hidden />
              Revoke {standing.length === 1 ? 'it' : `all ${standing.length}`}…
            </Button>
          )
        }
      >
        {found.length === 0 ? (
          <EmptyState
            kind="no-match"
            title="Nothing to revoke"
            why="Tokens that expired long ago are forgotten, and another tenant’s are not shown. A token that an upstream made outside Valetkey has to be revoked there."
          />
        ) : (
          <FoundTable
            tenant={tenant}
            names={names}
            now={now}
            found={found}
            outcomes={outcomes}
            {...(mayRevoke && { onRevoke: setAsking })}
          />
        )}
      </Section>
      {asking && (
        <ConfirmDialog
          open
          onOpenChange={(open) => !open && setAsking(null)}
          title={asking.length === 1 ? `Revoke ${nameOf(asking[0])}` : `Revoke ${plural(asking.length, 'thing')}`}
          lead="Refused here at once, and revoked upstream where the upstream can. Anything that uses it stops working, also where nobody meant harm."
          confirmLabel={asking.length === 1 ? 'Revoke it' : 'Revoke all'}
          counts={countsOf(asking, names)}
          reason="optional"
          onConfirm={async ({ reason }) => {
            const ids = (kind: Found['kind']) => asking.filter((one) => one.kind === kind).map(({ id }) => id)
            const sent = await revoke(tenant, {
              tokens: ids('token'),
              grants: ids('grant'),
              reason: reason || 'leaked',
            })
            if (!sent.ok) return sent
            onRevoked(sent.data)
            const [only] = sent.data
            say(only && sent.data.length === 1 ? outcomeLine(only) : `${plural(sent.data.length, 'thing')} revoked`)
            return sent
          }}
        />
      )}
    </>
  )
}

const nameOf = (found: Found | undefined) => (found ? `“${found.name}”` : 'it')

function countsOf(asking: Found[], names: Record<string, string>) {
  const owners = [...new Set(asking.map(({ owner_id }) => owner_id).filter((one) => one !== null))]
  const below = asking.reduce((sum, { tokens }) => sum + tokens, 0)
  return [
    { label: 'Tokens', value: String(asking.filter(({ kind }) => kind === 'token').length) },
    { label: 'Devices and apps', value: String(asking.filter(({ kind }) => kind === 'grant').length) },
    ...(below > 0 ? [{ label: 'Tokens that end with them', value: String(below) }] : []),
    {
      label: 'Owners',
      value: owners
        .slice(0, 5)
        .map((id) => names[id] ?? 'a former member')
        .join(', ')
        .concat(owners.length > 5 ? ` and ${owners.length - 5} more` : ''),
    },
  ]
}
