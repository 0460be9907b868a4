/** The key and the name. */
export function Brand() {
  return (
    <span className="inline-flex items-center gap-2 font-semibold text-[16px] leading-6">
      <svg
        aria-hidden="true"
        viewBox="0 0 24 24"
        className="size-5 text-accent-text"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
      >
        <circle cx="8" cy="16" r="4.5" />
        <path d="M11.2 12.8 20 4M16.5 7.5l3 3" />
      </svg>
      Valetkey
    </span>
  )
}
