import { describe, expect, test } from 'vitest'
import { errorReason, isClientsDoing, isCounted, publicError, REFUSAL_CODES } from '../../src/errors.ts'

describe.each(REFUSAL_CODES)('%s', (code) => {
  const { status, message, retryAfterSeconds, isReported, blame } = publicError(code)

  test('says in sentences what happened', () => {
    expect(message).toMatch(/^[A-Z][^<>{}]{10,}\.$/)
    expect(message).not.toMatch(/error|undefined|null|exception/i)
  })

  test('is blamed on its client only where it is the client’s doing', () => {
    expect(blame !== null).toBe([400, 402, 409, 412].includes(status))
    expect(isClientsDoing({ code })).toBe(blame !== null)
    expect(isCounted({ code })).toBe(blame === 'counted')
    expect(isCounted({ code, isRepeat: true })).toBe(false)
    expect([isClientsDoing({ code, isCostly: true }), isCounted({ code, isCostly: true })]).toEqual([true, true])
    if (status === 400) expect(blame).toBe('noted')
  })

  test('says when to come again where waiting helps', () => {
    expect(retryAfterSeconds !== null).toBe([429, 502, 503].includes(status))
  })

  test('is reported as a payment’s outcome only if it is one', () => {
    if (isReported) expect([402, 412, 503]).toContain(status)
  })
})

test('a pending settlement without a transaction has a word of its own', () => {
  expect(errorReason('settlement_pending', `0x${'ab'.repeat(32)}`)).toBe('settlement_pending')
  expect(errorReason('settlement_pending', '')).toBe('settlement_unknown')
  expect(errorReason('insufficient_funds', '')).toBe('insufficient_funds')
})
