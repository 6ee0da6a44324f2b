-- What the receipts page asks: all of one payer's purchases at a site, newest first, a page at a time; the purchase that a
-- pass was made of, by when its access ends; and one transaction. The first also does what `payments_by_payer` did.
CREATE INDEX payments_by_reader ON payments (payer, site, settled_at_seconds, "transaction");
CREATE INDEX payments_by_end ON payments (payer, site, settled_at_seconds + access_seconds);
CREATE INDEX payments_by_transaction ON payments ("transaction");
DROP INDEX payments_by_payer;
