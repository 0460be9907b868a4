'use client'
import { useState } from 'react'
import type { RulesWay } from '@/lib/broker/read/offer.ts'
import { plainEnvironment } from '@/lib/providers/environment.ts'
import { UseSection } from '../_features/use.tsx'
import { RulesPicker } from '../t/[tenant]/projects/[project]/issue/pickers/rules.tsx'
import { draftOf, type RulesDraft } from '../t/[tenant]/projects/[project]/issue/pickers/rules-draft.ts'

const now = '2026-11-29T12:00:00.000Z'
const counts = [0, 3, 0, 120, 480, 20, 0, 0, 900, 1_250, 640, 12, 0, 88]
const days = counts.map((requests, index) => ({
  day: `2026-11-${16 + index}`,
  requests,
  refused: index % 4 === 1 ? 1 + Math.round(requests / 5) : 0,
  bytesSent: requests * 20,
  bytesReceived: requests * 4_100,
}))
const none = { requests: 0, refused: 0, bytesSent: 0, bytesReceived: 0 }
const total = (name: keyof typeof none) => days.reduce((sum, day) => sum + day[name], 0)
const totals = {
  requests: total('requests'),
  refused: total('refused'),
  bytesSent: total('bytesSent'),
  bytesReceived: total('bytesReceived'),
}
const baseUrl = 'https://valetkey.example.com/api/v1/tenants/acme/projects/items/proxy'
const way: RulesWay = {
  asks: 'rules',
  strategy: 'proxy',
  tokenType: 'Bearer',
  header: 'Authorization: Bearer {token}',
  baseUrl,
  environment: plainEnvironment(baseUrl),
  readOnly: false,
  named: [
    { name: 'issues', title: 'Read issues of one repository', paths: ['GET /repos/{owner}/{repo}/issues/**'] },
    { name: 'items', title: 'Read items', paths: ['GET /items/**'] },
  ],
  never: ['POST /user/keys/**'],
}

/** The picker of rules and the chart of use, with something in them and without. */
export function ProxyGallery() {
  const [draft, setDraft] = useState<RulesDraft>(() => ({
    ...draftOf({ access: 'paths', paths: ['GET,OPTIONS /items/*', '* /other/**'] }),
    ticked: { issues: { owner: 'acme', repo: 'a/b' } },
  }))
  const [blank, setBlank] = useState(() => draftOf())
  return (
    <div className="flex flex-col gap-6">
      <div className="grid gap-6 lg:grid-cols-2">
        <RulesPicker way={way} api="https://api.example.com" value={draft} onChange={setDraft} />
        <RulesPicker
          way={{ ...way, readOnly: true, named: [], never: [] }}
          api="https://api.example.com"
          value={blank}
          onChange={setBlank}
        />
      </div>
      <UseSection
        use={{ days, totals, lastUsedAt: new Date('2026-11-29T11:40:00Z') }}
        now={now}
        unused=""
        lead="Requests that came through Valetkey."
      />
      <UseSection
        use={{ days: days.map(({ day }) => ({ day, ...none })), totals: none, lastUsedAt: null }}
        now={now}
        unused="Nobody has sent a request with this token."
        lead="Requests that came through Valetkey."
      />
    </div>
  )
}
