const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** Seconds as they are typed: `90m`, `1h`, `45s`, by the largest unit of which they are whole. */
export function spellSeconds(seconds: number): string {
  const [unit, each] = units.find(([, each]) => seconds % each === 0 && seconds >= each) ?? ['s', 1]
  return `${seconds / each}${unit}`
}

/** `15m`, `1h`, `90s`, `1d`, or whole seconds alone; undefined: neither. */
export function readSeconds(text: string): number | undefined {
  const [, digits, unit = 's'] = /^([0-9]{1,7})([smhd])?$/.exec(text) ?? []
  const each = units.find(([name]) => name === unit)?.[1]
  return digits === undefined || each === undefined ? undefined : Number(digits) * each
}
