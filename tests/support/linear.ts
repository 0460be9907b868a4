/**
 * How many times as much work ten times the length is, in CPU: about ten where each character is looked at a fixed number of times, a
 * hundred for a pattern that goes back. What takes less than two milliseconds counts as two, whatever else runs.
 */
export async function growth(work: (length: number) => unknown, length: number): Promise<number> {
  const cost = async (length: number) => {
    const runs: number[] = []
    for (let run = 0; run < 3; run += 1) {
      const begun = process.cpuUsage()
      await work(length)
      const { user, system } = process.cpuUsage(begun)
      runs.push(user + system)
    }
    return Math.min(...runs)
  }
  await cost(length / 20)
  const small = Math.max(await cost(length / 10), 2_000)
  return (await cost(length)) / small
}
/** What {@link growth} stays below where work is linear, whatever the load does meanwhile. */
export const linearGrowth = 40
