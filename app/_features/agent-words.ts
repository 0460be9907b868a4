/** The first that is named counts: Edge and Opera name Chrome as well, and Chrome names Safari. */
const browsers: [RegExp, string][] = [
  [/\bEdgA?\/|\bEdgiOS\//, 'Edge'],
  [/\bOPR\/|\bOpera\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/\bHeadlessChrome\//, 'Chrome without a window'],
  [/\bChrome\/|\bCriOS\//, 'Chrome'],
  [/\bVersion\/\S+ .*\bSafari\//, 'Safari'],
]
const systems: [RegExp, string][] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows NT\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

/** Browser and system of a user agent, as people call them; what is no browser's, by its first word. */
export function agentWords(agent: string | null): string {
  if (agent === null || agent.trim() === '') return 'unknown browser'
  const of = (known: [RegExp, string][]) => known.find(([form]) => form.test(agent))?.[1]
  const [browser, system] = [of(browsers), of(systems)]
  if (browser) return system ? `${browser} on ${system}` : browser
  const [first = agent] = agent.split(/[\s/]/)
  return first === 'Mozilla' ? `a browser${system ? ` on ${system}` : ''}` : first.slice(0, 40)
}
