'use client'
import { Input, Select } from '@/app/_ui/field.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { Inside, plain } from './oauth.tsx'
import type { SetupForm, SetupProps } from './setup-form.ts'

/** All that can be typed, as it is typed. */
type McpForm = {
  url: string
  /** Empty: the one that the server names first. */
  authorizationServer: string
  clientId: string
  clientSecret: string
  headerName: string
  headerValue: string
  internalOrigin: string
  certificates: string
}

export const mcpSetup: SetupForm<McpForm> = {
  ways: [
    {
      id: 'server',
      title: 'MCP server',
      text: 'By its address alone. Valetkey finds out how to sign in there, and registers itself where it can.',
      monogram: 'Mc',
      keywords: ['mcp', 'model context protocol', 'tools', 'agent', 'ai', 'remote server'],
    },
  ],
  start: () => ({
    url: '',
    authorizationServer: '',
    clientId: '',
    clientSecret: '',
    headerName: '',
    headerValue: '',
    internalOrigin: '',
    certificates: '',
  }),
  setupOf(form) {
    const typed = {
      authorization_server: form.authorizationServer,
      client_id: form.clientId.trim(),
      client_secret: form.clientSecret,
      header_name: form.headerName.trim(),
      header_value: form.headerValue,
      certificates: form.certificates,
    }
    return { url: form.url.trim(), ...Object.fromEntries(Object.entries(typed).filter(([, value]) => value.trim())) }
  },
  placeOf: (form) => form,
  needsNothing: () => false,
  secretOf: (_form, found) => found,
  ownsClient: true,
  fields: [
    'setup.url',
    'setup.authorization_server',
    'setup.client_id',
    'setup.client_secret',
    'setup.header_name',
    'setup.header_value',
    'setup.certificates',
  ],
  folded: [],
  Where,
  Scopes: () => null,
  Advanced: () => null,
}

function Where({ value, onChange, faultOf, found }: SetupProps<McpForm>) {
  const set = (changes: Partial<McpForm>) => onChange({ ...value, ...changes })
  const servers = found?.mcp?.authorization_servers ?? []
  const text = (name: keyof McpForm) => ({
    ...plain,
    value: value[name],
    onChange: (event: { target: { value: string } }) => set({ [name]: event.target.value }),
  })
  return (
    <>
      <Input
        label="Address of the MCP server"
        hint="Where its messages go, as its documentation names it. Mostly nothing else has to be entered."
        type="url"
        required
        placeholder="https://mcp.example.com/mcp"
        error={faultOf('setup.url')}
        {...text('url')}
      />
      {(servers.length > 1 || faultOf('setup.authorization_server')) && (
        <Select
          label="Authorization server"
          hint="The server takes tokens of several. Choose the one that your people sign in at, then check again."
          error={faultOf('setup.authorization_server')}
          value={value.authorizationServer || (servers[0] ?? '')}
          onChange={(event) => set({ authorizationServer: event.target.value })}
          options={(servers.length > 0 ? servers : [value.authorizationServer]).map((one) => ({
            value: one,
            label: one,
          }))}
        />
      )}
      <Fold
        title="A client that you registered"
        hint="Only where Valetkey cannot register itself, or should not."
        open={faultOf('setup.client_id') !== undefined || faultOf('setup.client_secret') !== undefined}
      >
        <Input label="Client id" optional maxLength={200} error={faultOf('setup.client_id')} {...text('clientId')} />
        <Input
          label="Client secret"
          optional
          type="password"
          maxLength={500}
          hint="Stored encrypted and never shown again. Left empty for a public client."
          error={faultOf('setup.client_secret')}
          {...text('clientSecret')}
          autoComplete="new-password"
        />
      </Fold>
      <Fold
        title="A key in a header"
        hint="For a server that knows no sign-in: everybody here uses it with this key."
        open={faultOf('setup.header_name') !== undefined || faultOf('setup.header_value') !== undefined}
      >
        <Input
          label="Header"
          optional
          maxLength={100}
          placeholder="X-Api-Key"
          error={faultOf('setup.header_name')}
          {...text('headerName')}
        />
        <Input
          label="Value"
          optional
          type="password"
          maxLength={2000}
          hint="Stored encrypted and never shown again."
          error={faultOf('setup.header_value')}
          {...text('headerValue')}
          autoComplete="new-password"
        />
      </Fold>
      <Inside called="the server" hasOrigin={false} value={value} set={set} faultOf={faultOf} />
    </>
  )
}
