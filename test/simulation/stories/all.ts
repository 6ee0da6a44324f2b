// Every story, in the order of its files.
import './answers.ts'
import './chain.ts'
import './facilitators.ts'
import './permits.ts'
import './solana.ts'
import './waits.ts'
import './wallets.ts'
import './wishes.ts'

export { type Story, stories } from './telling.ts'
