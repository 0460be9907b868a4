import fc from 'fast-check'

const piece = fc.constantFrom(
  'public',
  'admin',
  'repos',
  'x',
  'issues',
  'secrets',
  '.',
  '..',
  '',
  '%2e',
  '%2e%2e',
  '%2f',
  '%5c',
  '\\',
  '%252e',
  '%25%32%65',
  '%25',
  '%32%65',
  '..%3f',
  '..%23',
  '%E2%88%95',
  '%252f',
  ';',
  '..;',
  ';a=b',
  'a;b',
  '%c0%ae',
  '%ef%bc%8f',
  '%E2%80%A5',
  '%00',
  '%20',
  '%3f',
  '%23',
  '*',
  '**',
  '~',
  '...',
  'Public',
  'public%20',
  '%70ublic',
  'issues.json',
  '%3b',
  '%2e%2e%3b',
)
const segment = fc.oneof(
  piece,
  fc.tuple(piece, piece).map((two) => two.join('')),
)
const anything = fc.array(segment, { minLength: 1, maxLength: 7 })
/** Close to what is allowed, so that many pass. */
const likely = fc
  .tuple(
    fc.constantFrom(['repos'], ['public']),
    segment,
    fc.constantFrom(['issues'], []),
    fc.array(segment, { maxLength: 1 }),
  )
  .map(([first, middle, last, more]) => [...first, middle, ...last, ...more])
/** A path that some server might read in another way than it looks. */
export const trickyPath = fc.oneof(anything, likely).map((pieces) => `/${pieces.join('/')}`)
