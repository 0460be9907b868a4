// What the machine-readable reports of the two test runners say.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @returns {Counts} */
export const countVitest = (report) => ({
  passed: report.numPassedTests,
  failed: report.numFailedTests,
  skipped: report.numPendingTests + report.numTodoTests,
})

/**
 * A test that failed and then passed at a retry has failed: what it guards did not hold.
 * @returns {Counts}
 */
export const countPlaywright = ({ stats }) => ({
  passed: stats.expected,
  failed: stats.unexpected + stats.flaky,
  skipped: stats.skipped,
})

/** Passed tests of a vitest report, each as its chain of titles. */
export const passedByVitest = (results) =>
  results.testResults
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status === 'passed')
    .map((test) => [...test.ancestorTitles, test.title])

/** Passed tests of a Playwright report. One expected to fail did not pass, nor did one that passed at a retry. */
export const passedByPlaywright = (node, titles = []) => [
  ...(node.specs ?? [])
    .filter(({ tests }) => tests.length > 0 && tests.every(isPassed))
    .map((spec) => [...titles, spec.title]),
  ...(node.suites ?? []).flatMap((suite) => passedByPlaywright(suite, [...titles, suite.title])),
]

const isPassed = ({ results }) => results.length === 1 && results[0].status === 'passed'
