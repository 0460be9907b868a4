// Of a package that is CommonJS a bundle has names only where they are imported by name; so this file is what is loaded late.
export { EnvHttpProxyAgent, fetch, Request } from 'undici'
