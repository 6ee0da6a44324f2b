// The reference middleware as its README sets it up, with the offer that newsstand makes.
import { HTTPFacilitatorClient } from '@x402/core/server'
import { ExactEvmScheme } from '@x402/evm/exact/server'
import { paymentMiddleware, x402ResourceServer } from '@x402/hono'
import { Hono } from 'hono'

/** Kept from the first request on: a worker may ask nobody before that. */
let app

function started({ FACILITATOR_URL, ORIGIN_URL, PAY_TO, NETWORK }) {
  const server = new x402ResourceServer(new HTTPFacilitatorClient({ url: FACILITATOR_URL })).register(
    NETWORK,
    new ExactEvmScheme(),
  )
  const accepts = { scheme: 'exact', price: '$0.05', network: NETWORK, payTo: PAY_TO }
  const route = { accepts, description: 'One page', mimeType: 'text/html' }
  return new Hono()
    .use(paymentMiddleware({ 'GET /once/*': route }, server))
    .get('*', (c) => fetch(ORIGIN_URL + c.req.path, { headers: c.req.raw.headers }))
}

export default {
  fetch(request, env, context) {
    app ??= started(env)
    return app.fetch(request, env, context)
  },
}
