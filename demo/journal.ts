import { chmodSync, closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'

/** Beyond this the journal is folded into the whole: a demo that runs for weeks must start quickly too. */
const JOURNAL_BYTES_MAX = 8 * 1024 * 1024

/**
 * A file that holds something whole, and a journal beside it with what came after, one JSON line each. Whatever moment the
 * process is killed at, both together tell of everything appended.
 */
export function openJournal(file: string) {
  const journal = `${file}.journal`
  let bytes = 0
  let isTorn = false
  let writing: Promise<void> = Promise.resolve()

  /** Whole first, then an empty journal: killed in between, entries are repeated over what has them already. */
  function compact(whole: unknown): void {
    writeFileSync(`${file}.tmp`, JSON.stringify(whole), { mode: 0o600 })
    chmodSync(`${file}.tmp`, 0o600)
    renameSync(`${file}.tmp`, file)
    closeSync(openSync(journal, 'w', 0o600))
    chmodSync(journal, 0o600)
    bytes = 0
  }

  return {
    /** What was written last; `whole` is undefined at the first start. @throws when it is no JSON */
    read(): { whole: unknown; entries: unknown[] } {
      const lines = (textOf(journal) ?? '').split('\n')
      // A line without its end was being written when the process was killed; it was never acknowledged.
      lines.pop()
      const text = textOf(file)
      return {
        whole: text === undefined ? undefined : JSON.parse(text),
        entries: lines.map((line) => JSON.parse(line)),
      }
    },
    compact,
    /**
     * Resolves when the entry, and all before it, are written. Without one it waits for those.
     * @throws when it cannot be written; what failed is in the next one's whole
     */
    append(entry: unknown, whole: () => unknown): Promise<void> {
      if (entry === undefined) return writing
      const line = `${JSON.stringify(entry)}\n`
      writing = writing
        .catch(() => {})
        .then(async () => {
          if (isTorn || bytes > JOURNAL_BYTES_MAX) {
            compact(whole())
          } else {
            isTorn = true
            await appendFile(journal, line, { mode: 0o600 })
            bytes += line.length
          }
          isTorn = false
        })
      return writing
    },
    async close(whole: () => unknown): Promise<void> {
      await writing.catch(() => {})
      compact(whole())
    },
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
