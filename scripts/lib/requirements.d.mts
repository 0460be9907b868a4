export type Requirement = { id: string; text: string; source: string }
export type Pledge = { promise: string; tests?: string[]; requirements?: Requirement[] }
export function idsOf(title: string): string[]
export function readPromises(): Promise<Pledge[]>
export function requirementsOf(promises: Pledge[]): Requirement[]
export function carriers(): Promise<{ file: string; ids: string[]; title: string }[]>
export function pages(): Promise<Record<string, string>>
