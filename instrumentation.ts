import type { Instrumentation } from 'next'

/** Next tells here of every error of a page, before the page's head has left. */
export const onRequestError: Instrumentation.onRequestError = async (error, _request, { routePath }) => {
  // Next bundles this file for its other runtime as well, where none of ours runs.
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { noteFailedPage } = await import('./lib/http/page-error.ts')
  await noteFailedPage(error, routePath)
}
