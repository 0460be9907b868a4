// Written by `npm run presets:generate`.
import { Preset } from '../preset.ts'

/** What is known of famous servers, by name. */
export const presets: ReadonlyMap<string, Preset> = new Map(
  [].map((file: unknown) => Preset.parse(file)).map((preset) => [preset.name, preset]),
)
