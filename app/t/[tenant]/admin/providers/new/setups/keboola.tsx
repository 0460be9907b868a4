'use client'
import { Input, Select } from '@/app/_ui/field.tsx'
import type { PresetView } from '@/lib/providers/kind.ts'
import { plain } from './oauth.tsx'
import type { SetupForm, SetupProps } from './setup-form.ts'

/** All that can be typed, as it is typed. */
type StackForm = {
  /** Of the stack that was chosen; empty: another one, by its address. */
  stack: string
  issuer: string
  client: string
  scope: string
  authorizePath: string
  tokenPath: string
  league: string
}

const clients = [
  { value: 'confidential', label: 'Confidential: with a client secret' },
  { value: 'public', label: 'Public: without a secret' },
]
const generations = [
  { value: '', label: 'Either: not known' },
  { value: '9', label: 'League 9: answers 400 invalid_grant' },
  { value: '8', label: 'League 8: answers 401 invalid_request' },
]

export const keboolaSetup: SetupForm<StackForm> = {
  ways: [
    {
      id: 'stack',
      title: 'Keboola stack',
      text: 'By its address. Any stack that is not in the list, such as one of your company alone.',
      monogram: 'Kb',
      keywords: ['keboola', 'connection', 'stack', 'storage', 'single-tenant'],
    },
  ],
  start: (preset) => ({
    stack: preset?.name ?? '',
    issuer: '',
    client: 'confidential',
    scope: '',
    authorizePath: '',
    tokenPath: '',
    league: '',
  }),
  setupOf,
  placeOf: ({ stack, issuer }) => [stack, issuer],
  needsNothing: (preset: PresetView | null) => preset !== null,
  secretOf: ({ client }) => (client === 'public' ? 'nothing' : 'secret'),
  fields: [
    'setup.issuer',
    'setup.stack',
    'setup.client',
    'setup.scope',
    'setup.authorize_path',
    'setup.token_path',
    'setup.league',
  ],
  folded: ['setup.scope', 'setup.authorize_path', 'setup.token_path', 'setup.league'],
  Where,
  Scopes,
  Advanced,
}

/** What is filled in; nothing that is empty is sent. */
function setupOf({ stack, issuer, client, scope, authorizePath, tokenPath, league }: StackForm) {
  return {
    ...(stack ? { stack } : { issuer: issuer.trim() }),
    client,
    ...(scope.trim() && { scope: scope.trim().split(/\s+/).join(' ') }),
    ...(authorizePath.trim() && { authorize_path: authorizePath.trim() }),
    ...(tokenPath.trim() && { token_path: tokenPath.trim() }),
    ...(league && { league: Number(league) }),
  }
}

function Where({ value, onChange, preset, faultOf }: SetupProps<StackForm>) {
  if (preset)
    return (
      <p>
        <code className="wrap-anywhere font-mono text-[13px]">{preset.place}</code>
      </p>
    )
  return (
    <Input
      label="Address"
      hint="The address of the stack, without a path."
      type="url"
      required
      placeholder="https://connection.example.com"
      {...plain}
      error={faultOf('setup.issuer')}
      value={value.issuer}
      onChange={(event) => onChange({ ...value, issuer: event.target.value })}
    />
  )
}

/** A stack is asked for no scopes; how the client is registered decides what else is asked here. */
function Scopes({ value, onChange, faultOf }: SetupProps<StackForm>) {
  return (
    <Select
      label="Registered as"
      hint="What the stack knows Valetkey as. A confidential client is safer: a code alone is then worth nothing."
      error={faultOf('setup.client')}
      value={value.client}
      onChange={(event) => onChange({ ...value, client: event.target.value })}
      options={clients}
    />
  )
}

function Advanced({ value, onChange, faultOf }: SetupProps<StackForm>) {
  const text = (name: 'scope' | 'authorizePath' | 'tokenPath') => ({
    ...plain,
    value: value[name],
    onChange: (event: { target: { value: string } }) => onChange({ ...value, [name]: event.target.value }),
  })
  return (
    <>
      <Input
        label="Scope"
        optional
        hint="Sent in every link. If empty, none is sent and the stack gives its default."
        maxLength={500}
        error={faultOf('setup.scope')}
        {...text('scope')}
      />
      <Input
        label="Path of the sign-in page"
        optional
        placeholder="/oauth/authorize"
        maxLength={200}
        error={faultOf('setup.authorize_path')}
        {...text('authorizePath')}
      />
      <Input
        label="Path of the token endpoint"
        optional
        placeholder="/oauth/token"
        maxLength={200}
        error={faultOf('setup.token_path')}
        {...text('tokenPath')}
      />
      <Select
        label="A refresh token that is over"
        hint="How its OAuth server says so. A server that is known to be newer is not misread where a proxy in between answers 401."
        error={faultOf('setup.league')}
        value={value.league}
        onChange={(event) => onChange({ ...value, league: event.target.value })}
        options={generations}
      />
    </>
  )
}
