'use client'
import { type ChangeEvent, useId } from 'react'
import { ScopeList } from '@/app/_features/scope-list.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { Input, Select, Textarea } from '@/app/_ui/field.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { Rows } from '@/app/_ui/rows.tsx'
import type { PresetView } from '@/lib/providers/kind.ts'
import { authorizationNames, tokenNames } from '@/lib/providers/oauth/parameters.ts'
import type { SetupForm, SetupProps } from './setup-form.ts'

type Endpoint = (typeof endpoints)[number]['name']
type Base = { name: string; url: string }
type Parameter = { name: string; value: string }

/** All that can be typed, as it is typed. */
type OauthForm = {
  way: string
  variables: Record<string, string>
  issuer: string
  endpoints: Record<Endpoint, string>
  bases: Base[]
  /** Of those that the preset knows. */
  known: string[]
  /** One a line. */
  scopes: string
  authentication: string
  internalOrigin: string
  certificates: string
  authorizationParameters: Parameter[]
  tokenParameters: Parameter[]
  senderConstrained: boolean
}

const endpoints = [
  {
    name: 'authorization_endpoint',
    label: 'Authorization endpoint',
    required: true,
    hint: 'Where people are sent to allow access.',
  },
  {
    name: 'token_endpoint',
    label: 'Token endpoint',
    required: true,
    hint: 'Where codes and refresh tokens are exchanged.',
  },
  {
    name: 'revocation_endpoint',
    label: 'Revocation endpoint',
    required: false,
    hint: 'RFC 7009. Without it, disconnecting destroys our copy alone.',
  },
  {
    name: 'userinfo_endpoint',
    label: 'Userinfo endpoint',
    required: false,
    hint: 'Names the account of a connection.',
  },
  {
    name: 'jwks_uri',
    label: 'Address of its keys (jwks_uri)',
    required: false,
    hint: 'Needed to check ID tokens, with the scope openid.',
  },
] as const

const authentications = {
  basic: 'Client secret in a header (client_secret_basic)',
  post: 'Client secret in the form (client_secret_post)',
  private_key_jwt: 'Signature with a key made here (private_key_jwt)',
  none: 'None: a public client, with PKCE alone',
} as const

const secrets = { basic: 'secret', post: 'secret', private_key_jwt: 'key', none: 'nothing' } as const

export const oauthSetup: SetupForm<OauthForm> = {
  ways: [
    {
      id: 'issuer',
      title: 'Any OpenID Connect or OAuth server',
      text: 'By its issuer: the endpoints are read from its metadata.',
      monogram: 'ID',
      keywords: ['oidc', 'openid', 'oauth', 'issuer', 'discovery', 'custom', 'other'],
    },
    {
      id: 'endpoints',
      title: 'Enter the endpoints',
      text: 'For an OAuth server that publishes no metadata.',
      monogram: '…',
      keywords: ['oauth', 'endpoints', 'custom', 'other', 'manual'],
    },
  ],
  start: (preset, way) => ({
    way,
    variables: Object.fromEntries((preset?.variables ?? []).map((one) => [one.name, one.default ?? ''])),
    issuer: '',
    endpoints: {
      authorization_endpoint: '',
      token_endpoint: '',
      revocation_endpoint: '',
      userinfo_endpoint: '',
      jwks_uri: '',
    },
    bases: preset ? [] : [{ name: '', url: '' }],
    known: (preset?.scopes.known ?? []).filter(({ suggested }) => suggested).map(({ name }) => name),
    scopes: '',
    authentication: '',
    internalOrigin: '',
    certificates: '',
    authorizationParameters: [],
    tokenParameters: [],
    senderConstrained: false,
  }),
  setupOf,
  placeOf: ({ variables, issuer, endpoints, internalOrigin, certificates }) => [
    variables,
    issuer,
    endpoints,
    internalOrigin,
    certificates,
  ],
  needsNothing: (preset) => preset?.variables.length === 0,
  secretOf: ({ authentication }, found) => secrets[authentication as keyof typeof secrets] ?? found,
  fields: [
    'setup.variables',
    'setup.issuer',
    ...endpoints.map(({ name }) => `setup.${name}`),
    'setup.api_bases',
    'setup.scopes',
    'setup.client_authentication',
    'setup.internal_origin',
    'setup.certificates',
    'setup.authorization_parameters',
    'setup.token_parameters',
    'setup.sender_constrained',
  ],
  folded: [
    'setup.client_authentication',
    'setup.api_bases',
    'setup.authorization_parameters',
    'setup.token_parameters',
    'setup.sender_constrained',
  ],
  Where,
  Scopes,
  Advanced,
}

/** What is filled in; nothing that is empty is sent. */
function setupOf(form: OauthForm, preset: PresetView | null): Record<string, unknown> {
  const bases = form.bases
    .map(({ name, url }) => ({ name: name.trim() || hostOf(url), url: url.trim() }))
    .filter(({ url }) => url !== '')
  const typed = Object.fromEntries(Object.entries(form.endpoints).filter(([, url]) => url.trim() !== ''))
  const scopes = [...form.known, ...form.scopes.split(/[\s,]+/).filter((name) => name !== '')]
  return {
    ...(preset && { preset: preset.name, ...(preset.variables.length > 0 && { variables: trimmed(form.variables) }) }),
    ...(form.issuer.trim() && { issuer: form.issuer.trim() }),
    ...(form.way === 'endpoints' && trimmed(typed)),
    ...(bases.length > 0 && { api_bases: bases }),
    ...(!preset?.scopes.fixedAtRegistration && { scopes: [...new Set(scopes)] }),
    ...(form.authentication && { client_authentication: form.authentication }),
    ...(form.internalOrigin.trim() && { internal_origin: form.internalOrigin.trim() }),
    ...(form.certificates.trim() && { certificates: form.certificates }),
    ...parametersOf('authorization_parameters', form.authorizationParameters),
    ...parametersOf('token_parameters', form.tokenParameters),
    ...(form.senderConstrained && { sender_constrained: true }),
  }
}

const trimmed = (texts: Record<string, string>) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, text.trim()]))
const hostOf = (url: string) => URL.parse(url.trim())?.host || 'API'
const parametersOf = (field: string, rows: Parameter[]) => {
  const given = rows.filter(({ name, value }) => name !== '' && value !== '')
  return given.length > 0 ? { [field]: Object.fromEntries(given.map(({ name, value }) => [name, value])) } : {}
}

/** A line of text that no browser fills in. */
export const plain = { autoComplete: 'off', autoCapitalize: 'none', spellCheck: false } as const

function Where({ value, onChange, preset, faultOf }: SetupProps<OauthForm>) {
  const set = (changes: Partial<OauthForm>) => onChange({ ...value, ...changes })
  return (
    <>
      {preset?.variables.map(({ name, label, hint, placeholder }) => (
        <Input
          key={name}
          label={label}
          hint={hint}
          placeholder={placeholder}
          required
          maxLength={200}
          {...plain}
          error={faultOf(`setup.variables.${name}`)}
          value={value.variables[name] ?? ''}
          onChange={(event) => set({ variables: { ...value.variables, [name]: event.target.value } })}
        />
      ))}
      {value.way === 'endpoints' &&
        endpoints.map(({ name, label, hint, required }) => (
          <Input
            key={name}
            label={label}
            hint={hint}
            type="url"
            required={required}
            optional={!required}
            placeholder={required ? 'https://login.example.com/…' : undefined}
            {...plain}
            error={faultOf(`setup.${name}`)}
            value={value.endpoints[name]}
            onChange={(event) => set({ endpoints: { ...value.endpoints, [name]: event.target.value } })}
          />
        ))}
      {!preset && (
        <Input
          label="Issuer"
          hint={
            value.way === 'issuer'
              ? 'Exactly as the server names it. Its metadata is read once, now.'
              : 'Its name in ID tokens and answers, where it has one. Left empty: the origin of its authorization endpoint.'
          }
          type="url"
          required={value.way === 'issuer'}
          optional={value.way !== 'issuer'}
          placeholder="https://login.example.com"
          {...plain}
          error={faultOf('setup.issuer')}
          value={value.issuer}
          onChange={(event) => set({ issuer: event.target.value })}
        />
      )}
      {!preset && <Bases value={value} set={set} faultOf={faultOf} />}
      <Inside
        called="the server"
        hasOrigin={!preset || preset.variables.length > 0}
        value={value}
        set={set}
        faultOf={faultOf}
      />
    </>
  )
}

type InsideProps = {
  /** How its people call the upstream. */
  called: string
  hasOrigin: boolean
  value: Pick<OauthForm, 'internalOrigin' | 'certificates'>
  set: (changes: Partial<InsideProps['value']>) => void
  faultOf: SetupProps<OauthForm>['faultOf']
}

/** Of an upstream that is reached from inside by another name, or vouched for by a CA of one's own. */
export function Inside({ called, hasOrigin, value, set, faultOf }: InsideProps) {
  return (
    <Fold
      title="Reached from inside your network"
      hint="An internal address, or certificates of your own CA."
      open={faultOf('setup.internal_origin') !== undefined || faultOf('setup.certificates') !== undefined}
    >
      {hasOrigin && (
        <Input
          label="Internal origin"
          optional
          hint={`Where Valetkey calls ${called}, if that is not where browsers find it. People are still sent to its public address, and both names count as the issuer.`}
          type="url"
          placeholder="https://login.internal:8443"
          {...plain}
          error={faultOf('setup.internal_origin')}
          value={value.internalOrigin}
          onChange={(event) => set({ internalOrigin: event.target.value })}
        />
      )}
      <Certificates
        value={value.certificates}
        error={faultOf('setup.certificates')}
        onChange={(certificates) => set({ certificates })}
      />
    </Fold>
  )
}

type PartProps = Pick<SetupProps<OauthForm>, 'value' | 'faultOf'> & { set: (changes: Partial<OauthForm>) => void }

/** The APIs that tokens are for; each is a project. */
function Bases({ value, set, faultOf, replaced }: PartProps & { replaced?: Base[] }) {
  const named = value.bases.some((_, index) => faultOf(`setup.api_bases.${index}`))
  return (
    <Rows
      legend="API addresses"
      hint={
        replaced
          ? `Left empty: ${replaced.map(({ url }) => url).join(', ')}. Each one is a project.`
          : 'What the tokens are for. Each address is a project that connections reach.'
      }
      noun="API"
      rows={value.bases}
      least={replaced ? 0 : 1}
      blank={{ name: '', url: '' }}
      error={named ? undefined : faultOf('setup.api_bases')}
      onChange={(bases) => set({ bases })}
    >
      {(base, change, index) => (
        <>
          <Input
            label="Name"
            optional
            maxLength={80}
            placeholder="Tickets"
            autoComplete="off"
            error={faultOf(`setup.api_bases.${index}.name`)}
            value={base.name}
            onChange={(event) => change({ ...base, name: event.target.value })}
          />
          <Input
            label="Address"
            type="url"
            required={!replaced}
            placeholder="https://api.example.com/v1"
            {...plain}
            error={faultOf(`setup.api_bases.${index}.url`)}
            value={base.url}
            onChange={(event) => change({ ...base, url: event.target.value })}
          />
        </>
      )}
    </Rows>
  )
}

type CertificatesProps = { value: string; error: string | undefined; onChange: (pem: string) => void }

function Certificates({ value, error, onChange }: CertificatesProps) {
  const id = useId()
  async function read({ target }: ChangeEvent<HTMLInputElement>) {
    const files = [...(target.files ?? [])]
    const texts = await Promise.all(files.map((file) => file.text()))
    onChange([value.trim(), ...texts].filter((text) => text !== '').join('\n'))
    target.value = ''
  }
  return (
    <div className="flex flex-col gap-2">
      <Textarea
        label="CA certificates"
        optional
        hint="PEM, of the CA that vouches for this server, beside the public ones. No private key."
        rows={4}
        spellCheck={false}
        autoComplete="off"
        placeholder="-----BEGIN CERTIFICATE-----"
        className="font-mono text-[13px]"
        error={error}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <label htmlFor={id} className="flex flex-wrap items-center gap-2 text-[14px] text-muted">
        Or add a file
        <input
          id={id}
          type="file"
          accept=".pem,.crt,.cer"
          multiple
          onChange={read}
          className="min-w-0 max-w-full text-ink file:mr-3 file:h-8 file:rounded-lg file:border file:border-edge file:bg-surface file:px-3 file:font-semibold file:text-ink"
        />
      </label>
    </div>
  )
}

function Scopes({ value, onChange, preset, faultOf }: SetupProps<OauthForm>) {
  const set = (changes: Partial<OauthForm>) => onChange({ ...value, ...changes })
  const fault = faultOf('setup.scopes')
  if (preset?.scopes.fixedAtRegistration)
    return (
      <div className="flex flex-col gap-1">
        <p className="font-semibold">Scopes</p>
        <p className="text-muted">
          They are chosen where the client is registered. Valetkey sends none, so every connection has all of them.
        </p>
      </div>
    )
  const choosable = (preset?.scopes.known ?? []).filter(({ name }) => !preset?.scopes.always.includes(name))
  return (
    <div className="flex min-w-0 flex-col gap-3">
      {preset && choosable.length > 0 && (
        <ScopeList
          label="Scopes"
          hint={`What every connection asks its person for.${choosable.some(({ suggested }) => suggested) ? ' The usual ones are chosen.' : ''}${alwaysWords(preset)}`}
          scopes={choosable}
          value={value.known}
          onChange={(known) => set({ known })}
        />
      )}
      <Textarea
        label={preset ? 'Further scopes' : 'Scopes'}
        optional={preset !== null}
        hint={
          preset
            ? 'One a line, as its documentation spells them.'
            : 'What every connection asks its person for: one a line. Most OpenID servers need openid, and offline_access for a refresh token.'
        }
        rows={preset ? 2 : 4}
        placeholder={preset ? undefined : 'openid\noffline_access'}
        {...plain}
        className="font-mono text-[13px]"
        error={fault}
        value={value.scopes}
        onChange={(event) => set({ scopes: event.target.value })}
      />
    </div>
  )
}

/** What is asked whatever is chosen, with what it lets do where that is known. */
function alwaysWords({ scopes: { always, known } }: PresetView): string {
  const words = always.map((name) => {
    const text = known.find((scope) => scope.name === name)?.text
    return text ? `${name} (${text})` : name
  })
  return words.length > 0 ? ` Asked in any case: ${words.join(', ')}.` : ''
}

function Advanced({ value, onChange, preset, faultOf }: SetupProps<OauthForm>) {
  const set = (changes: Partial<OauthForm>) => onChange({ ...value, ...changes })
  const fault = faultOf('setup.sender_constrained')
  const byPreset = preset && authentications[preset.clientAuthentication as keyof typeof authentications]
  return (
    <>
      <Select
        label="Client authentication"
        hint={
          value.authentication === 'private_key_jwt'
            ? 'After you save, the provider’s card shows the address of its public keys. Register it at the upstream.'
            : 'How Valetkey proves to the token endpoint that it is the client.'
        }
        error={faultOf('setup.client_authentication')}
        value={value.authentication}
        onChange={(event) => set({ authentication: event.target.value })}
        options={[
          { value: '', label: byPreset ? `As usual there: ${byPreset}` : 'As the server’s metadata says' },
          ...Object.entries(authentications).map(([value, label]) => ({ value, label })),
        ]}
      />
      {preset && <Bases value={value} set={set} faultOf={faultOf} replaced={preset.apiBases} />}
      <Parameters
        legend="Further parameters when people are sent there"
        names={authorizationNames}
        rows={value.authorizationParameters}
        error={faultOf('setup.authorization_parameters')}
        onChange={(authorizationParameters) => set({ authorizationParameters })}
      />
      <Parameters
        legend="Further parameters of requests for tokens"
        names={tokenNames}
        rows={value.tokenParameters}
        error={faultOf('setup.token_parameters')}
        onChange={(tokenParameters) => set({ tokenParameters })}
      />
      <div className="flex flex-col gap-1">
        <Checkbox
          label="Bind tokens to a key (DPoP)"
          hint="Tokens work only with a key that stays in Valetkey (RFC 9449), so a stolen one is useless. No token can be handed out from its connections then: nobody else could use it."
          checked={value.senderConstrained}
          aria-invalid={fault ? true : undefined}
          onChange={(event) => set({ senderConstrained: event.target.checked })}
        />
        {fault && (
          <p role="alert" className="pl-7 text-[14px] text-broken leading-5">
            {fault}
          </p>
        )}
      </div>
    </>
  )
}

type ParametersProps = {
  legend: string
  names: readonly string[]
  rows: Parameter[]
  error: string | undefined
  onChange: (rows: Parameter[]) => void
}

function Parameters({ legend, names, rows, error, onChange }: ParametersProps) {
  return (
    <Rows
      legend={legend}
      noun="parameter"
      rows={rows}
      blank={{ name: names[0] ?? '', value: '' }}
      error={error}
      onChange={onChange}
    >
      {(row, change) => (
        <>
          <Select
            label="Name"
            value={row.name}
            onChange={(event) => change({ ...row, name: event.target.value })}
            options={names.map((name) => ({ value: name, label: name }))}
          />
          <Input
            label="Value"
            maxLength={500}
            {...plain}
            value={row.value}
            onChange={(event) => change({ ...row, value: event.target.value })}
          />
        </>
      )}
    </Rows>
  )
}
