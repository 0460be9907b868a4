/** How the tools of an upstream are told of a token, in the environment of a program that somebody starts. */
export type Environment = {
  /** Names that get its value; the first is the one that people read in samples. */
  token: string[]
  /** What those tools read beside it: an address, a branch. */
  values: Record<string, string>
}

/** What such names end in. None of what decides how programs are found, loaded or connected does: `PATH`, `LD_PRELOAD`, `NODE_OPTIONS`. */
const ending = /_(TOKEN|KEY|URL|HOST|ID|OAUTH2)$/

/** Families of which any name may decide what code runs, or where code is fetched from. */
const ruling =
  /^(LD|DYLD|GCONV|BASH|NODE|NPM|YARN|PNPM|COREPACK|PIP|UV|PYTHON|PERL|RUBY|RUBYGEMS|GEM|BUNDLE|PHP|COMPOSER|JAVA|JDK|MAVEN|GRADLE|GO|CARGO|RUST|GIT|SSH|GPG|SSL|CURL|WGET|HTTP|HTTPS|ALL|NO|DOCKER|CONTAINER|PODMAN|KUBE|HOMEBREW|APT|XDG|DBUS|VALETKEY)_/

/**
 * Whether a program may be given a variable of this name on the word of a server. Whoever could set any name would run code
 * as the person who starts the program. Asked of the facts that a kind is made of, and once more by who starts the program.
 */
export const mayBeSet = (name: string): boolean =>
  /^[A-Z][A-Z0-9_]{0,63}$/.test(name) && ending.test(name) && !ruling.test(name)
