// Faults in the worker's side, one line each, and what has to find each: vitest is given the words of `tests`.
// Those of the payer's room are in `test/simulation/mutants.ts`.

export type Mutant = {
  /** Below `src/`. */
  file: string
  /** Stands there exactly once. */
  from: string
  to: string
  tests: readonly [project: 'unit' | 'site' | 'simulation' | 'long', file: string]
}

const site = (file: string) => ['site', `test/${file}.test.ts`] as const
const unit = (file: string) => ['unit', `test/unit/${file}.test.ts`] as const
const long = (file: string) => ['long', `test/long/${file}.test.ts`] as const
const told = (file: string) => ['simulation', `test/simulation/${file}.test.ts`] as const

export const MUTANTS: readonly Mutant[] = [
  ...in_('receipt-access.ts', [
    ["if (!isFresh) return fail({ code: 'invalid_siwx_nonce' })", '', site('attacks/receipts')],
    [
      "if (signIn.uri !== site + RECEIPTS) return fail({ code: 'invalid_siwx_uri_mismatch' })",
      '',
      site('attacks/receipts'),
    ],
    [
      "signerOf(header, world, site, 'receipts-nonce')",
      "signerOf(header, world, site, 'sign-in')",
      site('attacks/receipts'),
    ],
  ]),
  ...in_('receipt.ts', [
    ["(headers.get('Sec-Fetch-Site') ?? 'same-origin') === 'same-origin' &&", '', site('attacks/receipts')],
    ["[null, site, new URL(url).origin].includes(headers.get('Origin'))", 'true', site('attacks/receipts')],
  ]),
  ...in_('headers.ts', [
    [' || OVERRIDES.some((known) => known.test(spelt))', '', unit('headers')],
    ["const spelt = name.replaceAll('_', '-')\n  if (isOurs", 'const spelt = name\n  if (isOurs', unit('headers')],
    ['if (!ourCookies.includes(nameOf(cookie))) ', '', site('conformance/hostile-origin')],
    ['if (harmless.length === cleared.length) return', 'return', site('conformance/hostile-origin')],
    ['if (!/^(?:[/?#]|$)/.test(below)) return location', '', unit('headers')],
    ["target !== origin && (target !== site || basePath === '')", 'false', unit('headers')],
    ['!TOLD.test(name) && !isPriced', 'false', unit('headers')],
    ['known[0] === name && known[1] === value', 'known[0] === name', unit('headers')],
    [' || secrets.some((secret) => line.includes(secret))', '', unit('headers')],
  ]),
  ...in_('mpp.ts', [
    ['if (!(await isMac(keys, id, boundText(answering, resource))))', 'if (false)', unit('mpp')],
    ["if (!(nowSeconds <= Date.parse(expires) / 1000)) return fail({ code: 'payment_expired' })", '', unit('mpp')],
    ['transfer.authorization.nonce !== challengeNonce(id, realm)', 'false', site('attacks/mpp')],
    ['`${slotsOf(challenge)} ${contextOf(resource)}`', 'slotsOf(challenge)', site('attacks/mpp')],
    ['return isOfNonce && isMac(', 'return isMac(', site('attacks/mpp-receipts')],
    ['header === null ? room.first : room.all', 'room.first', unit('mpp')],
    ['header === null ? room.first : room.all', 'room.all', unit('mpp')],
  ]),
  ...in_('request.ts', [
    [
      "if (isOfX402(request)) return fail({ code: 'invalid_payload', why: 'payments in two dialects' })",
      '',
      site('conformance/mpp'),
    ],
  ]),
  ...in_('headers.ts', [
    ["if (isOfScheme(headers.get('Authorization'))) headers.delete('Authorization')", '', unit('headers')],
    ["if (isOfScheme(headers.get('WWW-Authenticate'))) headers.delete('WWW-Authenticate')", '', unit('headers')],
  ]),
  ...in_('paywall.ts', [
    ['response.ok && outcome.isOwn === true', 'response.ok', site('conformance/mpp')],
    ['unanswered ?? found.objection', 'found.objection', site('attacks/mpp')],
    [
      "if (!machines.mpp) return fail({ code: 'invalid_payment_requirements', why: 'MPP is switched off' })",
      '',
      site('attacks/mpp'),
    ],
  ]),
  ...in_('origin.ts', [
    ['!ABOUT_THE_SELLER.includes(status) && ', '', site('conformance/upstream')],
    ['!(isBeforePayment && isAway)', 'true', site('conformance/upstream')],
    [', isCostly: true', '', site('conformance/upstream')],
    ["redirect: 'manual',", '', site('conformance/upstream')],
  ]),
  ...in_('range.ts', [
    ['if (isChanged(headers, file)) return { status: 412 }', '', unit('range')],
    ['if (isKnown(headers, file)) return { status: 304 }', '', unit('range')],
    [' || file.isEncoded', '', unit('range')],
    [' || !isRangeWanted(headers, file)', '', unit('range')],
  ]),
  ...in_('player.ts', [
    [' && claimsNothing(request)', '', site('conformance/player')],
    [' && wantsPage(request)', '', site('conformance/player')],
    [' || new URLSearchParams(query).has(RAW)', '', site('conformance/player')],
    [' || isPriced(rule)', '', site('conformance/player')],
  ]),
  ...in_('markdown.ts', [['isKept.value ? named : article', 'named', site('conformance/markdown')]]),
  ...in_('wall/article.ts', [
    ['if (!isWhole) return null', '', site('attacks/markdown')],
    ["isMarked(token, 'paid')) paid.push", 'false) paid.push', site('attacks/markdown')],
    ['(parent !== null && unseen.has(parent)) ||', '', unit('article')],
    [' || isForNobody(token)', '', unit('article')],
  ]),
  ...in_('mcp/read.ts', [
    ['return isText(type) ? content : NO_TEXT', 'return content', site('conformance/mcp')],
    ["if (decided.value.kind === 'open') return ELSEWHERE", '', site('conformance/mcp')],
    [
      'const said = { ...z.parse(z.looseObject({}), inAscii(rest)), accepts }',
      'const said = { ...rest, accepts }',
      site('conformance/mcp'),
    ],
  ]),
  ...in_('respond.ts', [
    [
      'const isOthers = remembered((name) => CACHING.test(name) || ',
      'const isOthers = remembered((name) => ',
      site('attacks/shared-cache'),
    ],
    ['for (const name of [...VALIDATORS, ...TO_US]) headers.delete(name)', '', unit('respond')],
    ["'private, no-cache'", "'no-cache'", unit('respond')],
  ]),
  ...in_('paywall.ts', [
    ['if (!ready.ok) return no(ready.error)', '', site('conformance/upstream')],
    [
      "if (request.method === 'HEAD' || isUpgrade(request)) return unpaid",
      'if (isUpgrade(request)) return unpaid',
      site('conformance/origin'),
    ],
    [' || isUpgrade(request)) return unpaid', ') return unpaid', site('conformance/websocket')],
    ['world.config.isPaused ? PAUSED : (', 'false ? PAUSED : (', site('conformance/paused')],
    ['if (world.config.isPaused) return refuse', 'if (false) return refuse', site('conformance/paused')],
    ["price === 'free' || isObserved", "price === 'free'", site('conformance/observe')],
    ["isFile && response === whole ? 'held' : 'gated'", "isFile ? 'held' : 'gated'", site('conformance/files')],
    ['isReadable(whole, isFile) ? ', 'true ? ', site('conformance/files')],
    ["if (request.method === 'OPTIONS' && ", 'if (false && ', site('conformance/origin')],
    ['if (path.length > LONGEST_PATH && ', 'if (false && ', site('conformance/configuration')],
    ['if (isStored && !isSafe(request.method))', 'if (false)', site('conformance/configuration')],
    [
      "const variant = found?.article.price ? '' : decision.variant",
      "const variant = ''",
      site('conformance/configuration'),
    ],
    [
      'if (access.opening) return serveHolder(holding, access, access.opening)',
      'if (access.kept[0]) return serveHolder(holding, access, access.kept[0])',
      site('conformance/passes'),
    ],
    [
      'if (first && !first.ok) return declined',
      'if (false && first && !first.ok) return declined',
      site('conformance/origin'),
    ],
    ['if (first && !isDeliverable(first.value.response, request.method))', 'if (false)', site('attacks/free-riding')],
    ["purpose === 'holder' ? request : null", 'request', site('conformance/ranges')],
    [
      "content.ok && purpose === 'purchase' && content.value.response.status === 206",
      'false',
      site('attacks/free-riding'),
    ],
    ['status >= 200 && status < 300 && body !== null', 'status >= 200 && status < 400', site('attacks/free-riding')],
    [': status < 400', ': true', site('conformance/upfront')],
    ['if (!isSameAddress(payment.value.payer, payer)) return', '', long('strangers')],
    ['await useUpPayment(visit, grant)', '', site('conformance/passes')],
    ['if (!proof.ok || !isBlocked(world, request)) return proof', 'return proof', long('strangers')],
    [
      'const isLasting = endsAtSeconds !== null && endsAtSeconds > nowSeconds()',
      'const isLasting = false as boolean && endsAtSeconds !== null',
      site('conformance/passes'),
    ],
    ['    () => true,\n', '    () => false,\n', site('conformance/purchase')],
    ['    () => false,\n', '    () => true,\n', site('attacks/breaking-off')],
    ['payment ? encodeFailure(refusal, payment) : {}', '{}', site('conformance/refusals')],
    ['if (!invites(refusal)) return refuse', 'if (false) return refuse', site('conformance/facilitators')],
    [
      'payment.quote === null ? [] : await quotedOffers',
      'payment.quote === null || true ? [] : await quotedOffers',
      site('conformance/quotes'),
    ],
    [
      "return { kind: 'gated', response, headers: encodeSettlement(settlement, verified.payment, null) }",
      "return { kind: 'gated', response, headers: {} }",
      site('conformance/upfront'),
    ],
  ]),
  ...in_('purchase.ts', [
    ['if (isLast || !isRetryable(fault)) break', 'break', told('content')],
    [
      'world.waitUntil(payer.hangUp({ protocol: PROTOCOL, requestId: request.requestId }).catch(logFault))',
      '',
      told('content'),
    ],
    ["if (signal.aborted && outcome.kind === 'granted')", 'if (false)', told('content')],
    ['timer = setTimeout(say, STILL_OPEN_MS)\n  }', '}', told('scenarios')],
    ['isTaken ? payer.delivered(said) : payer.released(said)', 'payer.released(said)', told('scenarios')],
    [
      '`${namespaceOf(network)}:${oneSpelling(address)}`',
      '`${network}:${oneSpelling(address)}`',
      site('conformance/two-networks'),
    ],
    [
      'signatureHash: await fingerprint(payment.transfer.signature)',
      "signatureHash: await fingerprint('')",
      long('contract-wallets'),
    ],
  ]),
  ...in_('proving.ts', [
    ["if (payment.transfer.kind !== 'permit2' || objection", 'if (objection', site('conformance/settlement')],
    ['if (!MENDED_AT_ONCE.has(reply.reason)) ', '', site('conformance/permit2')],
    [" && verdict.refusal.code !== 'unexpected_settle_error'", '', long('permit2-preemption')],
    ['if (recognised.value) return ok(', 'if (false) return ok(', long('contract-wallets')],
    ['if (since.ok && since.value)', 'if (false)', site('conformance/permit2')],
    ["return fail({ code: 'facilitator_unavailable' })", 'return ok(null)', long('contract-wallets')],
    ["if (known) return { kind: 'refused', refusal: known }", '', long('strangers')],
    ['const isHeard = countHangUp(world, request)', 'const isHeard = () => {}', long('permit2-strangers')],
    ['return { ...asItIs, look, verdict: verdict.refusal }', 'return { ...asItIs, look }', site('conformance/permit2')],
    ['if (!(await isToClaim(world, verified, resource))) return asItIs', '', long('permit2-owners')],
    ['const look = await lookFirst(world, verified)', 'const look = undefined', long('permit2-preemption')],
    ['if (!limits.mayAskFor(payment.payer, Date.now()))', 'if (false)', site('attacks/permit2-exhaustion')],
  ]),
  ...in_('hand-over.ts', [
    ['isPostedFromHere(request, site) && ', '', site('attacks/hand-over')],
    [" && (await isSecretOf(code, request.headers.get(SECRET) ?? ''))", '', site('attacks/hand-over')],
    ["if (!isPostedFromHere(request, site)) return no(request, world, 'not_found')", '', site('attacks/hand-over')],
    ['scope: scopeOf({ scope: null }, resource)', 'scope: owned.scope', site('attacks/hand-over')],
    ['endsAtSeconds: owned.endsAtSeconds', 'endsAtSeconds: owned.endsAtSeconds + 60', site('attacks/hand-over')],
    ['kept.filter(isOwn)', 'kept', site('attacks/hand-over')],
    ['payer: NOBODY }, ...kept]', 'payer: NOBODY }]', site('attacks/hand-over')],
    ["decided.value.kind !== 'gated' || ", '', site('attacks/hand-over')],
    ['if (!isLive || !owned)', 'if (!owned)', site('attacks/hand-over')],
    ["if (!isScreen || !isLive) return no(request, world, 'not_found')", '', site('attacks/hand-over')],
  ]),
  ...in_('payer/hand-over.ts', [['WHERE taken = 0 AND waits_until', 'WHERE waits_until', site('attacks/hand-over')]]),
  ...in_('site.ts', [["const isWorth = purpose === 'pass' ||", 'const isWorth =', site('attacks/test-money')]]),
  ...in_('payer/records.ts', [[' AND (network IN (${TEST})) = (asked IN (${TEST}))', '', site('attacks/test-money')]]),
  ...in_('ledger.ts', [
    [
      "AND substr(resource, 1, length(held.value ->> 'below')) = held.value ->> 'below'",
      '',
      site('attacks/receipts-of-others'),
    ],
  ]),
  ...in_('code.ts', [
    ['`${site} ${hash}', '`${hash}', site('attacks/hand-over-sites')],
    ['return encodeBytes(new Uint8Array(digest)) === hash', 'return digest.byteLength === 32', unit('code')],
  ]),
  ...in_('access.ts', [
    [
      "if (opening || header === null || request.method === 'HEAD')",
      'if (opening || header === null)',
      site('conformance/sign-in'),
    ],
    [
      "if (endsAtSeconds === null) return fail({ code: 'invalid_siwx_nonce' })",
      'if (endsAtSeconds === null) return ok([])',
      site('conformance/sign-in'),
    ],
    ['const asked = innerSignature(signature)', 'const asked = signature', site('conformance/smart-wallets')],
    ["owner: isOwnKey ? 'key' : 'code'", "owner: 'key'", site('conformance/two-networks')],
    ['if (!isOwnKey) {', 'if (false) {', site('attacks/sign-in')],
    [
      "return owns ? isWalletsOwn(world, signer) : fail({ code: 'invalid_siwx_signature' })",
      'return isWalletsOwn(world, signer)',
      site('attacks/sign-in'),
    ],
    [
      "return valid.value ? ok(null) : fail({ code: 'invalid_siwx_signature' })",
      'return ok(null)',
      site('conformance/sign-in'),
    ],
    [
      "if (found.kind === 'owned' && grantFor(found.grants, resource))",
      "if (found.kind === 'owned')",
      site('attacks/sign-in'),
    ],
    ['if (!signed.ok && isCounted(signed.error)) await', 'if (false) await', site('attacks/sign-in')],
    ['if (grants.length > 0) world.passes.add(token)', 'world.passes.add(token)', site('conformance/bearer')],
  ]),
  ...in_('errors.ts', [
    ["row(400, message), blame: 'noted' })", 'row(400, message), blame: null })', unit('errors')],
    ['!isRepeat && (isCostly', '(isCostly', unit('errors')],
    ["({ ...row(402, message), blame: 'counted' })", "({ ...row(403, message), blame: 'counted' })", unit('errors')],
    ["code === 'settlement_pending' && transaction === '' ? 'settlement_unknown' : code", 'code', unit('errors')],
  ]),
  ...in_('networks/network.ts', [
    ["if (permit.spender !== EXACT_PROXY) return fail({ code: 'invalid_permit2_spender' })", '', unit('permit2')],
    ['if (isOther || (offers.length > 0 &&', 'if ((offers.length > 0 &&', unit('permit2')],
    ["if (namespaceOf(payment.network) !== 'eip155')", 'if (false)', unit('permit2')],
    ["verifiedBy('key'), objection", "verifiedBy('code'), objection", site('conformance/two-networks')],
  ]),
  ...in_('networks/permit2.ts', [
    [
      "const domain = { name: 'Permit2', chainId: chainIdOf(network)",
      "const domain = { name: 'Permit2', chainId: 1",
      unit('permit2'),
    ],
    ['`permit2|${chainIdOf(network)}|${from}|${nonce}`', '`permit2|${chainIdOf(network)}|${nonce}`', unit('permit2')],
    ['`permit2|${chainIdOf(network)}|${from}|${nonce}`', '`permit2|${from}|${nonce}`', unit('permit2')],
  ]),
  ...in_('payer/permit.ts', [
    ['if (to !== EXACT_PROXY) return false', '', unit('permit2-look')],
    ['if (!isSuccess || !isOfPermit(sent, permit))', 'if (!isSuccess)', unit('permit2-look')],
    ['    numberWord(value),\n', '    input.slice(74, 138),\n', unit('permit2-look')],
    ['    word(payee),\n', '    input.slice(330, 394),\n', unit('permit2-look')],
    [' && log.data === `0x${numberWord(permit.value)}`', '', unit('permit2-look')],
    ['address === asset &&', '', unit('permit2-look')],
    ['numberWord(nonce >> 8n)', 'numberWord(nonce)', unit('permit2-look')],
    ['(nonce & 255n)', '(nonce & 127n)', unit('permit2-look')],
    ['input.startsWith(SETTLE_WITH_PERMIT) ? APPROVAL_WORDS : null', 'null', unit('permit2-look')],
    ['endsAtSeconds: permit.deadline', 'endsAtSeconds: 0n', unit('permit2-look')],
  ]),
  ...in_('networks/terms.ts', [
    ['const SETTLE_MARGIN_SECONDS = 8n', 'const SETTLE_MARGIN_SECONDS = -1n', unit('codec')],
    ['30n * 86_400n', '30_000n * 86_400n', site('conformance/refusals')],
    ['(candidate) => candidate.amount === amount', '() => true', site('conformance/refusals')],
    ['agreed.filter((offer) => isSameAddress(offer.payTo, paid))', 'agreed', unit('codec')],
    ["if (validAfter > now) return 'not_yet'", '', site('conformance/refusals')],
  ]),
  ...in_('cdp.ts', [
    ['const BACKDATED_SECONDS = 30', 'const BACKDATED_SECONDS = 0', unit('keyring')],
    ['const LIFE_SECONDS = 120', 'const LIFE_SECONDS = 150', unit('keyring')],
  ]),
  ...in_('keyring.ts', [
    ['known && Math.abs(nowSeconds - known.madeAtSeconds) < TOKEN_USED_SECONDS', 'known', unit('keyring')],
    ['`${keyId} ${method} ${url}`', '`${keyId} ${url}`', unit('keyring')],
  ]),
  ...in_('facilitators.ts', [['z.refine((name) => !isTaken(name), {', 'z.refine(() => true, {', unit('facilitators')]]),
  ...in_('facilitator.ts', [
    ["if (facilitator.auth.kind !== 'none') breaker.rest", 'breaker.rest', unit('facilitator')],
    [" && bought?.method === 'GET'", ' && bought', unit('facilitator')],
    ['isDoubtful && isRefusal ? ', 'false ? ', unit('facilitator')],
  ]),
  ...in_('replies.ts', [
    ["if (named !== '') return { kind: 'unknown' }", '', unit('facilitator')],
    ['|^eip6492_factory_not_allowed$/', '/', unit('facilitator')],
    ['if (data?.isValid !== undefined) return false', '', unit('facilitator')],
    ['status === 400 && !data?.transaction && ', 'status === 400 && ', unit('facilitator')],
  ]),
  ...in_('chain.ts', [["answer.error === 'reverted' ? ok(false) : answer", 'answer', unit('chain')]]),
  ...in_('x402/codec.ts', [['if (identifiers.size > 1)', 'if (false)', unit('codec')]]),
  ...in_('supported.ts', [
    ['missing.lastSeconds - missing.sinceSeconds < CONFIRMED_SECONDS', 'false', unit('supported')],
    [' || nowSeconds - missing.lastSeconds >= FRESH_SECONDS', '', unit('supported')],
    ['known[facilitator.url]?.hasBazaar === true', 'true', unit('facilitator')],
  ]),
  ...in_('teaser.ts', [
    ["headers.get('Newsstand-Access')?.trim().toLowerCase() === 'open'", 'false', site('conformance/wall')],
    ["name !== '' && !ourCookies(site).includes(name)", "name !== ''", site('conformance/wall')],
    ['isForSubscriber: true }', 'isForSubscriber: false }', site('conformance/wall')],
    [
      "if (heard === null || heard.opening === 'silence') return SILENCE",
      'if (heard === null) return SILENCE',
      site('conformance/wall'),
    ],
    ['JSON.stringify([asked.url, ...asked.headers])', 'JSON.stringify([showing.address])', site('conformance/wall')],
  ]),
  ...in_('cuts.ts', [
    ['known.untilMs > Date.now()', 'true', unit('cuts')],
    ["!headers.has('Set-Cookie')", 'true', unit('cuts')],
    ["varies.every((name) => name === '' || name === 'accept-encoding')", 'true', unit('cuts')],
  ]),
  ...in_('walled.ts', [['claimsNothing(request) ? wall.status : 402', 'wall.status', site('conformance/wall')]]),
  ...in_('wall.ts', [
    ['target.origin !== new URL(address).origin', 'false', site('conformance/wall')],
    ['fatal: true', 'fatal: false', unit('wall-reading')],
  ]),
  ...in_('wall/clean.ts', [
    ["|| tag.attributes.has('hidden')", '', unit('wall-cut')],
    ["if (tag.name === 'meta') return !isKnownMeta(tag)", '', unit('wall-cut')],
  ]),
  ...in_('wall/pass.ts', [
    ['const shut = isPaid ||', 'const shut =', unit('wall-cut')],
    ['if (outer?.isShut) return SHUT', '', unit('wall-cut')],
    ['!NO_FRAME.has(token.name) &&', '', unit('wall-cut')],
  ]),
  ...in_('wall/place.ts', [
    [' || loose > MOST_LOOSE', '', unit('wall-cut')],
    ['if (end && region.seen >= 2 * end.seen) decide', 'if (end) decide', unit('wall-place')],
    ['if (place !== null || spare !== null) return', 'if (place !== null) return', unit('wall-place')],
    ['front > MOST_IN_FRONT', 'false', unit('wall-place')],
    ['outer.seen > LONGEST_CARD', 'false', unit('wall-place')],
  ]),
  ...in_('settings.ts', [['OWN_SECRETS.some((own) => own === name)', 'false', unit('facilitators')]]),
  ...in_('health.ts', [['!(await isAdmin(request, env))', 'false', site('conformance/health')]]),
  ...in_('journal.ts', [
    [' || ABOUT_MONEY.includes(line.decision)', '', unit('journal')],
    ["if (method === 'HEAD' || method === 'OPTIONS') return false", '', unit('journal')],
  ]),
  ...in_('paywall.ts', [
    [
      'maySubscribe(request, world, rule, resource.site) && isOpen(first.value.response)',
      'false',
      site('conformance/wall'),
    ],
  ]),
  ...in_('networks/alias.ts', [['`payer|${month}|', '`payer|', unit('journal')]]),
  ...in_('networks/evm.ts', [
    ['if (BigInt(`0x${signature.slice(66, 130)}`) > HALF_ORDER) return false', '', unit('codec')],
    [' === signer.toLowerCase()', '.length === signer.length', unit('codec')],
    ["endsWith('1c') ? 1 : 0", "endsWith('1c') ? 0 : 0", unit('typed-data')],
    ['|${from}|${nonce}`', '|${from}`', site('conformance/purchase')],
  ]),
  ...in_('payer/next.ts', [["if (verdict) return { kind: 'answer', refusal: verdict }", '', unit('next')]]),
  ...in_('payer/search.ts', [
    [
      'Math.min(mostBlocks ?? rpc.memory.logBlocks, rpc.memory.logBlocks)',
      'rpc.memory.logBlocks',
      unit('permit2-look'),
    ],
  ]),
  ...in_('payer/permit.ts', [[' && !movesNothing(log)', '', unit('permit2-look')]]),
  ...in_('payer/solana.ts', [
    ['if (err !== null) return isFinal ? FAILED : TOO_FRESH', 'if (err !== null) return FAILED', unit('solana-look')],
    ["return isFinal || confirmationStatus === 'confirmed' ?", 'return true ?', unit('solana-look')],
    ['const BLOCKHASH_BLOCKS = 150', 'const BLOCKHASH_BLOCKS = 0', unit('solana-look')],
    ['const MARGIN_BLOCKS = 300', 'const MARGIN_BLOCKS = 0', unit('solana-look')],
    ['const SOONEST_END_SECONDS = 150', 'const SOONEST_END_SECONDS = 0', unit('solana-look')],
    ["const at = isFirst ? 'confirmed' : 'finalized'", "const at = 'confirmed'", unit('solana-look')],
    ['minContextSlot: Math.max(finalSlot, at?.slot ?? 0)', 'minContextSlot: finalSlot', unit('solana-look')],
    ['minContextSlot: Math.max(finalSlot, at?.slot ?? 0)', 'isUnasked: true', unit('solana-look')],
    [
      'finalSlot === null ? listed.value.length < PAGE : listed.value.length === 0',
      'listed.value.length < PAGE',
      unit('solana-look'),
    ],
    ['- QUOTE_SECONDS - MARGIN_SECONDS', '- MARGIN_SECONDS', unit('solana-look')],
    ['said === null || said.includes(memo)', 'said !== null && said.includes(memo)', unit('solana-look')],
    ['said === null || said.includes(memo)', 'true', unit('solana-look')],
    ['encodePadded(split.value.message) === message', 'true', unit('solana-look')],
    ['if (isKept === null || !isKept) return', 'if (isKept === false) return', unit('solana-look')],
    ['time === null ? null : time <= sinceSeconds', 'time === null ? null : true', unit('solana-look')],
    [
      'err: transactionError, confirmationStatus',
      'err: z.catch(transactionError, null), confirmationStatus',
      unit('solana-look'),
    ],
    ['err: transactionError,\n      memo', 'err: z.catch(transactionError, null),\n      memo', unit('solana-look')],
    ['const blockTime = z.lazy(() => z.int().check(z.gte(1)))', 'const blockTime = z.int()', unit('solana-look')],
    ["if (found.kind === 'searching' || !over) return", 'if (!over) return', unit('solana-look')],
    ['finalSlot === null ? null : known', 'null', unit('solana-look')],
    ["over && found.kind !== 'nothing' ? found", "found.kind !== 'nothing' ? found", unit('solana-look')],
    ["if (transaction !== '') {", 'if (false) {', unit('solana-look')],
    ['time >= question.settledAtSeconds + LOST_SECONDS', 'true', unit('solana-look')],
    ["truth.kind === 'expired' ? 'missing' : 'unclear'", "'missing'", unit('solana-look')],
    ['if (time === null || !isKept) return', 'if (time === null) return', unit('solana-look')],
    ["if (!epoch.ok && epoch.error === 'unreachable')", 'if (!epoch.ok)', unit('solana-look')],
    ["found.kind === 'unreachable' || !epoch.ok", "found.kind === 'unreachable'", unit('solana-look')],
    [
      'shareOf(budget, LOOK_REQUESTS)\n  const { transfer, transaction',
      'budget\n  const { transfer, transaction',
      unit('solana-look'),
    ],
  ]),
  ...in_('networks/memo.ts', [
    ['    open,\n', '', unit('memo')],
    ['    context,\n', '', unit('memo')],
    ['    network,\n', '', unit('memo')],
    ['    asset,\n', '', unit('memo')],
    ['    amount.toString(),\n', '', unit('memo')],
    ['    payTo,\n', '', unit('memo')],
    ["transfer.kind === 'svm' ? [transfer.feePayer, transfer.facilitator] : null", 'null', unit('memo')],
    ['[transfer.feePayer, transfer.facilitator]', '[transfer.feePayer]', unit('memo')],
    ['    offer.name,\n', '', unit('memo')],
    ['    offer.accessSeconds,\n', '', unit('memo')],
    ['    offer.scope,\n', '', unit('memo')],
    ['    offer.flow,\n', '', unit('memo')],
    ['.includes(true)', '.length > 0', unit('memo')],
    ['Number(char !== b[i])', '0', unit('memo')],
    ['Number.parseInt(expiry, 36)', 'Number.parseInt(expiry, 35)', unit('memo')],
  ]),
  ...in_('replies.ts', [
    ["(await isTransactionOf(named, transfer)) ? named : ''", 'named', unit('solana-replies')],
    ['|block_height_exceeded/', '/', unit('solana-replies')],
    ['ON_CHAIN.test(word) && !isSimulated', 'ON_CHAIN.test(word)', unit('solana-replies')],
    ["payment.transfer.kind === 'svm' && SIMULATED", 'SIMULATED', unit('facilitator')],
    ["(isSimulated ? 'invalid_exact_svm_transaction_simulation_failed' : null)", 'null', unit('solana-replies')],
    ['|^duplicate_settlement$', '', unit('solana-replies')],
  ]),
  ...in_('payer/columns.ts', [['slot: z.number(), ', '', unit('solana-rows')]]),
  ...in_('payer/rows.ts', [
    ['validBeforeSeconds: Math.min(looked.validBeforeSeconds, nowSeconds) }', '}', unit('solana-rows')],
    [
      "if (transfer.kind === 'svm') return memoEndsAtSeconds(transfer.memo) ?? 0",
      "if (transfer.kind === 'svm') return 9e9",
      unit('solana-rows'),
    ],
    ["offer.transfer.kind === 'svm' ? offer.transfer.facilitator : null", 'null', unit('solana-rows')],
  ]),
]

function in_(
  file: string,
  faults: readonly (readonly [from: string, to: string, tests: Mutant['tests']])[],
): readonly Mutant[] {
  return faults.map(([from, to, tests]) => ({ file, from, to, tests }))
}
