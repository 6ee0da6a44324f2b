-- A payment is proven by one log of a transaction: its position within the receipt, null where a facilitator's word was
-- taken. No two payments share one. `remark`: null; 'refund_due' where the money came beside another
-- payment; 'unproven' where the chain does not bear out what a facilitator said.
ALTER TABLE payments ADD COLUMN position INTEGER;
ALTER TABLE payments ADD COLUMN remark TEXT;
CREATE UNIQUE INDEX payments_by_proof ON payments (network, "transaction", position) WHERE position IS NOT NULL;
