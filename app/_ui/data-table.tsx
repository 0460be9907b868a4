'use client'
import { ArrowDown, ArrowUp, ChevronsUpDown } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Tick } from './checkbox.tsx'
import { cn } from './cn.ts'
import Link from './link.tsx'
import { type Content, drawn } from './said.tsx'
import { SelectionBar } from './selection-bar.tsx'

export type Column = {
  key: string
  header: string
  align?: 'start' | 'end'
  /** Fingerprints, codes, scopes. */
  mono?: boolean
  /** A Tailwind width that the column keeps on every screen; what is left is shared by the columns without one. */
  width?: string
  /** Below 1,280 px the cell stands in a line under its row: a table's state never leaves the screen for it. */
  fold?: boolean
  /** The header is read but not shown: actions. */
  quiet?: boolean
  /** The header sorts by its column: where that leads, and how the table is sorted by it now. */
  sort?: { href: string; order?: 'ascending' | 'descending' | undefined }
}

export type Row = {
  id: string
  /** Names the row for a screen reader: "vk…a91f". */
  label: string
  cells: Record<string, Content>
  /** Cannot be ticked: already ended. */
  fixed?: boolean
}

/** Either the ticked rows, or everything that the filter matches, on other pages too. */
export type Selection = { kind: 'rows'; ids: string[] } | { kind: 'all'; count: number }

export type DataTableProps = {
  caption: string
  /** The first column heads its row. */
  columns: Column[]
  rows: Row[]
  /** When the rows were read (ISO 8601): what their times are told from. */
  now?: string
  /**
   * Present: rows can be ticked. `matchCount` is how many rows the filter matches over all pages; `isCapped`: nobody
   * counted on, there are more.
   */
  selection?: {
    matchCount: number
    isCapped?: boolean
    actions: (selection: Selection, clear: () => void) => ReactNode
  }
}

const number = new Intl.NumberFormat('en')

/**
 * A table of view objects that never scrolls sideways: widths are fixed, columns fold below 1,280 px, and below 768 px
 * each row is a card.
 */
export function DataTable({ caption, columns, rows, now, selection }: DataTableProps) {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set())
  const [everything, setEverything] = useState(false)
  const free = rows.filter((row) => !row.fixed)
  const looks = columns.map(lookOf)
  // Rows that have left the list are no longer selected.
  const ids = free.filter((row) => ticked.has(row.id)).map((row) => row.id)
  const all = free.length > 0 && ids.length === free.length

  function clear() {
    setTicked(new Set())
    setEverything(false)
  }
  function tick(next: Iterable<string>) {
    setEverything(false)
    setTicked(new Set(next))
  }
  const toggle = (id: string, on: boolean) => tick(on ? [...ids, id] : ids.filter((other) => other !== id))
  const chosen: Selection =
    everything && selection && all ? { kind: 'all', count: selection.matchCount } : { kind: 'rows', ids }
  const allBox = selection && (
    <Tick
      aria-label="Select all on this page"
      checked={all}
      indeterminate={!all && ids.length > 0}
      disabled={free.length === 0}
      onChange={() => (all ? clear() : tick(free.map((row) => row.id)))}
    />
  )
  return (
    <div>
      {selection && (
        // The header row is out of sight on phones, its box is not.
        <div className="mb-2 flex items-center justify-end gap-3 pr-4 md:hidden">
          <span aria-hidden className="text-muted">
            All on this page
          </span>
          {allBox}
        </div>
      )}
      <table
        data-folds={columns.some(({ fold }) => fold) || undefined}
        className="data-table w-full table-fixed border-separate border-spacing-0 rounded-lg border bg-surface text-left"
      >
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            {selection && (
              <th data-box className={cn(headLook, 'w-10 pr-0 max-md:hidden')}>
                {allBox}
              </th>
            )}
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                data-kept={column.width ? true : undefined}
                data-fold={column.fold}
                className={cn(headLook, column.width, column.align === 'end' && 'text-right')}
                aria-sort={column.sort?.order}
              >
                {column.quiet ? (
                  <span className="sr-only">{column.header}</span>
                ) : column.sort ? (
                  <SortLink {...column.sort}>{column.header}</SortLink>
                ) : (
                  column.header
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const on = ids.includes(row.id)
            return (
              <tr
                key={row.id}
                id={row.id}
                data-selected={on || undefined}
                className="group hover:bg-raised data-selected:bg-accent-tint target:bg-accent-tint"
              >
                {selection && (
                  <td data-box className="w-10 pr-0">
                    <Tick
                      aria-label={`Select ${row.label}`}
                      checked={on}
                      disabled={row.fixed}
                      onChange={(event) => toggle(row.id, event.target.checked)}
                    />
                  </td>
                )}
                {columns.map((column, index) => (
                  <Cell key={column.key} column={column} look={looks[index]} heads={index === 0}>
                    {drawn(row.cells[column.key], now)}
                  </Cell>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
      {selection && ids.length > 0 && (
        <SelectionBar
          summary={
            chosen.kind === 'all'
              ? `${selection.isCapped ? 'more than ' : ''}${number.format(chosen.count)} selected (all matches)`
              : `${number.format(ids.length)} selected`
          }
          onClear={clear}
          onSelectAll={
            all && chosen.kind === 'rows' && selection.matchCount > ids.length
              ? {
                  label: selection.isCapped
                    ? 'Select all matches'
                    : `Select all ${number.format(selection.matchCount)} matches`,
                  act: () => setEverything(true),
                }
              : undefined
          }
        >
          {selection.actions(chosen, clear)}
        </SelectionBar>
      )}
    </div>
  )
}

const headLook =
  'sticky top-0 z-10 h-10 whitespace-nowrap border-b bg-surface px-3 font-normal text-[13px] text-muted first:rounded-tl-lg first:pl-4 last:rounded-tr-lg last:pr-4'
/** What its column adds to the look of all cells (globals.css). */
const lookOf = ({ width, align, mono }: Column) =>
  cn(width, align === 'end' && 'text-right', mono && 'font-mono text-[13px]') || undefined

function SortLink({ href, order, children }: NonNullable<Column['sort']> & { children: string }) {
  const Arrow = order === undefined ? ChevronsUpDown : order === 'ascending' ? ArrowUp : ArrowDown
  return (
    <>
      {/* Where the header is out of sight, nothing in it takes the focus. */}
      <span className="md:hidden">{children}</span>
      <Link
        href={href}
        className={cn(
          'inline-flex items-center gap-1 rounded-sm hover:text-ink max-md:hidden',
          order && 'font-semibold text-ink',
        )}
      >
        {children}
        <Arrow aria-hidden className="size-3.5" />
      </Link>
    </>
  )
}

type CellProps = { column: Column; look: string | undefined; heads: boolean; children: ReactNode }

function Cell({ column, look, heads, children }: CellProps) {
  const kept = column.width ? true : undefined
  if (heads) {
    return (
      <th scope="row" data-kept={kept} className={look}>
        {children}
      </th>
    )
  }
  return (
    <td
      className={look}
      data-kept={kept}
      data-fold={column.fold}
      data-column={column.quiet ? undefined : column.header}
    >
      {children}
    </td>
  )
}
