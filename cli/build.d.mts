export function buildCommand(outdir?: string): Promise<unknown>
