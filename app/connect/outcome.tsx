import {
  Ban,
  Clock,
  CloudOff,
  FileQuestion,
  KeyRound,
  LogOut,
  type LucideIcon,
  Puzzle,
  ShieldAlert,
  Shuffle,
  Tag,
  Undo2,
  Unplug,
  UserX,
} from 'lucide-react'
import type { ReactNode } from 'react'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { type Tone, toneClass } from '@/app/_ui/state-badge.tsx'
import { type ErrorCode, errorCodes } from '@/lib/errors.ts'

/** How a link ended: its own mark and its own sentence for each, so that no two are mistaken for one another. */
type Face = { icon: LucideIcon; tone: Tone; meaning: string }

const faces = {
  link_denied: {
    icon: Ban,
    tone: 'attention',
    meaning: 'You or an admin of the upstream denied access. Nothing was linked and nothing changed.',
  },
  client_not_registered: {
    icon: Puzzle,
    tone: 'broken',
    meaning: 'The upstream does not know this provider’s client id, or refuses its secret. You did nothing wrong.',
  },
  upstream_unavailable: {
    icon: CloudOff,
    tone: 'attention',
    meaning: 'Valetkey could not reach the upstream to finish. Your approval cannot be reused, and nothing was linked.',
  },
  link_interrupted: {
    icon: Unplug,
    tone: 'attention',
    meaning:
      'Valetkey could not reach it, it failed, or its answer broke off. Your approval may be used up, so it is not sent again. Nothing was linked.',
  },
  upstream_protocol: {
    icon: FileQuestion,
    tone: 'broken',
    meaning:
      'Its answer does not follow the protocol: a page instead of data, or a success without a token. Nothing was linked.',
  },
  upstream_refused: {
    icon: Undo2,
    tone: 'broken',
    meaning: 'The upstream did not accept the approval: it was too old or already used.',
  },
  upstream_forbidden: {
    icon: UserX,
    tone: 'attention',
    meaning: 'The account that you used does not have this right in the project that you chose.',
  },
  issuer_mismatch: {
    icon: ShieldAlert,
    tone: 'broken',
    meaning:
      'This can be an attack in which one server poses as another. Valetkey sent nothing to it, and nothing was linked.',
  },
  upstream_signed_out: {
    icon: LogOut,
    tone: 'attention',
    meaning: 'It ended the session in which you approved, so the approval counts no more. Nothing was linked.',
  },
  no_refresh_token: {
    icon: KeyRound,
    tone: 'broken',
    meaning: 'Without one, the connection would stop working within an hour. Nothing was linked.',
  },
  flow_not_offered: {
    icon: Puzzle,
    tone: 'attention',
    meaning: 'The stack does not have it, or not yet. Nothing was linked, and the ordinary way works as before.',
  },
  already_linked: {
    icon: Shuffle,
    tone: 'attention',
    meaning: 'The connection that has it did not change, and what you approved just now is ended at the upstream.',
  },
  another_project: {
    icon: Shuffle,
    tone: 'attention',
    meaning: 'The connection that you wanted to reconnect did not change.',
  },
  different_account: {
    icon: UserX,
    tone: 'attention',
    meaning: 'Your connection did not change. It still belongs to the account that you linked before.',
  },
  alias_taken: { icon: Tag, tone: 'attention', meaning: 'The upstream approved access. Only the alias is a problem.' },
  attempt_expired: {
    icon: Clock,
    tone: 'revoked',
    meaning: 'The link was started more than ten minutes ago, so Valetkey no longer accepts the approval.',
  },
  attempt_used: { icon: Undo2, tone: 'revoked', meaning: 'Each approval works once. Nothing was done a second time.' },
  attempt_unknown: {
    icon: FileQuestion,
    tone: 'revoked',
    meaning:
      'It was started in another browser or by another person, was cancelled, or has expired. Nothing was linked.',
  },
} as const satisfies Partial<Record<ErrorCode, Face>>

const cancelled = {
  icon: Ban,
  tone: 'revoked',
  title: 'You cancelled this link',
  meaning: 'Valetkey refuses any later approval. Nothing was linked.',
  next: 'Start again from the projects page at any time.',
} as const
/** The detail says why, where the admin did. */
const withdrawn = {
  icon: Ban,
  tone: 'revoked',
  title: 'This link was withdrawn',
  meaning: 'Valetkey refuses any later approval. Nothing was linked.',
  next: 'Ask an admin before you start again.',
} as const
const unnamed = { icon: CloudOff, tone: 'broken', meaning: 'Nothing was linked.' } as const

/** The words and the mark of an outcome: a code of the error table, `cancelled` or `withdrawn`. */
export function outcomeOf(code: string) {
  if (code === 'cancelled') return cancelled
  if (code === 'withdrawn') return withdrawn
  const known: ErrorCode = code in errorCodes ? (code as ErrorCode) : 'internal'
  const face: Face = known in faces ? faces[known as keyof typeof faces] : unnamed
  const { title, next } = errorCodes[known]
  return { ...face, title, next }
}

type Props = { code: string; detail?: string | null; reference?: string; children: ReactNode }

/** The page of a link that did not come about. */
export function LinkOutcome({ code, detail, reference, children }: Props) {
  const { icon: Icon, tone, title, meaning, next } = outcomeOf(code)
  return (
    <SignInCard
      title={title}
      footer={reference && <span className="wrap-anywhere font-mono">Attempt {reference}</span>}
    >
      <div className="flex flex-col gap-3">
        <span
          aria-hidden
          className={`inline-flex size-10 items-center justify-center rounded-lg ${toneClass[tone]} [&_svg]:size-5`}
        >
          <Icon />
        </span>
        {detail && detail !== title && <p className="wrap-anywhere">{detail}</p>}
        <p>{meaning}</p>
        <p className="font-semibold">{next}</p>
      </div>
      {children}
    </SignInCard>
  )
}
