/** `more`: further files to make, by their names, of sources in the folder of the command. */
export function buildCommand(outdir?: string, more?: Record<string, string>): Promise<unknown>
