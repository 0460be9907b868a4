'use client'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { signOut } from './sign-out.ts'

/** Signs out from pages without the console's frame. */
export function SignOutButton() {
  const { busy, problem, start } = useAction(signOut)
  return (
    <>
      <Button size="sm" variant="ghost" busy={busy} onClick={() => void start()}>
        Sign out
      </Button>
      <ProblemNotice problem={problem} />
    </>
  )
}
