import { CallBar } from '@/app/_features/tool-use.tsx'
import { fromServer, ServerName, ServerText, suspectWords, ToolBadges } from '@/app/_features/tools.tsx'
import { plural, readingWords } from '@/app/_features/words.ts'
import { Copied } from '@/app/_ui/copied.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { ReadingView, ToolDefinition, ToolsView, ToolView } from '@/lib/broker/read/tools.ts'
import { LookedAt, Refresh } from './tools-acts.tsx'

export type ToolsProps = {
  tenant: string
  project: { id: string; name: string }
  tools: ToolsView
  /** Where its tools are called through us. */
  gateway: string
  now: string
  nameOf: (user: string) => string
  /** It can be asked with the viewer's own connection. */
  mayAsk: boolean
  mayReview: boolean
  /** Calls of all members are told of. */
  seesAll: boolean
  skip: number
}

/** What an MCP server offers, as it said last: what has changed since somebody looked comes first. */
export function ToolsSection(props: ToolsProps) {
  const { tenant, project, tools, gateway, now, mayAsk, mayReview, seesAll, skip } = props
  const { server, reading, holdsChanged, present, changed, unseen, gone, items, next, offers } = tools
  const waiting = items.filter(({ looked, goneAt }) => goneAt === null && looked !== 'current')
  const href = (from: number) => `/t/${tenant}/projects/${project.id}${from > 0 ? `?skip=${from}` : ''}#tools`
  return (
    <Section
      title="Tools"
      lead={
        server
          ? `${fromServer} Calls are those of the last 14 days through the gateway, ${seesAll ? 'of all members' : 'with your tokens and programs'}.`
          : 'What the MCP server offers, once it was asked.'
      }
      aside={server && mayAsk && <Refresh tenant={tenant} project={project.id} />}
    >
      <div id="tools" className="rounded-lg border bg-surface p-4">
        <KeyValue
          items={[
            ...(server
              ? [
                  {
                    label: 'Server',
                    value: (
                      <>
                        <ServerText text={server.title ?? (server.name || 'without a name')} className="inline" />
                        {server.title && server.name !== server.title && (
                          <>
                            {' '}
                            · <ServerName text={server.name} />
                          </>
                        )}
                      </>
                    ),
                  },
                  { label: 'Version', value: <ServerName text={server.version || 'not said'} /> },
                  { label: 'Protocol', value: server.revision, mono: true },
                  { label: 'Asked', value: <Time at={server.seenAt.toISOString()} now={now} /> },
                ]
              : []),
            ...(reading?.readAt
              ? [{ label: 'List of', value: <Time at={reading.readAt.toISOString()} now={now} /> }]
              : []),
            { label: 'Gateway', value: <Copied text={gateway} label="Copy the address of the gateway" /> },
            {
              label: 'New tools',
              value: holdsChanged
                ? 'held back, like those that changed, until an admin has looked at them'
                : 'can be called at once, like those that changed',
            },
          ]}
        />
      </div>
      {reading?.failed && <FailedReading reading={reading} failed={reading.failed} now={now} />}
      {changed > 0 && (
        <Notice
          tone="attention"
          title={`${plural(changed, 'tool')} changed since somebody looked`}
          meaning={
            holdsChanged
              ? 'Calls of what changed are refused until an admin has looked at it.'
              : 'Calls of what changed go through. An admin can hold such tools back in the settings of the provider.'
          }
          next={mayReview ? 'Compare both descriptions below.' : 'An admin can compare both descriptions.'}
        />
      )}
      {items.length > 0 ? (
        <>
          <ul className="flex flex-col divide-y rounded-lg border bg-surface">
            {items.map((tool) => (
              <Tool
                key={tool.name}
                tool={tool}
                {...props}
                most={Math.max(...items.map((one) => one.calls + one.refused))}
              />
            ))}
          </ul>
          <div className="flex flex-wrap items-center justify-between gap-3">
            <p className="text-muted tabular-nums">
              {plural(present, 'tool')}
              {gone > 0 && `, ${gone} gone`}
              {unseen > 0 && `, ${unseen} that nobody has looked at`}
            </p>
            <span className="flex flex-wrap items-center gap-2">
              {skip > 0 && <PageLink href={href(Math.max(0, skip - 50))} label="Before" />}
              {next !== null && <PageLink href={href(next)} label="More tools" />}
              {mayReview && waiting.length > 1 && (
                <LookedAt
                  tenant={tenant}
                  project={project.id}
                  tools={waiting.map(({ name, hash }) => ({ name, hash }))}
                  label={`I have looked at these ${waiting.length}`}
                />
              )}
            </span>
          </div>
        </>
      ) : (
        <NoTools {...props} />
      )}
      {offers.map((offer) => offer.total > 0 && <Offers key={offer.kind} {...offer} />)}
    </Section>
  )
}

/** Since when the list is old, and why the last try to read it failed. */
function FailedReading({
  reading: { readAt },
  failed,
  now,
}: {
  reading: ReadingView
  failed: NonNullable<ReadingView['failed']>
  now: string
}) {
  const { why, next } = readingWords[failed.why]
  const at = (moment: Date) => <Time at={moment.toISOString()} now={now} />
  return (
    <Notice
      tone="attention"
      title={readAt ? 'The list of tools may be out of date' : 'The list of tools could not be read'}
      meaning={
        <>
          {readAt && <>It was read last {at(readAt)}. </>}
          The last try failed {at(failed.at)}
          {failed.since.getTime() !== failed.at.getTime() && <>, the first one {at(failed.since)}</>}: {why}
        </>
      }
      next={next}
    />
  )
}

const offerWords = { resource: 'Resources', template: 'Resource templates', prompt: 'Prompts' } as const

/** What it has beside its tools, folded: people come here to choose it for a token. */
function Offers({ kind, total, items }: ToolsView['offers'][number]) {
  return (
    <Fold title={offerWords[kind]} hint={String(total)}>
      <ul className="flex flex-col gap-3">
        {items.map((one) => {
          const marks = { isPlain: one.is_plain, looksLikeAnother: one.looks_like_another }
          const suspect = suspectWords(marks, kind === 'prompt' ? 'prompt' : 'resource')
          return (
            <li key={one.name} className="flex min-w-0 flex-col gap-1">
              <ServerName text={one.name} className="font-semibold" />
              {one.title && one.title !== one.name && <ServerText text={one.title} />}
              {one.description && (
                <ServerText text={one.description} className="line-clamp-3 max-w-[80ch] text-muted" />
              )}
              {suspect && <p className="text-attention">{suspect}</p>}
            </li>
          )
        })}
      </ul>
      {total > items.length && (
        <p className="text-muted">and {total - items.length} more, which the form for a token lists.</p>
      )}
    </Fold>
  )
}

const PageLink = ({ href, label }: { href: string; label: string }) => (
  <Link href={href} className="rounded-sm underline underline-offset-4">
    {label}
  </Link>
)

/** Why there is none, and what to do. */
function NoTools({ tenant, project, tools: { server }, mayAsk }: ToolsProps) {
  if (server)
    return (
      <EmptyState
        kind="no-data"
        title="This server offers no tools"
        why="It answered, and its list was empty. It may have more for another account."
      />
    )
  return (
    <EmptyState
      kind="no-data"
      title="The server has not said what it offers"
      why={
        mayAsk
          ? 'It was not asked yet, or it did not answer. It is asked after each link.'
          : 'It is asked with somebody’s connection. Link or reconnect the project, then it is asked.'
      }
      action={mayAsk && <Refresh tenant={tenant} project={project.id} primary />}
    />
  )
}

function Tool({ tool, tenant, project, now, nameOf, mayReview, most }: ToolsProps & { tool: ToolView; most: number }) {
  const { name, hash, title, description, looked, before, heldBack, goneAt, calls, refused } = tool
  const suspect = suspectWords(tool)
  return (
    <li className="flex min-w-0 flex-col gap-2 p-4">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <div className="flex min-w-0 flex-1 basis-72 flex-col gap-1">
          <h3 className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <ServerName text={name} className="font-semibold" />
            <ToolBadges marks={{ ...tool, isGone: goneAt !== null }} />
          </h3>
          {title && title !== name && <ServerText text={title} />}
          {suspect && <p className="text-attention">{suspect}</p>}
          {heldBack && (
            <p>Held back: calls are refused until an admin has looked at it{looked === 'changed' ? ' again' : ''}.</p>
          )}
          {goneAt && (
            <p className="text-muted">
              No list has had it since <Time at={goneAt.toISOString()} now={now} />.
            </p>
          )}
        </div>
        <CallBar calls={calls} refused={refused} most={most} />
      </div>
      {before ? <Compared before={before} now={tool} /> : description && <Description text={description} />}
      <div className="flex flex-wrap items-start justify-between gap-3">
        <details className="min-w-0 flex-1 basis-72">
          <summary className="cursor-pointer text-muted">Definition</summary>
          <div className="mt-2 flex flex-col gap-2">
            {before ? (
              <div className="grid gap-3 md:grid-cols-2">
                <Schema label="Before" definition={before} />
                <Schema label="Now" definition={tool} />
              </div>
            ) : (
              <Schema definition={tool} />
            )}
            <p className="text-[13px] text-muted">
              First seen <Time at={tool.firstSeenAt.toISOString()} now={now} />
              {tool.changedAt > tool.firstSeenAt && (
                <>
                  , changed <Time at={tool.changedAt.toISOString()} now={now} />
                </>
              )}
              {tool.reviewedAt && (
                <>
                  , looked at <Time at={tool.reviewedAt.toISOString()} now={now} />
                  {tool.reviewedBy && ` by ${nameOf(tool.reviewedBy)}`}
                </>
              )}
              . SHA-256 <code className="font-mono">{hash.slice(0, 12)}</code>
            </p>
          </div>
        </details>
        {mayReview && looked !== 'current' && !goneAt && (
          <LookedAt
            tenant={tenant}
            project={project.id}
            tools={[{ name, hash }]}
            label="I have looked at it"
            of={name}
          />
        )}
      </div>
    </li>
  )
}

/** Bounded: what a server writes shall not push the rest of the page away. It scrolls from the keyboard as well. */
function Description({ text }: { text: string }) {
  // On the narrowest screen.
  const isLong = text.length > 140 || text.split('\n').length > 4
  return (
    <div
      // What scrolls must scroll from the keyboard (WCAG 2.1.1).
      tabIndex={isLong ? 0 : undefined}
      className="max-h-32 max-w-[80ch] overflow-y-auto"
    >
      <ServerText text={text} />
    </div>
  )
}

/** What it said when somebody looked, beside what it says now. */
function Compared({ before, now }: { before: ToolDefinition; now: ToolDefinition }) {
  const isSame = before.description === now.description && before.title === now.title
  if (isSame)
    return (
      <>
        {now.description && <Description text={now.description} />}
        <p className="text-attention">Its title and description are as they were; its definition has changed.</p>
      </>
    )
  return (
    <div className="grid gap-3 md:grid-cols-2">
      {[
        { label: 'When somebody looked', of: before },
        { label: 'Now', of: now },
      ].map(({ label, of }) => (
        <div key={label} className="flex min-w-0 flex-col gap-1 rounded-lg border bg-raised p-3">
          <p className="text-[13px] text-muted">{label}</p>
          {of.title && <ServerText text={of.title} className="font-semibold" />}
          {of.description ? <Description text={of.description} /> : <p className="text-muted">No description.</p>}
        </div>
      ))}
    </div>
  )
}

/** As much of a schema as a page shows. */
const schemaCharacters = 4_000

function Schema({ label, definition }: { label?: string; definition: ToolDefinition }) {
  const { inputSchema, outputSchema, annotations, isCut } = definition
  const text = JSON.stringify({ annotations, inputSchema, outputSchema }, null, 2)
  return (
    <div className="flex min-w-0 flex-col gap-1">
      {label && <p className="text-[13px] text-muted">{label}</p>}
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: code that scrolls must scroll from the keyboard (WCAG 2.1.1)
        tabIndex={0}
        className="max-h-80 overflow-auto rounded-lg bg-raised p-3 font-mono text-[13px] leading-5"
      >
        <bdi>{text.slice(0, schemaCharacters).toWellFormed()}</bdi>
        {text.length > schemaCharacters && '…'}
      </pre>
      {(isCut || text.length > schemaCharacters) && (
        <p className="text-[13px] text-muted">It is too long to be shown whole.</p>
      )}
    </div>
  )
}
