import type { Command } from '../command.ts'
import { adopt } from './adopt.ts'
import { approve } from './approve.ts'
import { auditVerify } from './audit.ts'
import { completion } from './completion.ts'
import { componentUrl } from './component-url.ts'
import { config } from './config.ts'
import { connect } from './connect.ts'
import { credentialHelpers } from './credential-helper.ts'
import { doctor } from './doctor.ts'
import { exec } from './exec.ts'
import { link } from './link.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { projects } from './projects.ts'
import { proxy } from './proxy.ts'
import { revoke } from './revoke.ts'
import { status } from './status.ts'
import { token } from './token.ts'
import { tokens } from './tokens.ts'
import { whoami } from './whoami.ts'

/** Every command, in the order in which people meet them. */
export const commands: readonly Command[] = [
  login,
  logout,
  status,
  whoami,
  link,
  projects,
  connect,
  approve,
  token,
  componentUrl,
  tokens,
  revoke,
  exec,
  proxy,
  ...credentialHelpers,
  adopt,
  ...config,
  doctor,
  auditVerify,
  completion,
]
