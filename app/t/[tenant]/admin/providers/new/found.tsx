'use client'
import { ExternalLink } from 'lucide-react'
import { CopyButton } from '@/app/_ui/copy-button.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { PresetView } from '@/lib/providers/kind.ts'

/** What a look at a server found, as the API answers it. */
export type Preview = {
  issuer: string
  redirect_uri: string
  endpoints: { name: string; url: string }[]
  authentication: string | null
  client_authentication: 'secret' | 'key' | 'nothing'
  scopes: string[]
  api_bases: { name: string; url: string }[]
  certificates: { subject: string; expires_at: string }[]
  mcp: {
    by: 'oauth' | 'header' | 'nothing'
    registration: 'given' | 'metadata_document' | 'dynamic' | null
    authorization_servers: string[]
    title: string | null
  } | null
}

const endpointWords: Record<string, string> = {
  authorization_endpoint: 'Authorization',
  token_endpoint: 'Token',
  userinfo_endpoint: 'Userinfo',
  revocation_endpoint: 'Revocation',
  introspection_endpoint: 'Introspection',
  jwks_uri: 'Its keys',
  pushed_authorization_request_endpoint: 'Pushed requests',
}

const authenticationWords: Record<string, string> = {
  basic: 'client secret in a header',
  post: 'client secret in the form',
  private_key_jwt: 'signature with a key made here',
  none: 'none: a public client',
}

/** Where the server is, and what the provider would stand on. */
export function Found({ preview }: { preview: Preview }) {
  const { issuer, endpoints, authentication, api_bases, certificates, scopes, mcp } = preview
  return (
    <KeyValue
      items={[
        ...(mcp?.title ? [{ label: 'Calls itself', value: mcp.title }] : []),
        ...(mcp && mcp.by !== 'oauth' ? [] : [{ label: 'Issuer', value: issuer, mono: true }]),
        ...(mcp?.by === 'oauth'
          ? [
              { label: 'Scopes asked for', value: scopes.join(' ') || 'none', mono: true },
              { label: 'PKCE', value: 'S256' },
            ]
          : []),
        ...endpoints.map(({ name, url }) => ({ label: endpointWords[name] ?? name, value: url, mono: true })),
        ...(api_bases.length > 0
          ? [{ label: 'API', value: <Lines lines={api_bases.map(({ url }) => url)} />, mono: true }]
          : []),
        ...(authentication
          ? [{ label: 'Usual client authentication', value: authenticationWords[authentication] ?? authentication }]
          : []),
        ...certificates.map(({ subject, expires_at }) => ({
          label: 'CA certificate',
          value: (
            <>
              <code className="font-mono text-[13px]">{subject}</code>, expires <Time at={expires_at} />
            </>
          ),
        })),
      ]}
    />
  )
}

function Lines({ lines }: { lines: string[] }) {
  return (
    <ul>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  )
}

const comesToBe = {
  given: 'The client that you entered is used. Register this redirect URI there, exactly so.',
  metadata_document:
    'Nothing to do. The authorization server reads what Valetkey is from an address of this Valetkey, once you add the provider.',
  dynamic: 'Nothing to do. Valetkey registers itself there once you add the provider, and removes itself with it.',
} as const
const withoutClient = {
  nothing: 'The server answers everybody. Nobody has to sign in, and no token is kept.',
  header: 'The server is told who calls by the header that you entered. Everybody here uses it with that key.',
} as const

/** How our client comes to be known at the authorization server of an MCP server. */
export function ClientOfMcp({ preview: { mcp, redirect_uri } }: { preview: Preview }) {
  if (!mcp) return null
  if (mcp.by !== 'oauth') return <p>{withoutClient[mcp.by]}</p>
  return (
    <div className="flex flex-col gap-4">
      <p>{comesToBe[mcp.registration ?? 'given']}</p>
      <p className="flex flex-wrap items-center gap-2">
        <code className="wrap-anywhere min-w-0 rounded-lg bg-raised px-3 py-2 font-mono text-[13px]">
          {redirect_uri}
        </code>
        {mcp.registration === 'given' && <CopyButton text={redirect_uri} label="Copy redirect URI" />}
      </p>
    </div>
  )
}

const hereWords = { client_id: 'Client id', client_secret: 'Client secret' } as const

type RegisterProps = {
  redirectUri: string
  preset: PresetView | null
  /** Puts what was entered into the preset's texts. */
  fill: (text: string) => string
}

/** What has to be done at the upstream: the redirect URI, where it goes, and what to bring back. */
export function Register({ redirectUri, preset, fill }: RegisterProps) {
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-col gap-1">
        <p className="font-semibold">Redirect URI</p>
        <p className="flex flex-wrap items-center gap-2">
          <code className="wrap-anywhere min-w-0 rounded-lg bg-raised px-3 py-2 font-mono text-[13px]">
            {redirectUri}
          </code>
          <CopyButton text={redirectUri} label="Copy redirect URI" />
        </p>
        <p className="text-[14px] text-muted leading-5">
          {preset
            ? `Enter exactly this at ${preset.title}. The field is called “${fill(preset.registration.redirectField)}” there.`
            : 'Enter exactly this where Valetkey is registered as a client, with the grants authorization code and refresh token.'}
        </p>
      </div>
      {preset && (
        <ol className="flex list-decimal flex-col gap-2 pl-5">
          <li>
            <a
              href={fill(preset.registration.page)}
              target="_blank"
              rel="noopener noreferrer"
              className="wrap-anywhere rounded-sm underline underline-offset-4"
            >
              {new URL(fill(preset.registration.page)).host}
              <ExternalLink aria-hidden className="ml-1 inline size-3.5" />
              <span className="sr-only"> (opens in a new tab)</span>
            </a>
            : {fill(preset.registration.where)}
          </li>
          {preset.registration.notes.map((note) => (
            <li key={note} className="wrap-anywhere">
              {fill(note)}
            </li>
          ))}
          {preset.registration.fields.map(({ there, here }) => (
            <li key={`${there} ${here}`} className="wrap-anywhere">
              Bring back “{fill(there)}”: it is the <strong className="font-semibold">{hereWords[here]}</strong> below.
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}

const evidenceWords = {
  read: 'Documentation only: read in its documentation, not yet tried against the real server.',
  tried: 'Tried against the real server.',
} as const

const limitedWords = { yes: 'yes', no: 'no', unknown: 'not known' } as const

/** What a preset says of its server, and where that was read. */
export function Abilities({ preset }: { preset: PresetView }) {
  const { limitedTokens, revocation, refresh, evidence, sources } = preset
  const pages = [...new Map(sources.map((source) => [source.url, source])).values()]
  return (
    <div className="flex flex-col gap-3">
      <KeyValue
        items={[
          {
            label: 'Limited tokens',
            value: `Of its own: ${limitedWords[limitedTokens.answer]}. ${limitedTokens.reason} Through Valetkey: yes.`,
          },
          { label: 'Revoking', value: revocation.text },
          { label: 'Renewing', value: refresh.text },
        ]}
      />
      <p className="text-muted">{evidenceWords[evidence]}</p>
      <details>
        <summary className="w-fit rounded-sm text-muted">Where this was read</summary>
        <ul className="mt-1 flex flex-col gap-1">
          {pages.map(({ url, read }) => (
            <li key={url} className="wrap-anywhere text-[13px]">
              <a
                href={url}
                target="_blank"
                rel="noopener noreferrer"
                className="rounded-sm underline underline-offset-4"
              >
                {url}
              </a>{' '}
              <span className="whitespace-nowrap text-muted">on {read}</span>
            </li>
          ))}
        </ul>
      </details>
    </div>
  )
}
