export interface ThrowAway {
  ownerUrl: string
  appUrl: string
  stop(): Promise<void>
}
export function startThrowAway(): Promise<ThrowAway>
