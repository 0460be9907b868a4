export type Counts = { passed: number; failed: number; skipped: number }
export function countPlaywright(report: unknown): Counts
export function passedByPlaywright(report: unknown): string[][]
