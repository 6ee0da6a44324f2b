// The worker: the app, and the Durable Object that redeems payments.
import { answer } from './app.ts'

export { Payer } from './payer/payer.ts'

export default { fetch: answer } satisfies ExportedHandler<Env>
