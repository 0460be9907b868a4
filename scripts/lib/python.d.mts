export function findPython(name: 'authlib' | 'pyjwt'): Promise<string | undefined>
