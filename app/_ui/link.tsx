import Next from 'next/link'
import type { ComponentProps } from 'react'

export { useLinkStatus } from 'next/link'

/**
 * A link inside the console. Nothing is asked ahead of a press: every page is made for its request (app/layout.tsx), so what the
 * router could keep of it is only its outline, and one page's links cost the server ten times the page (docs/decisions/0115).
 */
const Link = (props: Omit<ComponentProps<typeof Next>, 'prefetch'>) => <Next {...props} prefetch={false} />
export default Link
