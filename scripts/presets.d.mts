export function presetsIndex(): string
