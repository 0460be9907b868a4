'use client'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { Input, Select, Textarea } from '@/app/_ui/field.tsx'
import { Rows } from '@/app/_ui/rows.tsx'
import { Inside, plain } from './oauth.tsx'
import type { SetupForm, SetupProps } from './setup-form.ts'

/** All that can be typed, as it is typed. */
type RealmForm = {
  issuer: string
  bases: { name: string; url: string; audience: string }[]
  audiences: { name: string; text: string }[]
  /** One a line. */
  scopes: string
  offline: boolean
  authentication: string
  internalOrigin: string
  certificates: string
}

const authentications = {
  basic: 'Client secret in a header (client_secret_basic)',
  post: 'Client secret in the form (client_secret_post)',
  private_key_jwt: 'Signature with a key made here (private_key_jwt)',
} as const

const secrets = { basic: 'secret', post: 'secret', private_key_jwt: 'key' } as const

export const keycloakSetup: SetupForm<RealmForm> = {
  ways: [
    {
      id: 'realm',
      title: 'Keycloak realm',
      text: 'By its address. It exchanges tokens for smaller ones, for one API each.',
      monogram: 'Kc',
      keywords: ['keycloak', 'realm', 'red hat', 'sso', 'oidc', 'openid', 'token exchange', 'rfc 8693'],
    },
  ],
  start: () => ({
    issuer: '',
    bases: [{ name: '', url: '', audience: '' }],
    audiences: [],
    scopes: '',
    offline: true,
    authentication: '',
    internalOrigin: '',
    certificates: '',
  }),
  setupOf,
  placeOf: ({ issuer, internalOrigin, certificates }) => [issuer, internalOrigin, certificates],
  needsNothing: () => false,
  secretOf: ({ authentication }, found) => secrets[authentication as keyof typeof secrets] ?? found,
  fields: [
    'setup.issuer',
    'setup.api_bases',
    'setup.audiences',
    'setup.scopes',
    'setup.client_authentication',
    'setup.internal_origin',
    'setup.certificates',
  ],
  folded: ['setup.client_authentication', 'setup.audiences'],
  Where,
  Scopes,
  Advanced,
}

/** What is filled in; nothing that is empty is sent. */
function setupOf(form: RealmForm): Record<string, unknown> {
  const bases = form.bases
    .map(({ name, url, audience }) => ({
      name: name.trim() || URL.parse(url.trim())?.host || 'API',
      url: url.trim(),
      ...(audience.trim() && { audience: audience.trim() }),
    }))
    .filter(({ url }) => url !== '')
  const audiences = form.audiences
    .map(({ name, text }) => ({ name: name.trim(), text: text.trim() || name.trim() }))
    .filter(({ name }) => name !== '')
  const scopes = form.scopes.split(/[\s,]+/).filter((name) => name !== '')
  return {
    issuer: form.issuer.trim(),
    api_bases: bases,
    ...(audiences.length > 0 && { audiences }),
    scopes: [...new Set(scopes)],
    ...(!form.offline && { offline: false }),
    ...(form.authentication && { client_authentication: form.authentication }),
    ...(form.internalOrigin.trim() && { internal_origin: form.internalOrigin.trim() }),
    ...(form.certificates.trim() && { certificates: form.certificates }),
  }
}

function Where({ value, onChange, faultOf }: SetupProps<RealmForm>) {
  const set = (changes: Partial<RealmForm>) => onChange({ ...value, ...changes })
  const named = value.bases.some((_, index) => faultOf(`setup.api_bases.${index}`))
  return (
    <>
      <Input
        label="Address of the realm"
        hint="Its metadata is read once, now."
        type="url"
        required
        placeholder="https://login.example.com/realms/acme"
        {...plain}
        error={faultOf('setup.issuer')}
        value={value.issuer}
        onChange={(event) => set({ issuer: event.target.value })}
      />
      <Rows
        legend="APIs"
        hint="What the tokens are for. Each one is a project that connections reach, and its audience is the client of the realm that stands for it."
        noun="API"
        rows={value.bases}
        least={1}
        blank={{ name: '', url: '', audience: '' }}
        error={named ? undefined : faultOf('setup.api_bases')}
        onChange={(bases) => set({ bases })}
      >
        {(base, change, index) => (
          <>
            <Input
              label="Name"
              optional
              maxLength={80}
              placeholder="Files"
              autoComplete="off"
              error={faultOf(`setup.api_bases.${index}.name`)}
              value={base.name}
              onChange={(event) => change({ ...base, name: event.target.value })}
            />
            <Input
              label="Address"
              type="url"
              required
              placeholder="https://files.example.com/api"
              {...plain}
              error={faultOf(`setup.api_bases.${index}.url`)}
              value={base.url}
              onChange={(event) => change({ ...base, url: event.target.value })}
            />
            <Input
              label="Audience"
              optional
              hint="Its client id in the realm."
              maxLength={255}
              placeholder="files-api"
              {...plain}
              error={faultOf(`setup.api_bases.${index}.audience`)}
              value={base.audience}
              onChange={(event) => change({ ...base, audience: event.target.value })}
            />
          </>
        )}
      </Rows>
      <Inside called="the realm" hasOrigin value={value} set={set} faultOf={faultOf} />
    </>
  )
}

function Scopes({ value, onChange, faultOf }: SetupProps<RealmForm>) {
  const set = (changes: Partial<RealmForm>) => onChange({ ...value, ...changes })
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <Textarea
        label="Scopes"
        optional
        hint="What every connection asks its person for, and what its tokens can have: one a line. The scope openid is always asked for."
        rows={3}
        {...plain}
        className="font-mono text-[13px]"
        error={faultOf('setup.scopes')}
        value={value.scopes}
        onChange={(event) => set({ scopes: event.target.value })}
      />
      <Checkbox
        label="Ask for offline access"
        hint="Connections then last beyond the person’s session at the realm (scope offline_access)."
        checked={value.offline}
        onChange={(event) => set({ offline: event.target.checked })}
      />
    </div>
  )
}

function Advanced({ value, onChange, faultOf }: SetupProps<RealmForm>) {
  const set = (changes: Partial<RealmForm>) => onChange({ ...value, ...changes })
  const named = value.audiences.some((_, index) => faultOf(`setup.audiences.${index}`))
  return (
    <>
      <Select
        label="Client authentication"
        hint={
          value.authentication === 'private_key_jwt'
            ? 'After you save, the provider’s card shows the address of its public keys. Enter it at the client, under Keys.'
            : 'How Valetkey proves to the realm that it is the client. A public client cannot exchange tokens.'
        }
        error={faultOf('setup.client_authentication')}
        value={value.authentication}
        onChange={(event) => set({ authentication: event.target.value })}
        options={[
          { value: '', label: 'As the realm’s metadata says' },
          ...Object.entries(authentications).map(([value, label]) => ({ value, label })),
        ]}
      />
      <Rows
        legend="Further audiences"
        hint="Clients of the realm that tokens of every API may be for as well."
        noun="audience"
        rows={value.audiences}
        blank={{ name: '', text: '' }}
        error={named ? undefined : faultOf('setup.audiences')}
        onChange={(audiences) => set({ audiences })}
      >
        {(row, change, index) => (
          <>
            <Input
              label="Client id"
              maxLength={255}
              {...plain}
              error={faultOf(`setup.audiences.${index}.name`)}
              value={row.name}
              onChange={(event) => change({ ...row, name: event.target.value })}
            />
            <Input
              label="What it is"
              optional
              maxLength={200}
              autoComplete="off"
              error={faultOf(`setup.audiences.${index}.text`)}
              value={row.text}
              onChange={(event) => change({ ...row, text: event.target.value })}
            />
          </>
        )}
      </Rows>
    </>
  )
}
