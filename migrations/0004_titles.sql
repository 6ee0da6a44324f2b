-- What the delivered content is called, as its metadata or its page says; null where nobody has read it. It may be written
-- a little after the rest of its row.
ALTER TABLE payments ADD COLUMN title TEXT;
