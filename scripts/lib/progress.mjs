import { performance } from 'node:perf_hooks'

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/**
 * Runs `work` and shows that it is running: a live line on a terminal, otherwise a line at the start, one every ten seconds
 * and one at the end.
 * @param {string} title
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 * @template T
 */
export async function step(title, work) {
  const { isTTY } = process.stdout
  const began = performance.now()
  const live = () => process.stdout.write(`\r  ${title} … ${seconds(began)} `)
  if (isTTY) live()
  else console.log(`  ${title} …`)
  const timer = setInterval(isTTY ? live : () => console.log(`  ${title} … ${seconds(began)}`), isTTY ? 100 : 10_000)
  const end = (mark) => {
    clearInterval(timer)
    const line = `${mark} ${title} (${seconds(began)})`
    console.log(isTTY ? `\r\x1b[2K${line}` : line)
  }
  try {
    const result = await work()
    end('✓')
    return result
  } catch (error) {
    end('✗')
    throw error
  }
}
