import { randomBytes } from 'node:crypto'
import type { System } from './store.ts'
import type { Answer } from './wire.ts'
import { ACCOUNTS, type Account, type Project, projectsOf } from './world.ts'

class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Markup with every interpolated string escaped. */
function html(parts: TemplateStringsArray, ...values: (string | Html | Html[])[]): Html {
  const put = (value: string | Html | Html[]): string =>
    Array.isArray(value)
      ? value.map(put).join('')
      : value instanceof Html
        ? value.text
        : value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  return new Html(parts.reduce((text, part, index) => text + put(values[index - 1] ?? '') + part))
}

const STYLE = `
:root { color-scheme: light dark; --paper: #fdf6e9; --card: #fffdf8; --ink: #2b2118; --soft: #6d5b49; --line: #d9c7ab;
  --mark: #9a3d12; --mark-ink: #fff; --focus: #9a3d12; --warn: #fbe3b5 }
@media (prefers-color-scheme: dark) { :root { --paper: #1d1610; --card: #2a2018; --ink: #f5eadb; --soft: #c2ae97;
  --line: #57452f; --mark: #f0a264; --mark-ink: #241407; --focus: #f7c08f; --warn: #4a3413 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; background: var(--paper); color: var(--ink);
  font: 17px/1.5 Georgia, "Times New Roman", serif }
.note { margin: 0; padding: .5rem 1rem; background: var(--warn); border-bottom: 3px double var(--mark); text-align: center;
  font-size: .9rem }
main { max-width: 31rem; margin: 2.5rem auto; padding: 1.75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 3px }
.where { margin: 0 0 .75rem; color: var(--mark); font-size: .85rem; font-style: italic }
h1 { margin: 0 0 .5rem; font-size: 1.55rem; line-height: 1.2; font-weight: 600 }
h2 { margin: 1.5rem 0 .5rem; font-size: 1rem }
p { margin: 0 0 1rem } .soft { color: var(--soft) } small { font-size: .85rem }
button { font: inherit; cursor: pointer; border-radius: 3px; min-height: 2.75rem }
.account { display: block; width: 100%; margin: 0 0 .6rem; padding: .6rem .9rem; text-align: left; color: inherit;
  background: transparent; border: 1px solid var(--line) }
.account:hover, .project:hover { border-color: var(--mark) }
.account b, .account span, .project b, .project small { display: block; overflow-wrap: anywhere }
fieldset { margin: 0 0 1.25rem; padding: 0; border: 0; min-width: 0 } legend { padding: 0; margin-bottom: .5rem; font-weight: 600 }
.project { display: flex; gap: .75rem; align-items: baseline; margin: 0 0 .6rem; padding: .6rem .9rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: 3px }
.project:has(:checked) { border-color: var(--mark); box-shadow: inset 3px 0 0 var(--mark) }
input { accent-color: var(--mark) }
.who { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; justify-content: space-between; margin: 1rem 0 1.25rem;
  padding: .5rem .9rem; border: 1px dashed var(--line); border-radius: 3px; overflow-wrap: anywhere }
.row { display: flex; flex-wrap: wrap; gap: .75rem } .row button { flex: 1 1 8rem }
.main { border: 1px solid var(--mark); background: var(--mark); color: var(--mark-ink); font-weight: 600 }
.plain { border: 1px solid var(--line); background: transparent; color: inherit }
.link { padding: 0; border: 0; background: none; color: var(--mark); text-decoration: underline }
a { color: var(--mark) }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px }
@media (max-width: 34rem) { main { margin: 0; border-width: 0 0 1px; padding: 1.25rem } }
`

function page(status: number, name: string, title: string, where: string, content: Html, script?: string): Answer {
  const nonce = randomBytes(16).toString('base64')
  const document = html`<!doctype html>
<html lang="en" data-page="${name}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · demo upstream</title>
<style nonce="${nonce}">${new Html(STYLE)}</style>
</head>
<body>
<header class="note"><b>Demo upstream.</b> Fake accounts and data, on this machine only.</header>
<main>
<p class="where">${where}</p>
<h1>${title}</h1>
${content}
</main>
${script ? html`<script type="module" nonce="${nonce}">${new Html(script)}</script>` : ''}
</body>
</html>`
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      // No form-action: browsers apply it to every redirect after a form, and ours end at the client's own origin.
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; ${script ? `script-src 'nonce-${nonce}'; connect-src 'self'; ` : ''}base-uri 'none'; frame-ancestors 'none'`,
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body: document.text,
  }
}

const WHERE = {
  idp: 'Demo identity provider',
  stack: 'Demo project stack',
  tickets: 'Demo ticket service',
  notes: 'Demo notes',
  sessions: 'Demo project stack',
} satisfies Record<System, string>

const accountButton = (account: Account, label = account.email) => html`
<button class="account" name="account" value="${account.email}">
<b>${label}</b> <span class="soft">${account.name}</span>
</button>`

/** One button per account, no password. `current` is who is signed in already; `again` says it must be shown again. */
export function signInPage(input: {
  system: System
  client: string
  accounts: Account[]
  current?: Account
  again?: boolean
  /** What a refusal is called; without it there is none. */
  refusal?: string
}): Answer {
  const { current, again } = input
  const others = input.accounts.filter((account) => account !== current || again)
  const offer = current && !again
  return page(
    200,
    'sign-in',
    again && current ? 'Sign in again' : 'Pick an account',
    WHERE[input.system],
    html`
<p class="soft">${input.client} asks who you are. This is a demo: pick somebody, there is no password.</p>
<form method="post" data-current="${current?.email ?? ''}">
${offer ? html`<h2>Signed in</h2>${accountButton(current, `Continue as ${current.email}`)}<h2>Use another account</h2>` : ''}
${others.map((account) => accountButton(account))}
${input.refusal ? html`<button class="link" name="deny" value="yes">${input.refusal}</button>` : ''}
</form>`,
  )
}

/** Whether to sign out here as well. `form` is the engine's own, with what protects it; its buttons are ours. */
export function signOutPage({ client, form }: { client: string; form: string }): Answer {
  return page(
    200,
    'sign-out',
    'Sign out here as well?',
    WHERE.idp,
    html`
<p class="soft">You have signed out of ${client}.</p>
${new Html(form)}
<div class="row">
<button class="main" form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button class="plain" form="op.logoutForm">Stay signed in here</button>
</div>`,
  )
}

/** Who is signed in, which project it is about, yes or no. */
export function consentPage(input: {
  client: string
  account: Account
  projects: { project: Project; role: string }[]
}): Answer {
  const { client, account, projects } = input
  return decisionPage(
    'stack',
    `${client} asks for access to a project`,
    account,
    html`
<fieldset>
<legend>Which project?</legend>
${projects.map(
  ({ project, role }, index) => html`
<label class="project">
<input type="radio" name="project" value="${project.id}" required ${new Html(index === 0 ? 'checked' : '')}>
<span><b>${project.name}</b><small class="soft">${project.id} · ${project.region} · your role: ${role}</small></span>
</label>`,
)}
</fieldset>
<p class="soft"><small>It can read and write this project's data as you, until you or an admin revoke it.</small></p>`,
  )
}

/** Who is signed in, and all that they reach: what is asked for is not one project. */
export function sessionPage(input: { client: string; account: Account; projects: Project[] }): Answer {
  const { client, account, projects } = input
  return decisionPage(
    'stack',
    `${client} asks to sign in as you`,
    account,
    html`
<h2>It reaches all of your projects</h2>
<ul>${projects.map(({ id, name }) => html`<li>${name} <span class="soft">(${id})</span></li>`)}</ul>`,
  )
}

/** Who is signed in, what is asked in words and as the protocol has it, yes or no. */
export function scopesPage(input: {
  system?: System
  things?: string
  client: string
  account: Account
  scopes: { name: string; text: string }[]
}): Answer {
  const { client, account, scopes, system = 'tickets', things = 'tickets' } = input
  return decisionPage(
    system,
    `${client} asks for access to your ${things}`,
    account,
    html`
<h2>It may</h2>
<ul>${scopes.map(({ name, text }) => html`<li>${text} <span class="soft">(${name})</span></li>`)}</ul>`,
  )
}

/** As whom, `asked`, allow or deny. */
function decisionPage(system: System, title: string, account: Account, asked: Html): Answer {
  return page(
    200,
    'consent',
    title,
    WHERE[system],
    html`
<form method="post" class="who" data-current="${account.email}">
<span>Signed in as <b>${account.email}</b></span>
<button class="link" name="switch" value="yes">Use another account</button>
</form>
<form method="post">
${asked}
<div class="row">
<button class="main" name="allow" value="yes">Allow</button>
<button class="plain" name="deny" value="yes" formnovalidate>Deny</button>
</div>
</form>`,
  )
}

/** The stack's own start page: where a sign-in ends that no client is waiting for. */
export function homePage(input: { signedIn?: boolean; appUrl?: string; projects: Project[] }): Answer {
  return page(
    200,
    'home',
    input.signedIn ? 'You are signed in' : 'A demo stack for trying things out',
    WHERE.stack,
    html`
<p>${
      input.signedIn
        ? 'No application is waiting for an answer. Go back to the application and start again.'
        : 'Applications send you here to approve access to a project. There is nothing else to do here.'
    }</p>
${input.appUrl ? html`<p><a href="${input.appUrl}">Back to ${input.appUrl}</a></p>` : ''}
<p><a href="/tokens">API tokens</a></p>
<h2>Projects on this stack</h2>
<ul>${input.projects.map((project) => html`<li>${project.name} <span class="soft">(${project.id})</span></li>`)}</ul>`,
  )
}

/** Where people make Storage tokens by hand. The demo has no sign-in there: all of it is fake. */
export function tokenPage(made?: { project: Project; value: string }): Answer {
  const choice = (name: string, value: string, label: string, detail: string, checked = false) => html`
<label class="project"><input type="radio" name="${name}" value="${value}" required ${new Html(checked ? 'checked' : '')}>
<span><b>${label}</b> <small class="soft">${detail}</small></span></label>`
  return page(
    200,
    'tokens',
    made ? 'Your Storage token' : 'API tokens',
    WHERE.stack,
    made
      ? html`
<p>For ${made.project.name}. It is shown once.</p>
<p class="who"><code id="token">${made.value}</code></p>
<p><a href="/tokens">Make another one</a></p>`
      : html`
<form method="post">
<fieldset><legend>Whose, and for which project</legend>
${ACCOUNTS.flatMap((account) =>
  projectsOf(account).map((project) =>
    choice(
      'whose',
      `${account.email} ${project.id}`,
      project.name,
      `${account.email}, ${account.memberships[project.id] ?? ''}`,
    ),
  ),
)}</fieldset>
<fieldset><legend>Kind</legend>
${choice('kind', 'master', 'Master token', 'everything that its owner may do', true)}
${choice('kind', 'limited', 'Limited', 'reads one bucket')}
${choice('kind', 'manager', 'Limited, manages tokens', 'reads one bucket; still no master token')}</fieldset>
<fieldset><legend>Ends</legend>
${choice('life', 'never', 'Never', '', true)}
${choice('life', 'hour', 'In an hour', '')}</fieldset>
<button class="main">Make the token</button>
</form>`,
  )
}

/** Reads component and configuration from the fragment, which no server sees, and asks the Storage API with the token in the query. */
const READ_CONFIGURATION = `
const { searchParams, hash } = new URL(location.href)
const [, component, configuration] = hash.split('/').map(decodeURIComponent)
const path = ['components', component, 'configs', configuration].map((part) => encodeURIComponent(part ?? '')).join('/')
const answer = await fetch(searchParams.get('sapiUrl') + '/v2/storage/' + path, {
  headers: { 'X-StorageApi-Token': searchParams.get('token') },
}).catch(() => undefined)
const text = document.querySelector('#configuration')
const allow = document.querySelector('button')
if (answer?.ok) {
  text.textContent = (await answer.json()).name + ' · ' + component
  allow.hidden = false
  allow.addEventListener('click', () => {
    allow.hidden = true
    text.textContent = 'Authorized. You can close this page.'
  })
} else text.textContent = 'Failed to load config data'
`

/** Where a component is authorized with somebody's account elsewhere. Nothing is kept: the demo has no such account. */
export const componentPage = (): Answer =>
  page(
    200,
    'component',
    'Authorize a component',
    'Demo authorization of components',
    html`
<p id="configuration" role="status">Loading …</p>
<p><button class="main" hidden>Allow</button></p>`,
    READ_CONFIGURATION,
  )

export function errorPage(status: number, title: string, text: string): Answer {
  return page(status, 'error', title, 'Demo upstream', html`<p>${text}</p>`)
}
