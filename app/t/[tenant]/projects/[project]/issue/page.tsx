import type { Metadata } from 'next'
import { FrozenNotice } from '@/app/_features/health.tsx'
import { type Query, single } from '@/app/_features/query.ts'
import { canIssue, healthWords } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { may } from '@/lib/actor.ts'
import { issueOffer } from '@/lib/broker/read/offer.ts'
import { projectCards } from '@/lib/broker/read/project.ts'
import { readToken } from '@/lib/broker/read/token.ts'
import { errorCodes, isBrokerError } from '@/lib/errors.ts'
import { kinds } from '@/lib/providers/index.ts'
import { ProjectAct } from '../../project-card.tsx'
import { loadProject } from '../load.ts'
import { IssueForm } from './issue-form.tsx'
import { OfferReasons } from './offers.tsx'

type Props = {
  params: Promise<{ tenant: string; project: string }>
  searchParams: Promise<Query>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, project: id } = await params
  return { title: `Issue token · ${(await loadProject(tenant, id)).project.name}` }
}

export default async function IssuePage({ params, searchParams }: Props) {
  const { tenant, project: id } = await params
  const { branch: named, ...query } = await searchParams
  const like = single(query.like)
  const { ctx, actor, project } = await loadProject(tenant, id)
  const { connection } = project
  const trail = [
    { label: 'Projects', href: `/t/${tenant}/projects` },
    { label: project.name, href: `/t/${tenant}/projects/${project.id}` },
  ]
  const header = (
    <PageHeader
      trail={trail}
      title="Issue token"
      lead={`For ${project.name}. It has only the rights that you choose and is shown once.`}
    />
  )
  if (!may(actor, 'work'))
    return (
      <>
        {header}
        <EmptyState kind="no-right" title="Your role does not allow this page" why="Auditors cannot issue tokens." />
      </>
    )
  const now = ctx.now()
  const act = (
    <ProjectAct
      tenant={tenant}
      project={project}
      inPopup
      acts={{ viewer: 'you', mayWork: true, mayAdminister: may(actor, 'administer') }}
    />
  )
  if (project.frozen)
    return (
      <>
        {header}
        <FrozenNotice frozen={project.frozen} now={now.toISOString()} act={act} />
      </>
    )
  if (!canIssue(project, now))
    return (
      <>
        {header}
        <EmptyState
          kind="no-data"
          title={connection ? 'No token can be issued now' : 'You have not linked this project'}
          why={
            (connection && healthWords(connection)) ??
            'Tokens are issued from your own connection. Link the project first.'
          }
          action={act}
        />
      </>
    )

  const branch = named === undefined ? (connection?.branch ?? null) : readBranch(named)
  const [cards, model, offer] = await Promise.all([
    projectCards(ctx, actor),
    like ? modelToken(ctx, actor, like) : null,
    issueOffer(ctx, actor, { project: project.id, branch, token: sampleToken }),
  ])
  if (!offer) {
    const { title, next } = errorCodes.provider_misconfigured
    return (
      <>
        {header}
        <EmptyState kind="no-data" title={title} why={next} />
      </>
    )
  }
  const [first, ...others] = offer.ways
  if (!first)
    return (
      <>
        <PageHeader trail={trail} title="Issue token" lead={`For ${project.name}.`} />
        <EmptyState
          kind="no-data"
          title="No limited token can be made here"
          why={`${project.provider.name} cannot make a token that can do less than your whole connection, its requests cannot go through Valetkey, and Valetkey never hands out a full token.`}
          action={<ButtonLink href={`/t/${tenant}/projects/${project.id}`}>Back to the project</ButtonLink>}
        />
        <Section title="Why not" lead="Each way to make a limited token, and what stands against it here.">
          <div className="rounded-lg border bg-surface p-4">
            <OfferReasons offers={offer.offers} />
          </div>
        </Section>
      </>
    )
  const { branchHint } = kinds.get(offer.kind) ?? {}
  const fits = model?.project.id === project.id ? model : null
  return (
    <>
      {header}
      <IssueForm
        key={`${project.id} ${fits?.id ?? ''}`}
        tenant={tenant}
        project={{ id: project.id, name: project.name, alias: project.alias }}
        others={cards
          .filter((card) => card.provider.strategy !== null && canIssue(card, now))
          .map((card) => ({ id: card.id, name: card.name }))}
        cap={project.cap}
        revokesAtEnd={project.overLife.value === 'revoke_at_end'}
        offer={{ ...offer, ways: [first, ...others] }}
        branch={branchHint === undefined ? null : { id: branch, hint: branchHint }}
        token={sampleToken}
        like={
          fits && {
            purpose: fits.purpose,
            strategy: fits.strategy,
            rights: fits.asked,
            lifetimeSeconds: Math.round((fits.expiresAt.getTime() - fits.createdAt.getTime()) / 1000),
          }
        }
      />
    </>
  )
}

/** As somebody chose it; anything else is none. */
const readBranch = (named: Query[string]) =>
  typeof named === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(named) ? named : null

/** Stands in samples where the token belongs: nothing that a sample says otherwise. */
const sampleToken = 'VALETKEY_SAMPLE_TOKEN'

/** The token that another one shall be like; none when it is not there (any more). */
async function modelToken(...[ctx, actor, id]: Parameters<typeof readToken>) {
  try {
    return await readToken(ctx, actor, id)
  } catch (error) {
    if (isBrokerError(error, 'not_found')) return null
    throw error
  }
}
