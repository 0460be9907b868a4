import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { commandLine } from '@/app/_features/commands.ts'
import { NoRight } from '@/app/_features/guard.tsx'
import { oneOf, type Query, single } from '@/app/_features/query.ts'
import { canIssue } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { CommandLine } from '@/app/_ui/command-line.tsx'
import { Copied } from '@/app/_ui/copied.tsx'
import Link from '@/app/_ui/link.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Tabs } from '@/app/_ui/tabs.tsx'
import { may } from '@/lib/actor.ts'
import { gatewayUrl } from '@/lib/broker/proxy-url.ts'
import { type AgentClient, agentClients, tokenVariable } from '@/lib/providers/mcp/clients.ts'
import { redirectFault } from '@/lib/tenancy/client-metadata.ts'
import { type ClientView, clientPage } from '@/lib/tenancy/clients.ts'
import { clientDocumentsOf } from '@/lib/tenancy/tenant-policy.ts'
import { ProjectAct } from '../../project-card.tsx'
import { loadProject } from '../load.ts'
import { CodeBlock } from './code-block.tsx'

type Props = { params: Promise<{ tenant: string; project: string }>; searchParams: Promise<Query> }

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, project: id } = await params
  return { title: `Connect an agent · ${(await loadProject(tenant, id)).project.name}` }
}

const ways = ['token', 'sign-in'] as const

/** What an MCP client is to be told, so that it reaches the server through the gateway. */
export default async function AgentPage({ params, searchParams }: Props) {
  const { tenant, project: id } = await params
  const { ctx, actor, project } = await loadProject(tenant, id)
  if (!project.tools) notFound()
  if (!may(actor, 'work')) return <NoRight title="Connect an agent" role={actor.role} />
  const way = oneOf(ways, single((await searchParams).way)) ?? 'token'
  const place = { name: project.alias, url: gatewayUrl(ctx.config, { slug: tenant, project: project.alias }) }
  const here = `/t/${tenant}/projects/${project.id}`
  const clients = way === 'sign-in' && may(actor, 'oversee') ? (await clientPage(ctx, actor, {})).items : []
  const documents = await clientDocumentsOf(ctx, actor.tenantId)
  const acts = { viewer: 'you', mayWork: true, mayAdminister: may(actor, 'administer') }
  return (
    <>
      <PageHeader
        trail={[
          { label: 'Projects', href: `/t/${tenant}/projects` },
          { label: project.name, href: here },
        ]}
        title="Connect an agent"
        lead="Give an MCP client this address in place of the server’s own. It reaches the tools that you allow and no others, each call is counted, and you can take it back at any time."
      />
      {!canIssue(project, ctx.now()) && (
        <Notice
          tone="attention"
          title="Calls are refused for now"
          meaning="The gateway calls the server with your connection, and you have none that works."
          action={<ProjectAct tenant={tenant} project={project} acts={acts} inPopup />}
        />
      )}
      <Section title="Address">
        <div className="rounded-lg border bg-surface p-4">
          <Copied text={place.url} label="Copy the address" />
        </div>
      </Section>
      <Section title="How it gets in">
        <LinkTabs
          label="How it gets in"
          tabs={[
            { label: 'With a token', href: `${here}/agent`, current: way === 'token' },
            { label: 'It signs in itself', href: `${here}/agent?way=sign-in`, current: way === 'sign-in' },
          ]}
        />
        {way === 'token' ? (
          <ByToken tenant={tenant} project={project.id} place={place} mayIssue={canIssue(project, ctx.now())} />
        ) : (
          <BySignIn
            place={place}
            origin={ctx.config.origin}
            clients={clients}
            clientsHref={may(actor, 'oversee') ? `/t/${tenant}/admin/clients` : null}
            byDocument={documents !== 'off'}
          />
        )}
      </Section>
    </>
  )
}

type Place = { name: string; url: string }

/** A token that somebody issues now, or that a command issues for as long as the client runs. */
function ByToken({
  tenant,
  project,
  place,
  mayIssue,
}: {
  tenant: string
  project: string
  place: Place
  mayIssue: boolean
}) {
  const rights = ['--read-only-tools']
  const helper = commandLine(['valetkey', 'credential-helper', 'mcp', '--project', place.name, ...rights])
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <p className="max-w-[72ch] text-pretty">
        The token has the rights that you choose and ends by itself. No file holds it: the client reads it from the
        variable <code className="font-mono text-[13px]">{tokenVariable}</code>, or asks for it.
      </p>
      <div className="flex flex-wrap items-center gap-3">
        <ButtonLink
          variant={mayIssue ? 'primary' : 'secondary'}
          href={`/t/${tenant}/projects/${project}/issue`}
          size="sm"
        >
          Issue token
        </ButtonLink>
        <span className="text-muted">The dialog that shows it has the same snippets.</span>
      </div>
      <Tabs
        label="Client"
        tabs={agentClients.map((client) => ({
          id: client.id,
          label: client.label,
          content: <TokenSteps client={client} place={place} helper={helper} rights={rights} />,
        }))}
      />
    </div>
  )
}

type StepsProps = { client: AgentClient; place: Place; helper: string; rights: string[] }

function TokenSteps({ client, place, helper, rights }: StepsProps) {
  const { token, helper: helped, program, note } = client
  const exec = program && `${commandLine(['valetkey', 'exec', place.name, ...rights, '--'])} ${program}`
  return (
    <div className="flex min-w-0 flex-col gap-4">
      {token && <CodeBlock {...token(place)} label={client.label} />}
      {exec && token && (
        <div className="flex min-w-0 flex-col items-start gap-1">
          <p>Start it with a token that ends when it does; with the rights that it needs:</p>
          <CommandLine command={exec} />
        </div>
      )}
      {helped && (
        <div className="flex min-w-0 flex-col gap-1">
          <p>Or let it ask the command for a token by itself, each time it connects:</p>
          <CodeBlock {...helped(place, helper)} label={`${client.label} with a helper`} />
        </div>
      )}
      {note && <p className="max-w-[72ch] text-muted">{note}</p>}
      <Source client={client} />
    </div>
  )
}

type SignInProps = {
  place: Place
  origin: string
  clients: ClientView[]
  clientsHref: string | null
  /** Programs that nobody registered are let in. */
  byDocument: boolean
}

/** OAuth: the client opens a browser, and its person allows what it may do. */
function BySignIn({ place, origin, clients, clientsHref, byDocument }: SignInProps) {
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <p className="max-w-[72ch] text-pretty">
        The client opens your browser, and you choose there what it may do. It stays signed in until you end it under
        Devices.{' '}
        {byDocument
          ? 'Claude Code, VS Code and others say themselves what they are: leave the client id out. Any other must be known here as a client: '
          : 'It must be known here as a client: '}
        {clientsHref ? (
          <>
            <Link href={clientsHref} className="rounded-sm underline underline-offset-4">
              add it
            </Link>{' '}
            as a public client with an authorization code, a refresh token and the redirect URI below.
          </>
        ) : (
          'ask an admin for its client id.'
        )}
      </p>
      <Tabs
        label="Client"
        tabs={agentClients
          .filter(({ signIn }) => signIn)
          .map((client) => ({
            id: client.id,
            label: client.label,
            content: <SignInSteps client={client} place={place} origin={origin} clients={clients} />,
          }))}
      />
    </div>
  )
}

/** Stands where an id of a client belongs that nobody has named. */
const someClient = 'YOUR_CLIENT_ID'

function SignInSteps({
  client,
  place,
  origin,
  clients,
}: { client: AgentClient } & Omit<SignInProps, 'clientsHref' | 'byDocument'>) {
  const { signIn, label, note } = client
  if (!signIn) return null
  const { redirects, snippet } = signIn
  const faults = redirects.map((uri) => redirectFault(uri, { origin, isPublic: true }))
  if (redirects.length > 0 && faults.every((fault) => fault !== undefined))
    return (
      <Notice
        title={`${label} cannot sign in here`}
        meaning={`It comes back to ${redirects.join(' or ')}, and no client can be registered with that: a redirect URI ${faults[0]}.`}
        next="Use a token instead."
      />
    )
  const known = clients.find(
    ({ tokenEndpointAuthMethod, redirectUris }) =>
      tokenEndpointAuthMethod === 'none' && redirects.some((uri) => redirectUris.includes(uri)),
  )
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <CodeBlock {...snippet(place, known?.id ?? someClient)} label={label} />
      {known && <p>The id is that of the client “{known.name}”, which is registered for it.</p>}
      {redirects.length > 0 && (
        <div className="flex min-w-0 flex-col gap-1">
          <p>{redirects.length > 1 ? 'Redirect URIs of its client:' : 'Redirect URI of its client:'}</p>
          {redirects.map((uri) => (
            <Copied key={uri} text={uri} label="Copy the redirect URI" />
          ))}
        </div>
      )}
      {note && <p className="max-w-[72ch] text-muted">{note}</p>}
      <Source client={client} />
    </div>
  )
}

const Source = ({ client: { label, source } }: { client: AgentClient }) => (
  <p className="text-[13px] text-muted">
    As{' '}
    <a href={source.url} rel="noreferrer" className="rounded-sm underline underline-offset-4">
      the documentation of {label}
    </a>{' '}
    had it on {source.read}.
  </p>
)
