// The worker: the app, and the Durable Object that redeems payments.
import { answer, tend } from './app.ts'

export { Payer } from './payer/payer.ts'

export default { fetch: answer, scheduled: tend } satisfies ExportedHandler<Env>
