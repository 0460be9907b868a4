/** Whether a name is what it looks like: letters, digits and what names are joined by (SEP-986). */
export const isPlain = (name: string): boolean => /^[A-Za-z0-9_.\-/]{1,128}$/.test(name)

/** Letters that pass for others: those of Cyrillic and Greek that look like Latin ones, and digits that look like letters. */
const passing: Record<string, string> = {
  а: 'a',
  е: 'e',
  о: 'o',
  р: 'p',
  с: 'c',
  у: 'y',
  х: 'x',
  і: 'l',
  ѕ: 's',
  ј: 'j',
  ԁ: 'd',
  ɡ: 'g',
  ո: 'n',
  α: 'a',
  ο: 'o',
  ν: 'v',
  ι: 'l',
  '0': 'o',
  '1': 'l',
  i: 'l',
  '|': 'l',
}

/** What is left of a name when it is looked at in passing (Unicode TS 39 4, for what occurs in names of tools). */
const skeleton = (name: string): string =>
  [...name.normalize('NFKC').toLowerCase()]
    .map((letter) => passing[letter] ?? letter)
    .join('')
    .replace(/[\s_.\-/]/g, '')

/** Those names that another one of them can be taken for. */
export function lookAlikes(names: readonly string[]): Set<string> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(skeleton(name), (counts.get(skeleton(name)) ?? 0) + 1)
  return new Set(names.filter((name) => (counts.get(skeleton(name)) ?? 0) > 1))
}
