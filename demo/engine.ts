// The inner modules, because the package's index prints a runtime notice on the oldest Node this product supports.

export { InvalidTarget } from 'oidc-provider/lib/helpers/errors.js'
export { base, Check, Prompt } from 'oidc-provider/lib/helpers/interaction_policy/index.js'
export { Provider } from 'oidc-provider/lib/provider.js'
