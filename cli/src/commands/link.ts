import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parsed } from '../accounts.ts'
import { command } from '../command.ts'
import { readText, replaceFile } from '../files.ts'
import { findLink, findPlace, Link, linkFile, readAddress } from '../place.ts'

export const link = command({
  name: 'link',
  summary: 'Link this folder to a server, so that commands below it use that one',
  details: [
    `Writes ${linkFile}, which holds no secret and may be committed. Which server is used: --server, then VALETKEY_SERVER, then the nearest linked folder upwards, then the default, which is where you signed in first.`,
  ],
  options: { remove: { is: 'switch', description: 'unlink this folder' } },
  examples: [
    {
      line: 'valetkey link --server https://valetkey.example.com/t/acme',
      what: 'this folder is for tenant acme there',
    },
    { line: 'valetkey link', what: 'which server counts here, and why' },
  ],
  async run(cli, { options: { remove } }) {
    const file = join(cli.cwd, linkFile)
    if (remove) {
      const linked = await findLink(cli.cwd)
      await rm(file, { force: true })
      return cli.out.answer({ unlinked: linked?.file === file }, () =>
        cli.out.line(linked?.file === file ? 'Unlinked.' : 'This folder was not linked.'),
      )
    }
    if (cli.given.server !== undefined) {
      const { server, tenant: named } = readAddress(cli.given.server, '--server')
      const tenant = cli.given.tenant ?? named
      // Nothing in it is secret, and colleagues may read it.
      const before = await readText(file)
      const exec = before === undefined ? undefined : parsed(Link, before, file).exec
      const linked = { server, ...(tenant && { tenant }), ...(exec && { exec }) }
      await replaceFile(file, `${JSON.stringify(linked, null, 2)}\n`, { mode: 0o644 })
    }
    const { server, tenant = null, from } = await findPlace(cli)
    cli.out.answer({ server, tenant, from }, () =>
      cli.out.line({ text: server, style: 'bold' }, tenant === null ? '' : `, tenant ${tenant}`, {
        text: `  from ${from}`,
        style: 'dim',
      }),
    )
  },
})
