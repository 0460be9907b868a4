/** What the command reads of its environment, for the manual. A test looks for others in the sources. */
export const environment: readonly (readonly [name: string, what: string])[] = [
  ['VALETKEY_SERVER', 'the server, where --server is not given; a tenant may follow: https://host/t/acme'],
  ['VALETKEY_TENANT', 'the tenant, beside VALETKEY_SERVER or VALETKEY_TOKEN'],
  ['VALETKEY_TOKEN', 'an access token to use instead of a sign-in, for CI; it is not kept'],
  ['VALETKEY_VAULT', 'where a sign-in is kept: "file" for a file also where there is a keychain'],
  ['VALETKEY_HOME', 'the folder of settings, instead of the usual one'],
  ['XDG_CONFIG_HOME', 'where folders of settings are'],
  ['HTTPS_PROXY, HTTP_PROXY, NO_PROXY', 'the proxy on the way to the server, and where none is used'],
  ['KBAGENT_CONFIG_DIR, GH_CONFIG_DIR, NETRC', 'where those programs have their files, for adopt'],
  ['KUBERNETES_EXEC_INFO', 'what kubectl says of its cluster, for its credential helper'],
  ['BROWSER', 'the program that opens an address'],
  ['NO_COLOR, FORCE_COLOR', 'colours off, or on where no terminal is found'],
]

/** What it keeps; all of it below ~/.config/valetkey, or %APPDATA%\valetkey on Windows. */
export const kept: readonly (readonly [name: string, what: string])[] = [
  ['accounts.json', 'who is signed in where, and which is the default; nothing secret'],
  [
    'the keychain',
    'the tokens of sign-ins, outside this folder: the Secret Service on Linux; that of macOS, or what Windows protects for its user, both not tried by us',
  ],
  ['credentials.json', 'the tokens of sign-ins, where there is no keychain; its owner’s alone'],
  ['locks/', 'which process changes what right now'],
]
