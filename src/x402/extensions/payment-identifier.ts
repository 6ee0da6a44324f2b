// The `payment-identifier` extension: a client's own id for a purchase, so that a lost answer can be asked for again.
// Shape: specs/extensions/payment_identifier.md of the protocol.
import * as z from 'zod/mini'

const ID = '^[A-Za-z0-9_-]{16,128}$'

export const PAYMENT_IDENTIFIER = 'payment-identifier'

/** What the challenge declares; the schema is as short as the specification allows, for the header's sake. */
export const paymentIdentifierDeclaration = {
  info: { required: false },
  schema: {
    type: 'object',
    properties: { required: { type: 'boolean' }, id: { type: 'string', pattern: ID } },
    required: ['required'],
  },
}

export const identifierText = z.lazy(() => z.string().check(z.regex(new RegExp(ID))))

/** The client's echo: absent, or with the id it chose. A malformed id makes the payment malformed. */
export const paymentIdentifierEcho = z.lazy(() =>
  z.object({
    info: z.optional(z.object({ id: z.optional(identifierText) })),
  }),
)
