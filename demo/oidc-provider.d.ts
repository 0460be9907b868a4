declare module 'oidc-provider/lib/provider.js' {
  export { Provider } from 'oidc-provider'
}
declare module 'oidc-provider/lib/helpers/interaction_policy/index.js' {
  import { interactionPolicy } from 'oidc-provider'
  export import Prompt = interactionPolicy.Prompt
  export import Check = interactionPolicy.Check
  export import base = interactionPolicy.base
}
declare module 'oidc-provider/lib/helpers/errors.js' {
  export const InvalidTarget: new () => Error
}
