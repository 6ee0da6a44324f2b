-- One row per settled payment. `id` is the replay key: network, asset, payer and nonce of the authorization.
CREATE TABLE payments (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL,
  resource TEXT NOT NULL,
  scheme TEXT NOT NULL,
  network TEXT NOT NULL,
  asset TEXT NOT NULL,
  amount TEXT NOT NULL,
  payer TEXT NOT NULL,
  pay_to TEXT NOT NULL,
  "transaction" TEXT NOT NULL,
  offer TEXT NOT NULL,
  access_seconds INTEGER NOT NULL,
  settled_at_seconds INTEGER NOT NULL
) STRICT;

CREATE INDEX payments_by_time ON payments (settled_at_seconds);
CREATE INDEX payments_by_payer ON payments (payer, settled_at_seconds);
