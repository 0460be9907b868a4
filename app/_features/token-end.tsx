import { Time } from '@/app/_ui/time.tsx'

/** What it means that no other token can be out beside one. */
export const exclusiveWords = {
  title: 'One token at a time',
  meaning: 'This upstream ends it when the next one is made. Renewals wait for it.',
}

type EndsProps = { revokeAt: string; expiresAt: string }

/** Both ends of a token that the upstream gave a longer life than was asked. */
export function BothEnds({ revokeAt, expiresAt }: EndsProps) {
  return (
    <>
      revoked at <Time at={revokeAt} form="exact" />; the upstream itself would let it live until{' '}
      <Time at={expiresAt} form="exact" />
    </>
  )
}

type NotesProps = {
  expiresAt: string
  revokeAt: string | null
  exclusive: boolean
  /** Whether it lives longer than was asked, without an end of ours. */
  outlives: boolean
  /** Whether it can be revoked alone. */
  endsTokens: boolean
  /** Whether it dies with its connection. */
  endsWithGrant?: boolean
}

/** What is to be known of a token's end before it is used; nothing where it ends as asked. */
export function EndNotes({ expiresAt, revokeAt, exclusive, outlives, endsTokens, endsWithGrant }: NotesProps) {
  if (!revokeAt && !exclusive && endsTokens && !outlives) return null
  return (
    <ul className="flex flex-col gap-1">
      {revokeAt && (
        <li>
          It will be <BothEnds revokeAt={revokeAt} expiresAt={expiresAt} />.
        </li>
      )}
      {!endsTokens && (
        <li>
          It cannot be revoked alone: it ends by itself at <Time at={expiresAt} form="exact" />
          {outlives && ', later than you asked'}
          {endsWithGrant && ', or when you disconnect'}.
        </li>
      )}
      {exclusive && (
        <li>
          {exclusiveWords.title}. {exclusiveWords.meaning}
        </li>
      )}
    </ul>
  )
}
