/** Of a package that is CommonJS: bundled, only a static import knows its names. Load this file where it is needed. */
export { Agent, EnvHttpProxyAgent, fetch, Request, request } from 'undici'
