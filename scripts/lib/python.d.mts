export function findPython(name: string, packages: string[]): Promise<string | undefined>
