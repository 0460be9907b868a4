/** A line of a unified diff; `sign` as diff writes it. */
export type DiffLine = { sign: ' ' | '-' | '+' | '@'; text: string }

const around = 3

/** Which lines are in both texts, in order: the longest common subsequence. The files are short. */
function changes(before: string[], after: string[]): { sign: ' ' | '-' | '+'; at: number }[] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  const length = (one: number, other: number) => lengths[one]?.[other] ?? 0
  for (let one = before.length - 1; one >= 0; one -= 1)
    for (let other = after.length - 1; other >= 0; other -= 1) {
      const row = lengths[one]
      if (row)
        row[other] =
          before[one] === after[other]
            ? length(one + 1, other + 1) + 1
            : Math.max(length(one + 1, other), length(one, other + 1))
    }
  const found: { sign: ' ' | '-' | '+'; at: number }[] = []
  for (let [one, other] = [0, 0]; one < before.length || other < after.length; ) {
    if (one < before.length && before[one] === after[other]) {
      found.push({ sign: ' ', at: one++ })
      other++
    } else if (one < before.length && (other >= after.length || length(one + 1, other) >= length(one, other + 1)))
      found.push({ sign: '-', at: one++ })
    else found.push({ sign: '+', at: other++ })
  }
  return found
}

/**
 * What changes, as `diff -u` has it: compared as it is, shown as it may be seen. `shown` has the same lines.
 */
export function unifiedDiff(before: string, after: string, shown: (text: string) => string): DiffLine[] {
  const all = changes(before.split('\n'), after.split('\n'))
  const [seenBefore, seenAfter] = [shown(before).split('\n'), shown(after).split('\n')]
  const isNear = (at: number) => all.slice(Math.max(0, at - around), at + around + 1).some(({ sign }) => sign !== ' ')
  const lines: DiffLine[] = []
  let [one, other] = [1, 1]
  let hunk: { line: DiffLine; one: number; other: number; ones: number; others: number } | undefined
  for (const [at, { sign, at: from }] of all.entries()) {
    if (isNear(at)) {
      if (!hunk) {
        hunk = { line: { sign: '@', text: '' }, one, other, ones: 0, others: 0 }
        lines.push(hunk.line)
      }
      lines.push({ sign, text: (sign === '+' ? seenAfter : seenBefore)[from] ?? '' })
      if (sign !== '+') hunk.ones += 1
      if (sign !== '-') hunk.others += 1
      hunk.line.text = `@ -${hunk.one},${hunk.ones} +${hunk.other},${hunk.others} @@`
    } else hunk = undefined
    if (sign !== '+') one += 1
    if (sign !== '-') other += 1
  }
  return lines
}
