-- One row per payer with payments whose outcome is still unknown, or that the ledger lacks, after a minute. `object` is the
-- id of the payer's object, which says nothing about the payer. The object writes the row, and takes it away.
CREATE TABLE unresolved (
  object TEXT PRIMARY KEY,
  payments INTEGER NOT NULL,
  since_seconds INTEGER NOT NULL
) STRICT;
