// What the conformance package starts as the client under test: hands the server's address to the process that tests.
const [, , url] = process.argv
const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_CONTEXT: context, CONFORMANCE_DRIVER: driver } = process.env
const answer = await fetch(String(driver), {
  method: 'POST',
  body: JSON.stringify({ url, scenario, context: context ? JSON.parse(context) : {} }),
})
console.log(await answer.text())
process.exit(answer.ok ? 0 : 1)
