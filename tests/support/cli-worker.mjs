// A process that runs the command again and again: `node cli-worker.mjs BUNDLE CLOCK_OFFSET_MS`. Each line of its input is a command line
// in JSON, and answered by a line: exit code and output.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [, , bundle, offset] = process.argv
const { now } = Date
Date.now = () => now() + Number(offset)
const { run } = await import(pathToFileURL(bundle).href)

for await (const line of createInterface({ input: process.stdin })) {
  let output = ''
  const stream = {
    write(text) {
      output += text
    },
  }
  const code = await run(JSON.parse(line), {
    env: process.env,
    platform: process.platform,
    cwd: process.cwd(),
    userHome: process.env.HOME,
    streams: { stdin: {}, stdout: stream, stderr: stream },
    signal: new AbortController().signal,
  })
  process.stdout.write(`${JSON.stringify({ code, output })}\n`)
}
