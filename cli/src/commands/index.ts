import type { Command } from '../command.ts'
import { adopt } from './adopt.ts'
import { auditVerify } from './audit.ts'
import { completion } from './completion.ts'
import { config } from './config.ts'
import { doctor } from './doctor.ts'
import { link } from './link.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { status } from './status.ts'
import { whoami } from './whoami.ts'

/** Every command, in the order in which people meet them. */
export const commands: readonly Command[] = [
  login,
  logout,
  status,
  whoami,
  link,
  adopt,
  ...config,
  doctor,
  auditVerify,
  completion,
]
