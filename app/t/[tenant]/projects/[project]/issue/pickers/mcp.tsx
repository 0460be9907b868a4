'use client'
import { useState } from 'react'
import { ScopeList } from '@/app/_features/scope-list.tsx'
import { RadioCards, Textarea } from '@/app/_ui/field.tsx'
import type { McpRights } from '@/lib/providers/mcp/rights.ts'
import type { Picker, PickProps } from './picker.ts'

/** As the catalogue knows them; none until somebody has listed them once. */
type McpChoices = { tools?: { name: string; readOnly: boolean; destructive: boolean }[] }
type Reach = 'read_only' | 'named' | 'all'

const none: McpRights = {
  tools: [],
  read_only_tools: false,
  all_tools: false,
  resources: [],
  all_resources: false,
  prompts: [],
  all_prompts: false,
}
const isEmpty = (rights: McpRights) =>
  !Object.values(rights).some((value) => (Array.isArray(value) ? value.length > 0 : value))

export const mcpPicker: Picker<McpRights, McpChoices> = {
  none,
  isEmpty,
  stillThere: (rights, { tools = [] }) =>
    tools.length === 0
      ? rights
      : { ...rights, tools: rights.tools.filter((name) => tools.some((one) => one.name === name)) },
  Pick: ToolPicker,
}

/** Which tools may be called: nothing until it is chosen; and whether resources and prompts may be read. */
function ToolPicker({ choices: { tools = [] }, value, onChange }: PickProps<McpRights, McpChoices>) {
  const [reach, setReach] = useState<Reach | ''>(
    value.all_tools ? 'all' : value.read_only_tools ? 'read_only' : value.tools.length > 0 ? 'named' : '',
  )
  const [typed, setTyped] = useState(value.tools.join('\n'))
  function choose(next: string) {
    setReach(next as Reach)
    onChange({ ...value, tools: [], read_only_tools: next === 'read_only', all_tools: next === 'all' })
    setTyped('')
  }
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <RadioCards
        legend="Tools that it may call"
        name="tools"
        value={reach}
        onChange={choose}
        options={[
          {
            value: 'read_only',
            label: 'Those that only read',
            hint: 'As the server marks them. Nobody checks its word.',
          },
          { value: 'named', label: 'Those that I choose' },
          { value: 'all', label: 'Every tool', hint: 'Also those that come later.' },
        ]}
      />
      {reach === 'named' &&
        (tools.length > 0 ? (
          <ScopeList
            label="Tools"
            scopes={tools.map(({ name, readOnly, destructive }) => ({
              name,
              text: destructive ? 'may destroy' : readOnly ? 'only reads' : 'changes things',
              risk: destructive ? 'high' : readOnly ? 'low' : 'medium',
            }))}
            value={value.tools}
            onChange={(names) => onChange({ ...value, tools: names })}
          />
        ) : (
          <Textarea
            label="Tools"
            hint="One name a line. The server has not been asked yet which it has."
            rows={4}
            spellCheck={false}
            autoComplete="off"
            className="font-mono text-[13px]"
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value)
              const names = event.target.value.split('\n').map((line) => line.trim())
              onChange({ ...value, tools: [...new Set(names.filter(Boolean))] })
            }}
          />
        ))}
      <ScopeList
        label="It may also"
        scopes={[
          { name: 'all_resources', text: 'read every resource', risk: 'medium' },
          { name: 'all_prompts', text: 'get every prompt', risk: 'low' },
        ]}
        value={[...(value.all_resources ? ['all_resources'] : []), ...(value.all_prompts ? ['all_prompts'] : [])]}
        onChange={(names) =>
          onChange({
            ...value,
            all_resources: names.includes('all_resources'),
            all_prompts: names.includes('all_prompts'),
          })
        }
      />
    </div>
  )
}
