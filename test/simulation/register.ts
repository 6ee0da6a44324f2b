// For scripts that run without vitest, `node --import ./test/simulation/register.ts`: what imports `cloudflare:workers`
// gets the imitation.
import { registerHooks } from 'node:module'

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'cloudflare:workers'
      ? { url: new URL('./cloudflare-workers.ts', import.meta.url).href, shortCircuit: true }
      : next(specifier, context),
})
