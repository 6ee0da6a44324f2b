// The protocol's extension `bazaar`: how a facilitator's catalogue is told what was sold. Only for what is read with GET; it is
// sent where the publisher wants it (`bazaar = true`), and holds nothing of the client's.

export const BAZAAR = 'bazaar'

/** Specification: specs/extensions/bazaar.md. `schema` describes `info`. */
export const bazaarDeclaration = () => ({
  info: { input: { type: 'http', method: 'GET' } },
  schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      input: {
        type: 'object',
        properties: { type: { type: 'string', const: 'http' }, method: { type: 'string', enum: ['GET'] } },
        required: ['type', 'method'],
      },
    },
    required: ['input'],
  },
})
