import { z } from 'zod'

/** Somebody signed in at a server, in one tenant. Nothing of it is secret. */
export type Account = {
  /** Origin. */
  server: string
  tenant: string
  /** As the server names whom it is. */
  person: string
  scopes: string[]
  signedInAt: string
  /** Where the tokens are kept: see vaults/. */
  vault: string
  /** Why the sign-in is over, where it is. */
  over: string | null
}

const Accounts = z.object({
  version: z.literal(1),
  /** Key of the account that is used where nothing else says so. */
  default: z.string().nullable(),
  accounts: z.array(
    z.object({
      server: z.string(),
      tenant: z.string(),
      person: z.string(),
      scopes: z.array(z.string()),
      signedInAt: z.string(),
      vault: z.string(),
      over: z.string().nullable(),
    }),
  ),
})
export type Accounts = z.infer<typeof Accounts>
