'use client'
import { TriangleAlert } from 'lucide-react'
import { type ReactNode, useId, useState } from 'react'
import { AskServer } from '@/app/_features/ask-server.tsx'
import { fromServer, ServerName, ServerText, suspectWords, ToolBadges } from '@/app/_features/tools.tsx'
import { plural } from '@/app/_features/words.ts'
import { Checkbox, Tick } from '@/app/_ui/checkbox.tsx'
import { cn } from '@/app/_ui/cn.ts'
import { Textarea } from '@/app/_ui/field.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import type { OfferChoice, ToolChoice, ToolChoices } from '@/lib/broker/read/tools.ts'
import type { McpRights } from '@/lib/providers/mcp/rights.ts'
import type { Picker, PickProps } from './picker.ts'

const none: McpRights = {
  tools: [],
  read_only_tools: false,
  all_tools: false,
  resources: [],
  all_resources: false,
  prompts: [],
  all_prompts: false,
}

export const mcpPicker: Picker<McpRights, ToolChoices> = {
  none,
  isEmpty: (rights) =>
    Object.values(rights).every((right) => right === false || (Array.isArray(right) && right.length === 0)),
  stillThere: (rights, { tools }) => ({
    ...rights,
    tools: rights.tools.filter((name) => tools.some((tool) => tool.name === name)),
  }),
  Pick: RightsPicker,
}

/** What the token may do at the server: nothing until it is ticked; what reaches far stands apart. */
function RightsPicker({ choices, value, onChange, place, onReload }: PickProps<McpRights, ToolChoices>) {
  const { server, tools, resources, resource_templates, prompts } = choices
  const set = (changes: Partial<McpRights>) => onChange({ ...value, ...changes })
  const readOnly = tools.filter((tool) => tool.read_only)
  const rest = value.resources.length + value.prompts.length > 0 || value.all_resources || value.all_prompts
  return (
    <fieldset className="flex min-w-0 flex-col gap-3">
      <legend className="mb-1 font-semibold">Access</legend>
      <div className="rounded-lg border bg-surface px-3 py-2">
        <Checkbox
          label="Read-only tools"
          hint={`Every tool that the server marks as read-only, also those that come later; now ${
            readOnly.length === 0 ? 'none' : plural(readOnly.length, 'tool')
          }. The mark is the server’s own word, and nobody checks it.`}
          checked={value.read_only_tools || value.all_tools}
          disabled={value.all_tools}
          onChange={({ target }) =>
            set({
              read_only_tools: target.checked,
              // What comes with it is not named as well: it would stay when the server takes the mark away.
              ...(target.checked && {
                tools: value.tools.filter((name) => !readOnly.some((one) => one.name === name)),
              }),
            })
          }
        />
      </div>
      {tools.length > 0 ? (
        <ToolList tools={tools} value={value} onChange={(names) => set({ tools: names })} />
      ) : (
        <Notice
          title={server ? 'The server offers no tools' : 'The tools of this server are not known yet'}
          meaning={
            server
              ? 'It has none for your account, or it had none when it was asked last.'
              : 'It has not been asked, or it did not answer. You can still choose what needs no list.'
          }
          action={<AskServer {...place} onAsked={onReload} />}
        />
      )}
      <div className="min-w-0 rounded-lg border border-attention/40 bg-surface px-3 py-2">
        <Checkbox
          label={
            <>
              Every tool, also those that come later{' '}
              <span className="inline-flex items-center gap-1 whitespace-nowrap text-[14px] text-attention">
                <TriangleAlert aria-hidden className="size-3.5 shrink-0" />
                High risk
              </span>
            </>
          }
          hint="Whatever the server offers, and whatever it changes its tools into."
          checked={value.all_tools}
          onChange={({ target }) =>
            set(target.checked ? { all_tools: true, read_only_tools: false, tools: [] } : { all_tools: false })
          }
        />
      </div>
      <Fold title="Resources and prompts" hint={rest ? 'chosen' : 'none chosen'} open={rest}>
        <Names
          what="resource"
          by="URI"
          offered={[
            ...resources,
            ...resource_templates.map((template) => ({ ...template, more: 'Stands for every address of this form.' })),
          ]}
          all={value.all_resources}
          names={value.resources}
          onChange={(all_resources, resources) => set({ all_resources, resources })}
        />
        <Names
          what="prompt"
          by="name"
          offered={prompts}
          all={value.all_prompts}
          names={value.prompts}
          onChange={(all_prompts, prompts) => set({ all_prompts, prompts })}
        />
      </Fold>
    </fieldset>
  )
}

/** From this many on, a field narrows the list, and it scrolls. What is short is seen whole: people consent to it. */
const searchFrom = 9

type ListProps = { tools: ToolChoice[]; value: McpRights; onChange: (names: string[]) => void }

function ToolList({ tools, value, onChange }: ListProps) {
  const comesAnyway = (tool: ToolChoice) => value.all_tools || (value.read_only_tools && tool.read_only)
  const chosen = new Set(value.tools)
  return (
    <PickList
      label="Tools"
      items={tools}
      isTicked={(tool) => chosen.has(tool.name) || comesAnyway(tool)}
      isFixed={comesAnyway}
      onToggle={(name, on) =>
        onChange(tools.map((tool) => tool.name).filter((each) => (each === name ? on : chosen.has(each))))
      }
    >
      {(tool) => {
        const marks = {
          readOnly: tool.read_only,
          destructive: tool.destructive,
          isPlain: tool.is_plain,
          looksLikeAnother: tool.looks_like_another,
          looked: tool.looked,
          heldBack: tool.held_back,
        }
        return (
          <>
            <ToolBadges marks={marks} quiet />
            <Suspect {...tool} of="tool" />
            {tool.held_back && <span className="text-muted">It cannot be called until an admin has looked at it.</span>}
          </>
        )
      }}
    </PickList>
  )
}

function Suspect({
  is_plain,
  looks_like_another,
  of,
}: Pick<OfferChoice, 'is_plain' | 'looks_like_another'> & { of: string }) {
  const words = suspectWords({ isPlain: is_plain, looksLikeAnother: looks_like_another }, of)
  return words && <span className="text-attention">{words}</span>
}

type PickListProps<T> = {
  label: string
  items: T[]
  isTicked: (item: T) => boolean
  /** It comes with something else that is chosen. */
  isFixed?: (item: T) => boolean
  onToggle: (name: string, on: boolean) => void
  /** Below the server's own words. */
  children: (item: T) => ReactNode
}

/** What a server has, to be ticked: its own words, plain. */
function PickList<T extends Pick<OfferChoice, 'name' | 'title' | 'description'>>(props: PickListProps<T>) {
  const { label, items, isTicked, isFixed = () => false, onToggle, children } = props
  const id = useId()
  const [needle, setNeedle] = useState('')
  const wanted = needle.trim().toLowerCase()
  const shown = items.filter(({ name, title, description }) =>
    `${name} ${title ?? ''} ${description ?? ''}`.toLowerCase().includes(wanted),
  )
  const ticked = items.filter(isTicked).length
  return (
    <fieldset className="min-w-0 rounded-lg border bg-surface">
      <legend className="sr-only">{label}</legend>
      <div className="flex min-h-10 items-center justify-between gap-3 px-3 py-1">
        <span aria-hidden className="font-semibold">
          {label}
        </span>
        <span className="shrink-0 text-muted tabular-nums">
          <span aria-hidden>
            {ticked}/{items.length}
          </span>
          <span className="sr-only">
            {ticked} of {items.length} selected
          </span>
        </span>
      </div>
      <p className="px-3 pb-2 text-[14px] text-muted leading-5">{fromServer}</p>
      {items.length >= searchFrom && (
        <div className="border-t px-3 py-2">
          <input
            type="search"
            aria-label={`Filter ${label.toLowerCase()}`}
            placeholder="Filter the list"
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
            onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
            className="h-8 w-full rounded-lg border border-edge bg-surface px-2 text-[14px] placeholder:text-muted"
          />
        </div>
      )}
      <div className={cn('divide-y border-t', items.length >= searchFrom && 'max-h-[32rem] overflow-y-auto')}>
        {shown.map((item) => (
          <label key={item.name} htmlFor={`${id} ${item.name}`} className="flex gap-3 px-3 py-2 hover:bg-raised">
            <Tick
              id={`${id} ${item.name}`}
              checked={isTicked(item)}
              disabled={isFixed(item)}
              onChange={(event) => onToggle(item.name, event.target.checked)}
              className="mt-0.5"
            />
            <span className="flex min-w-0 flex-1 flex-col gap-1 text-[14px] leading-5">
              <ServerName text={item.name} />
              {item.title && item.title !== item.name && <ServerText text={item.title} className="line-clamp-2" />}
              {item.description && <ServerText text={item.description} className="line-clamp-3 text-muted" />}
              {children(item)}
            </span>
          </label>
        ))}
        {shown.length === 0 && <p className="px-3 py-2 text-[14px] text-muted">Nothing matches “{needle}”.</p>}
      </div>
    </fieldset>
  )
}

type Offered = OfferChoice & { more?: string }
type NamesProps = {
  what: 'resource' | 'prompt'
  by: string
  offered: Offered[]
  all: boolean
  names: string[]
  onChange: (all: boolean, names: string[]) => void
}

const linesOf = (text: string) => [...new Set(text.split('\n').map((line) => line.trim()))].filter(Boolean)

/** All of a kind, those that the server told of, or those that somebody writes: it may have more than it lists. */
function Names({ what, by, offered, all, names, onChange }: NamesProps) {
  const [text, setText] = useState(() => names.filter((name) => !offered.some((one) => one.name === name)).join('\n'))
  const chosen = new Set(names)
  const label = what === 'resource' ? 'Resources' : 'Prompts'
  const tell = (ticked: readonly string[], written: string) =>
    onChange(false, [...new Set([...ticked, ...linesOf(written)])])
  const ticked = (without?: string) =>
    offered.map(({ name }) => name).filter((name) => name !== without && chosen.has(name))
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <Checkbox
        label={`Every ${what}, also those that come later`}
        checked={all}
        onChange={({ target }) => (target.checked ? onChange(true, []) : tell([], text))}
      />
      {!all && offered.length > 0 && (
        <PickList
          label={label}
          items={offered}
          isTicked={({ name }) => chosen.has(name)}
          onToggle={(name, on) => {
            // It may have been written before it was ticked.
            const written = on
              ? text
              : linesOf(text)
                  .filter((line) => line !== name)
                  .join('\n')
            if (written !== text && !on) setText(written)
            tell(on ? [...ticked(), name] : ticked(name), written)
          }}
        >
          {(one) => (
            <>
              {one.more && <span className="text-muted">{one.more}</span>}
              <Suspect {...one} of={what} />
            </>
          )}
        </PickList>
      )}
      {!all && (
        <Textarea
          label={offered.length > 0 ? `Other ${label.toLowerCase()} by ${by}` : `${label} by ${by}`}
          hint="One a line, as the server spells it."
          rows={2}
          autoComplete="off"
          spellCheck={false}
          maxLength={20_000}
          value={text}
          onChange={({ target }) => {
            const before = new Set(linesOf(text))
            setText(target.value)
            tell(
              ticked().filter((name) => !before.has(name)),
              target.value,
            )
          }}
        />
      )}
    </div>
  )
}
