// The extension `newsstand-pass` of `PAYMENT-RESPONSE`: the pass of one purchase, for a program on another origin, whose
// browser keeps no cookie of ours. The extension is not signed, for the token in it is.

export const NEWSSTAND_PASS = 'newsstand-pass'

/** A pass as it travels beside a receipt. */
export type PassToken = { token: string; expiresAtSeconds: number }

/** What `PAYMENT-RESPONSE` carries. */
export const passExtension = (pass: PassToken | null) =>
  pass === null
    ? {}
    : {
        [NEWSSTAND_PASS]: {
          info: { token: pass.token, expiresAt: pass.expiresAtSeconds },
          schema: { type: 'object' },
        },
      }
