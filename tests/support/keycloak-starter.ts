// A process that starts a server and is killed: tests/keycloak/left-behind.test.ts.
import { startKeycloak } from './keycloak-server.ts'

const tls = JSON.parse(process.argv[2] ?? '')
await startKeycloak({ name: 'left-behind', tls, onSpawn: (pid) => process.send?.(pid) })
