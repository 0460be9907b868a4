'use client'
import { AppWindow, CircleCheck, FileJson } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { type ChangeEvent, useEffect, useId, useRef, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { Blocked, endWords } from '@/app/_features/connect-all.tsx'
import { Relink } from '@/app/_features/link.tsx'
import { linkInPopup, openPopup, type Standing } from '@/app/_features/popup.ts'
import { plural } from '@/app/_features/words.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { Notice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { aliasFrom, type KbagentProject, kbagentProjects } from '@/lib/client/kbagent.ts'

type Provider = { id: string; name: string; host: string }
type Here = {
  id: string
  alias: string
  externalId: string
  providerId: string
  connection: { id: string; branch: string | null }
}
type Props = { tenant: string; mayAdminister: boolean; providers: Provider[]; projects: Here[] }

/** What can become of an entry: it is linked first, its alias and branch are carried over, or why not. */
type Row = { entry: KbagentProject; alias: string | undefined } & (
  | { to: 'link'; provider: Provider }
  | { to: 'carry' | 'nothing'; provider: Provider; here: Here }
  | { to: 'no_provider' | 'unnamed' }
)

/** How one is at any moment, for people. */
type Said = { text: string; isDone?: boolean }

const bytesMax = 1024 * 1024

function rowOf(entry: KbagentProject, { providers, projects }: Pick<Props, 'providers' | 'projects'>): Row {
  const alias = aliasFrom(entry.alias)
  const provider = providers.find(({ host }) => host === entry.host)
  if (!provider) return { entry, alias, to: 'no_provider' }
  // The upstream’s page decides which project is linked: without its number nobody could tell whether it is this one.
  if (entry.number === null) return { entry, alias, to: 'unnamed' }
  const here = projects.find((one) => one.providerId === provider.id && one.externalId === entry.number)
  if (!here) return { entry, alias, to: 'link', provider }
  const isSame = (alias === undefined || alias === here.alias) && entry.branch === here.connection.branch
  return { entry, alias, to: isSame ? 'nothing' : 'carry', provider, here }
}

const titleOf = ({ name, number, alias }: KbagentProject) => `${name ?? alias}${number === null ? '' : ` (${number})`}`

/** Reads a file of `kbagent` here, and brings over what the person confirms: by a link of their own, never by its tokens. */
export function ImportProjects({ tenant, mayAdminister, providers, projects }: Props) {
  const router = useRouter()
  const isReady = useHydrated()
  const fileId = useId()
  const [entries, setEntries] = useState<KbagentProject[] | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set())
  const [keepsAliases, setKeepsAliases] = useState(true)
  const [said, setSaid] = useState<ReadonlyMap<string, Said>>(new Map())
  const [phase, setPhase] = useState<'before' | 'running' | 'blocked'>('before')
  const stop = useRef<AbortController>(null)
  useEffect(() => () => stop.current?.abort(), [])

  const rows = (entries ?? []).map((entry) => rowOf(entry, { providers, projects }))
  const chosen = rows.filter(({ to, entry }) => (to === 'link' || to === 'carry') && !left.has(entry.alias))
  const tell = (entry: KbagentProject, now: Said) => setSaid((all) => new Map(all).set(entry.alias, now))

  async function read({ target }: ChangeEvent<HTMLInputElement>) {
    const [file] = target.files ?? []
    if (!file) return
    const found = file.size > bytesMax ? undefined : kbagentProjects(await file.text())
    setEntries(found ?? null)
    setSaid(new Map())
    setLeft(new Set())
    setFault(found ? (found.length === 0 ? 'It names no project.' : null) : 'It is not as kbagent writes it.')
  }

  async function carry({ entry, alias }: Row, here: Here): Promise<Said> {
    const kept: string[] = []
    const failed: string[] = []
    if (entry.branch !== here.connection.branch) {
      const params = { path: { tenant, connection: here.connection.id } }
      const body = { branch: entry.branch }
      const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/connections/{connection}', { params, body }))
      if (sent.ok) kept.push(entry.branch === null ? 'the main branch' : `branch ${entry.branch}`)
      else failed.push(`The branch stays: ${sent.problem.title}.`)
    }
    if (keepsAliases && alias !== undefined && alias !== here.alias) {
      const params = { path: { tenant, project: here.id } }
      const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/projects/{project}', { params, body: { alias } }))
      if (sent.ok) kept.push(`alias ${alias}`)
      else failed.push(`The alias stays ${here.alias}: ${sent.problem.title}.`)
    }
    const carried = kept.length > 0 ? `Linked, with ${kept.join(' and ')}.` : 'Linked.'
    return { text: [carried, ...failed].join(' '), isDone: failed.length === 0 }
  }

  async function start() {
    const toLink = chosen.flatMap((row) => (row.to === 'link' ? [row] : []))
    const popup = toLink.length > 0 ? openPopup() : null
    if (toLink.length > 0 && !popup) return setPhase('blocked')
    setPhase('running')
    for (const { entry } of toLink) tell(entry, { text: 'Comes next.' })
    const ends = new Map<string, Standing>()
    if (popup) {
      stop.current = new AbortController()
      const wanted = toLink.map(({ provider }) => ({ provider: provider.id }))
      await linkInPopup(wanted, {
        tenant,
        popup,
        stop: stop.current.signal,
        tell: (index, now) => {
          const entry = toLink[index]?.entry
          if (!entry) return
          ends.set(entry.alias, now)
          const underWay = `In the window, choose the project ${titleOf(entry)}.`
          if (now.as === 'under_way') tell(entry, { text: underWay })
          else if (now.as !== 'waiting') tell(entry, { text: endWords(now) })
        },
      }).catch(() => undefined)
    }
    const listed = await send(client.GET('/api/v1/tenants/{tenant}/projects', { params: { path: { tenant } } }))
    for (const row of chosen) {
      const { entry } = row
      if (!('provider' in row)) continue
      const found = listed.ok
        ? listed.data.items.find(
            ({ provider, external_id }) => provider.id === row.provider.id && external_id === entry.number,
          )
        : undefined
      const end = ends.get(entry.alias)
      if (found?.connection) {
        const { id, alias, external_id: externalId, connection } = found
        tell(entry, await carry(row, { id, alias, externalId, providerId: row.provider.id, connection }))
      } else if (end?.as === 'finished' || end?.as === 'silent')
        // The person chooses at the upstream, and may choose another one.
        tell(entry, { text: 'Another project was approved in the window. It is linked; this one is not.' })
      else if (!end) tell(entry, { text: 'Not started.' })
    }
    setPhase('before')
    router.refresh()
  }

  const [blocked] = chosen.flatMap((row) => (row.to === 'link' ? [row] : []))
  return (
    <>
      <Section
        title="1. The file"
        lead="kbagent keeps it in ~/.config/keboola-agent-cli, in .kbagent beside your work, or where KBAGENT_CONFIG_DIR says."
      >
        <label htmlFor={fileId} className="flex flex-wrap items-center gap-2">
          <FileJson aria-hidden className="size-5 text-muted" />
          <span className="font-semibold">config.json of kbagent</span>
          <input
            id={fileId}
            type="file"
            accept=".json,.bak,application/json"
            disabled={!isReady || phase === 'running'}
            // The same file, chosen again, is read again.
            onClick={(event) => {
              event.currentTarget.value = ''
            }}
            onChange={(event) => void read(event)}
            className="min-w-0 max-w-full text-ink file:mr-3 file:h-8 file:rounded-lg file:border file:border-edge file:bg-surface file:px-3 file:font-semibold file:text-ink"
          />
        </label>
        {fault && (
          <Notice tone="error" live title="This file cannot be used" meaning={fault} next="Nothing was changed." />
        )}
      </Section>
      {rows.length > 0 && (
        <Section
          title="2. Its projects"
          lead="You approve each one at its stack, with your own account. A token in the file brings nothing here: it goes on working until you delete it there."
        >
          <ul aria-label="Projects of the file" className="flex max-w-[720px] flex-col gap-2">
            {rows.map((row) => (
              <li key={row.entry.alias} className="flex flex-col gap-2 rounded-lg border bg-surface p-3">
                <Entry
                  row={row}
                  tenant={tenant}
                  mayAdminister={mayAdminister}
                  keepsAliases={keepsAliases}
                  checked={!left.has(row.entry.alias)}
                  isSaid={said.has(row.entry.alias)}
                  disabled={phase === 'running'}
                  onChange={(wanted) => {
                    const next = new Set(left)
                    if (wanted) next.delete(row.entry.alias)
                    else next.add(row.entry.alias)
                    setLeft(next)
                  }}
                />
                <p role="status" className="flex items-center gap-2 empty:hidden">
                  {said.get(row.entry.alias)?.isDone && <CircleCheck aria-hidden className="size-4 text-healthy" />}
                  {said.get(row.entry.alias)?.text}
                </p>
              </li>
            ))}
          </ul>
          <Checkbox
            label="Call them as they were called there"
            hint="For everybody who uses these projects here. Aliases that they had before keep working."
            checked={keepsAliases}
            disabled={phase === 'running'}
            onChange={(event) => setKeepsAliases(event.target.checked)}
          />
          {phase === 'blocked' && blocked && (
            <Blocked>
              <Relink
                tenant={tenant}
                providerId={blocked.provider.id}
                label={`Link ${titleOf(blocked.entry)} in this page`}
              />
            </Blocked>
          )}
          <div className="flex flex-wrap items-center gap-3">
            <Button
              variant="primary"
              busy={phase === 'running'}
              disabled={!isReady || chosen.length === 0}
              onClick={() => void start()}
            >
              {chosen.some(({ to }) => to === 'link') && <AppWindow aria-hidden />}
              {chosen.length === 0 ? 'Nothing to bring over' : `Bring over ${plural(chosen.length, 'project')}`}
            </Button>
            {phase === 'running' && <Button onClick={() => stop.current?.abort()}>Stop</Button>}
            <ButtonLink href={`/t/${tenant}/projects`}>Projects</ButtonLink>
          </div>
          <p className="max-w-[720px] text-muted">
            Afterwards <code className="font-mono text-[13px]">valetkey adopt --write</code> takes the tokens out of the
            file, and says which to delete at the stack.
          </p>
        </Section>
      )}
    </>
  )
}

type EntryProps = {
  row: Row
  tenant: string
  mayAdminister: boolean
  keepsAliases: boolean
  checked: boolean
  /** What became of it stands below. */
  isSaid: boolean
  disabled: boolean
  onChange: (wanted: boolean) => void
}

function Entry({ row, tenant, mayAdminister, keepsAliases, checked, isSaid, disabled, onChange }: EntryProps) {
  const { entry, alias, to } = row
  const title = <bdi className="font-semibold">{titleOf(entry)}</bdi>
  const isRenamed = keepsAliases && alias !== undefined
  const facts = [
    entry.host,
    isRenamed && alias !== entry.alias ? `${entry.alias} becomes ${alias}` : `called ${entry.alias}`,
    entry.branch === null ? 'main branch' : `branch ${entry.branch}`,
  ].join(' · ')
  if (to === 'link' || to === 'carry')
    return (
      <Checkbox
        label={title}
        hint={`${facts} · ${to === 'link' ? 'to link' : 'linked already'}`}
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.target.checked)}
      />
    )
  return (
    <div className="flex flex-col gap-1">
      <p>{title}</p>
      <p className="wrap-anywhere text-[14px] text-muted">{facts}</p>
      {!isSaid && (
        <p>{to === 'no_provider' && mayAdminister ? 'This tenant has no provider for its stack yet.' : why[to]}</p>
      )}
      {to === 'no_provider' && mayAdminister && (
        <p>
          <ButtonLink size="sm" href={`/t/${tenant}/admin/providers/new`}>
            Add provider
          </ButtonLink>
        </p>
      )}
    </div>
  )
}

const why = {
  nothing: 'Linked already, with this alias and this branch.',
  no_provider: 'This tenant has no provider for its stack. An owner or admin has to add it first.',
  unnamed: 'The file does not say which project it is. Link it from the projects page.',
} as const
