-- What the token was called and counted in when it was paid. A sale keeps that, whatever a table of tokens says later. Null in
-- rows of before.
ALTER TABLE payments ADD COLUMN symbol TEXT;
ALTER TABLE payments ADD COLUMN currency TEXT;
ALTER TABLE payments ADD COLUMN decimals INTEGER;
